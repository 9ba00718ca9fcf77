"""Orders and launches on a fake engine: what the tests of this room begin with."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from outrig.core.layer import flag_layer
from outrig.core.request import Request
from outrig.core.streams import Terminal
from outrig.runner.cancel import Never
from outrig.runner.launch import launch
from outrig.runner.order import Order, Sources, draw_up
from outrig.store.sessions import SessionStore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from outrig.runner.cancel import Cancel
    from outrig.runner.launched import Launched
    from tests.conftest import Home
    from tests.fakes import FakeEngine

FAKE = Request(words=("true",), image="fake:1")


def order(
    home: Home,
    request: Request = FAKE,
    *,
    config: str = "",
    flags: Mapping[str, str] = {},
    env: tuple[str, ...] = (),
    cwd: Path | None = None,
    terminal: Terminal = Terminal(stdin="data"),  # noqa: B008 - a frozen value
) -> Order:
    """What `outrig run` would do, with `config` as the global one."""
    if config:
        file = home.config / "outrig/config.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(config)
    work = cwd or home.path / "work"
    work.mkdir(exist_ok=True)
    sources = Sources(
        env=os.environ, cwd=work, flags=flag_layer({"network.mode": "none", **flags}, str(work))
    )
    return draw_up(request, env, sources, terminal)


def launched(
    home: Home,
    engine: FakeEngine,
    wanted: Order | None = None,
    *,
    cancel: Cancel | None = None,
    said: list[str] | None = None,
) -> Launched:
    return launch(
        wanted or order(home),
        engine=engine,
        store=SessionStore(home.sessions),
        session_dir=None,
        cancel=cancel or Never(),
        show=(said if said is not None else []).append,
    )


def record(home: Home) -> dict[str, Any]:
    """The record of the one session there is."""
    store = SessionStore(home.sessions)
    (session,) = store.ids()
    return dict(store.load(session).fields)
