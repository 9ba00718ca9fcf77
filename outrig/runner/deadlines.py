"""Deadlines: who ends a session and when. Intent first, then the signal, then KILL.

| what                                  | first               | then                              |
|---------------------------------------|---------------------|-----------------------------------|
| Ctrl-C (INT), without a raw terminal  | INT for the agent   | within 5 s: as TERM; third: KILL  |
| TERM to outrig                        | TERM, grace, KILL   | another signal: KILL at once      |
| HUP that cannot detach                | TERM, grace, KILL   | another signal: KILL at once      |
| limits.wall                           | TERM, grace, KILL   |                                   |

An INT that was only forwarded is a tentative intent: it counts if the agent ends within the grace
period. All is on disk before the signal is sent, so the truth survives our own death.
"""

from __future__ import annotations

import signal
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from outrig.core.ending import Intent
from outrig.core.frozen import replace
from outrig.core.session import time_text
from outrig.store import intents

if TYPE_CHECKING:
    from outrig.runner.launch import Launched

AGAIN = 5.0  # seconds in which a second Ctrl-C means it


class Deadlines:
    def __init__(self, run: Launched) -> None:
        self._run = run
        self._wall = None if run.wall is None else run.begun + run.wall
        self._kill: float | None = None
        self._asked: float | None = None  # when Ctrl-C was last forwarded

    @property
    def ending(self) -> bool:
        """Whether the session was told to end."""
        return self._kill is not None

    def next(self) -> float | None:
        """When keep() has something to do (time.monotonic)."""
        due = [moment for moment in (self._wall, self._kill) if moment is not None]
        return min(due) if due else None

    def keep(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        if self._wall is not None and now >= self._wall:
            self._wall = None
            if not self.ending:
                self.end(Intent(kind="wall"))
        if self._kill is not None and now >= self._kill:
            self._run.engine.signal(self._run.ref, "KILL")
            self._kill = now + self._run.grace + 1

    def signalled(self, number: int) -> None:
        """Outrig got a signal that shall end the session."""
        now = time.monotonic()
        if self.ending:
            self._kill = now
        elif number != signal.SIGINT or (self._asked and now - self._asked <= AGAIN):
            self.end(Intent(kind="signal", signal=number))
        else:
            self._asked = now
            until = datetime.now(UTC) + timedelta(seconds=self._run.grace)
            self._declare(Intent(kind="signal", signal=number, until=time_text(until)))
            self._run.engine.signal(self._run.ref, "INT")

    def end(self, intent: Intent) -> None:
        """Ask the agent to end; KILL follows when the grace is over."""
        self._declare(intent)
        self._kill = time.monotonic() + self._run.grace
        self._run.engine.signal(self._run.ref, "TERM")

    def _declare(self, intent: Intent) -> None:
        said = replace(intent, at=time_text(datetime.now(UTC)), by="runner")
        intents.write(self._run.held.directory, said)
