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
from typing import TYPE_CHECKING

from outrig.core import usage
from outrig.core.engine import Ref
from outrig.core.frozen import replace
from outrig.errors import EngineError, EngineUnreachableError
from outrig.runner import models, network
from outrig.store import places

if TYPE_CHECKING:
    from typing import Any

    from outrig.core.engine import Measured
    from outrig.runner.launched import Launched

SOON = 0.05  # seconds between two looks at one that talks
FIRST, LAST = 1.0, 10.0  # and at a silent one, at first and later
_SENT, _RECEIVED = re.compile(rb'"sent": (\d+)'), re.compile(rb'"received": (\d+)')
_LARGEST = 80 << 20  # bytes of a journal


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


def final(run: Launched) -> dict[str, Any]:
    """The record's `usage`, of one that has ended and whose container is still there."""
    try:
        found = run.engine.measured(run.ref, ask=False)
        found = _with_holder(run, found)
    except (EngineError, EngineUnreachableError):
        return {}
    return usage.fields(_with_journal(run, found), models.used(run.held.directory))


def _with_holder(run: Launched, found: Measured) -> Measured:
    for container, role, _ in network.beside(run.held.session):
        if role == "holder":
            ref = Ref(engine="docker", endpoint=run.engine.endpoint, id=container)
            holder = run.engine.measured(ref, ask=True)
            return replace(found, received=holder.received, sent=holder.sent)
    return found


def _with_journal(run: Launched, found: Measured) -> Measured:
    journal = run.held.directory / places.GATEWAY / places.NETWORK_LOG
    try:
        with journal.open("rb") as file:
            lines = file.read(_LARGEST)
    except OSError:
        return found
    return replace(
        found,
        received=sum(map(int, _RECEIVED.findall(lines))),
        sent=sum(map(int, _SENT.findall(lines))),
    )
