"""Deadlines: who ends a session and when. Intent first, then the signal, then KILL.

| what                                  | first               | then                              |
|---------------------------------------|---------------------|-----------------------------------|
| Ctrl-C (INT), without a raw terminal  | INT for the agent   | within 5 s: as TERM; third: KILL  |
| TERM to outrig                        | TERM, grace, KILL   | another signal: KILL at once      |
| HUP that cannot detach                | TERM, grace, KILL   | another signal: KILL at once      |
| limits.wall, limits.idle              | TERM, grace, KILL   |                                   |
| limits.disk, a budget for models      | TERM, grace, KILL   |                                   |

The clocks of both limits stand still while a session is paused. An INT that was only forwarded is
a tentative intent: it counts if the agent ends within the grace period. All is on disk before the
signal is sent, so the truth survives our own death.
"""

from __future__ import annotations

import signal
import time
from datetime import UTC, datetime, timedelta

from outrig.core.ending import Intent
from outrig.core.frozen import replace
from outrig.core.moment import time_text
from outrig.core.pause import is_paused, paused_seconds
from outrig.errors import StoreError
from outrig.runner.crowding import Crowding
from outrig.runner.growth import Growth
from outrig.runner.metering import Metering
from outrig.runner.models import Models
from outrig.store import intents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from outrig.runner.launched import Launched

LOOK_SECONDS = 10.0  # between two questions how busy it is, at most
IDLING = 0.01  # of one processor
AGAIN = 5.0  # seconds in which a second Ctrl-C means it


class Idle:
    """Whether a session neither said anything nor used a processor for so many seconds.

    A silent compiler is not idle, a sleeping one is. The engine is asked now and then what the
    container used; a hundredth of a processor is what a waiting program takes.
    """

    def __init__(self, run: Launched, seconds: float) -> None:
        self._run = run
        self._seconds = seconds
        self._pause = min(seconds / 4, LOOK_SECONDS)
        self._busy = time.monotonic()  # when it last did something
        self._asked = self._busy
        self._used = 0.0
        self.due = self._busy + self._pause

    def over(self, heard: float, now: float) -> bool:
        if now < self.due:
            return False
        used = self._run.engine.cpu_seconds(self._run.ref)
        paused = is_paused(self._run.held.store.load(self._run.held.id))
        if paused or used - self._used > (now - self._asked) * IDLING:
            self._busy = now
        self._busy = max(self._busy, heard)
        self._used, self._asked, self.due = used, now, now + self._pause
        return now - self._busy >= self._seconds


class Deadlines:
    def __init__(self, run: Launched) -> None:
        self._run = run
        self._wall = None if run.wall is None else run.begun + run.wall
        self._kill: float | None = None
        self._asked: float | None = None  # when Ctrl-C was last forwarded
        self.unwritten: Intent | None = None  # who ends it, where the disk cannot say so
        self._idle = None if run.idle is None else Idle(run, run.idle)
        self._crowding = Crowding(run, time.monotonic())
        self._metering = Metering(run, time.monotonic())
        self._bounds = (Growth(run), Models(run))

    @property
    def ending(self) -> bool:
        """Whether the session was told to end."""
        return self._kill is not None

    def next(self) -> float:
        """When keep() has something to do (time.monotonic)."""
        looking = self._idle.due if self._idle and not self.ending else None
        bounds = () if self.ending else tuple(one.due for one in self._bounds)
        looks = (looking, self._crowding.due, self._metering.due)
        due = (self._wall, self._kill, *looks, *bounds)
        return min(moment for moment in due if moment is not None)

    def keep(self, heard: float) -> None:
        """Do what is due. `heard` is when the session last said something."""
        now = time.monotonic()
        self._crowding.keep(heard, now)
        self._metering.keep(heard, now)
        if self._idle and not self.ending and self._idle.over(heard, now):
            self.end(Intent(kind="idle"))
        for bound in () if self.ending else self._bounds:
            if intent := bound.keep(now):
                self.end(intent)
                break
        if self._wall is not None and now >= self._wall:
            self._wall = self._extended(now)
            if self._wall is None and not self.ending:
                self.end(Intent(kind="wall"))
        if self._kill is not None and now >= self._kill:
            self._run.engine.signal(self._run.ref, "KILL")
            self._kill = now + self._run.grace + 1

    def over(self) -> None:
        """Nothing more will be said: what of the limits shows only now is noted."""
        self._crowding.look()

    def _extended(self, now: float) -> float | None:
        """The wall clock stands still while the session does; None when its time is over."""
        assert self._run.wall is not None
        session = self._run.held.store.load(self._run.held.id)
        due = self._run.begun + self._run.wall + paused_seconds(session, datetime.now(UTC))
        return max(due, now + LOOK_SECONDS / 10) if due > now or is_paused(session) else None

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
        if is_paused(self._run.held.store.load(self._run.held.id)):
            self._run.engine.unpause(self._run.ref)  # what stands still hears no signal
        self._run.engine.signal(self._run.ref, "TERM")

    def _declare(self, intent: Intent) -> None:
        """A disk that refuses lets nobody live longer; we remember it, for as long as we live."""
        said = replace(intent, at=time_text(datetime.now(UTC)), by="runner")
        try:
            intents.write(self._run.held.directory, said)
        except StoreError:
            self.unwritten = said
