"""`outrig events`: what happened to sessions, in order, and what happens."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from outrig.cli import opening, output, report
from outrig.cli.opening import GlobalConfig, SessionRoot

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def events(
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on, with each event as it comes.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object on each line.")
    ] = False,
    session_root: SessionRoot = None,
    global_config: GlobalConfig = None,
) -> int:
    """Show what happened to sessions, in order.

    outrig events -f --json

    How they are now is in `outrig ls`; [hooks] in your config runs commands on them.
    """
    from outrig.store.events import Events

    store = opening.store(session_root, global_config)
    opening.settle(store)
    try:
        with Events(store.root) as found:
            for event in found.follow(lambda: follow):
                output.text(f"{json.dumps(event) if as_json else _line(event)}\n")
    except KeyboardInterrupt:
        return report.EXIT_INTERRUPTED
    return 0


def _line(event: Mapping[str, Any]) -> str:
    """With its time as people read it here."""
    from outrig.core import events
    from outrig.core.listing import moment
    from outrig.core.moment import parse_time

    return events.line({**event, "at": moment(parse_time(event.get("at")), None)})
