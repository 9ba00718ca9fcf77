"""Metering: what a session used, for its record.

| network       | its bytes are counted by                                     |
|---------------|--------------------------------------------------------------|
| bridge        | the engine, asked now and then while it runs                 |
| open          | the engine, of the holder, which outlives the session        |
| filter, audit | the gateway, in its journal: what went through to the end    |
| none          | nobody                                                       |
"""

from __future__ import annotations

import contextlib
import re

from outrig.core import usage
from outrig.core.engine import Measured, Ref
from outrig.core.frozen import replace
from outrig.errors import EngineError, EngineUnreachableError
from outrig.runner import models, network
from outrig.store import places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from outrig.core.session import Session
    from outrig.engine import Engine
    from outrig.runner.launched import Launched

SOON = 0.05  # seconds between two looks at one that talks
FIRST, LAST = 1.0, 10.0  # and at a silent one, at first and later
_SENT, _RECEIVED = rb'"sent": (\d+)', rb'"received": (\d+)'
_LARGEST = 80 << 20  # bytes of a journal
NOTHING = Measured()


class Metering:
    """`due` is when it will be looked at again (time.monotonic)."""

    def __init__(self, run: Launched, now: float) -> None:
        said = run.held.session.fields.get("network")
        self._run = run
        self._mode = said.get("mode") if isinstance(said, dict) else said
        self._pause = FIRST
        self._looked = now
        self.due = now
        self.keep(now, now)

    def keep(self, heard: float, now: float) -> None:
        if now >= self.due:
            self._pause = min(self._pause * 2, LAST)
            self.due = now + self._pause
            self._look(ask=self._mode == "bridge")
        elif heard > self._looked + SOON:
            self._looked = now
            self._look(ask=False)

    def _look(self, *, ask: bool) -> None:
        with contextlib.suppress(EngineError, EngineUnreachableError):  # its line tells, if so
            self._run.engine.measured(self._run.ref, ask=ask)


def final(engine: Engine, ref: Ref, session: Session, directory: Path) -> dict[str, Any]:
    """The record's `usage`, of one that has ended, if possible while its containers are there.

    Nobody looked at one that ends unattended: what it took of memory and processors is not known.
    """
    found = NOTHING
    with contextlib.suppress(EngineError, EngineUnreachableError):
        found = engine.measured(ref, ask=False)
        found = _with_holder(engine, session, found)
    return written(directory, found)


def written(directory: Path, found: Measured = NOTHING) -> dict[str, Any]:
    """The same, with what the gateway has written down, which outlives any container."""
    return usage.fields(_with_journal(directory, found), models.used(directory))


def _with_holder(engine: Engine, session: Session, found: Measured) -> Measured:
    for container, role, _ in network.beside(session):
        if role == "holder":
            ref = Ref(engine="docker", endpoint=engine.endpoint, id=container)
            holder = engine.measured(ref, ask=True)
            return replace(found, received=holder.received, sent=holder.sent)
    return found


def _with_journal(directory: Path, found: Measured) -> Measured:
    journal = directory / places.GATEWAY / places.NETWORK_LOG
    try:
        with journal.open("rb") as file:
            lines = file.read(_LARGEST)
    except OSError:
        return found
    return replace(
        found,
        received=sum(map(int, re.findall(_RECEIVED, lines))),
        sent=sum(map(int, re.findall(_SENT, lines))),
    )
