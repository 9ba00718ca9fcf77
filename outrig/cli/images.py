"""`outrig images`: which images there are, configured and built."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from outrig.cli import here, output, report
from outrig.cli.opening import AsJson, Config, GlobalConfig, SessionRoot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from outrig.core.stock import Stocked


def images(
    as_json: AsJson = False,
    config: Config = None,
    global_config: GlobalConfig = None,
    session_root: SessionRoot = None,
) -> int:
    """List configured and built images.

    outrig images

    Make them ahead of their first use with `outrig build`.
    """
    from outrig.core import stock
    from outrig.runner.images import inventory, workshop

    shop = workshop(
        env=os.environ,
        cwd=here.directory(),
        config=config,
        global_config=global_config,
        skip_global=session_root is not None,
    )
    for warning in shop.warnings:
        report.notice(warning)
    found = inventory(shop.engine, shop.known)
    shop.engine.close()
    if as_json:
        output.as_json([stock.fields(one) for one in found])
    else:
        output.text(_table(found))
    return 0


def _table(found: Sequence[Stocked]) -> str:
    from outrig.core import stock
    from outrig.core.table import table

    now = datetime.now(UTC)
    rows = [stock.HEADER, *(stock.row(one, now) for one in found)]
    return table(rows, width=output.width())
