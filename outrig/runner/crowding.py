"""Crowding: whether a session came to its limit on processes.

Its cgroup is gone 15 to 60 ms after the last word of who could make no more of them and gave up
(tried on 20.10.24), and its end shows nothing. So it is looked at whenever something was said, when
nothing more will be, and once it has ended, where the kernel's log may still tell; and else now and
then, so that a silent fork bomb is in the record while it goes on.
"""

from __future__ import annotations

from datetime import UTC, datetime

from outrig.core.session import with_limit_hit
from outrig.errors import EngineError, EngineUnreachableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from outrig.runner.launched import Launched

SOON = 0.005  # seconds between two looks at one that talks
FIRST = 1.0  # and at a silent one, at first
LAST = 10.0  # and later


class Crowding:
    """`due` is when it will be looked at again (time.monotonic)."""

    def __init__(self, run: Launched, now: float) -> None:
        self._run = run
        self._pause = FIRST
        self._looked = now
        self._asks = now + FIRST
        self._noted: str | None = None
        self.due = self._asks

    def keep(self, heard: float, now: float) -> None:
        if now >= self._asks:
            self._pause = min(self._pause * 2, LAST)
            self._asks = now + self._pause
            self._look(now, ask=True)
        elif heard > self._looked and now >= self._looked + SOON:
            self._look(now, ask=False)
        self.due = min(self._asks, self._looked + SOON) if heard > self._looked else self._asks

    def look(self) -> None:
        """Whatever is due: nothing more will be said."""
        self._look(self._looked, ask=False)

    def _look(self, now: float, *, ask: bool) -> None:
        self._looked = now
        try:
            evidence = self._run.engine.crowded(self._run.ref, ask=ask)
        except (EngineError, EngineUnreachableError):
            return  # what it cannot say ends no session; if it is gone, its line tells so
        if evidence is not None and (ask or self._noted is None):
            self._note(evidence)

    def _note(self, evidence: str) -> None:
        """In the record: the first time it is seen, and then now and then."""
        if evidence != self._noted:
            self._noted, at = evidence, datetime.now(UTC)
            self._run.held.update(
                lambda session: with_limit_hit(session, "pids", at=at, evidence=evidence)
            )
