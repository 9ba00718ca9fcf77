"""Stop: end sessions from elsewhere. Intent first, then TERM, and KILL when the grace is over.

| the session               | stop                                     | kill                   |
|---------------------------|------------------------------------------|------------------------|
| runs                      | intent, TERM, grace, KILL                | intent, KILL           |
| is paused                 | the same, and it goes on to meet its end | the same               |
| has not started           | intent; its start is broken off          | the same               |
| has ended                 | nothing                                  | nothing                |
| is another tool's, or     |                                          |                        |
| another machine's         | refused                                  | refused                |

Who looks after it writes its end, from the intent; if nobody does, we do. Several go side by side:
each step is taken for all of them before the next, so the grace of many is that of one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from outrig.core.ending import Intent
from outrig.core.moment import time_text
from outrig.core.pause import is_paused
from outrig.errors import ContainerGoneError, EngineError, OutrigError, SessionNotRunningError
from outrig.runner import pause, reach
from outrig.runner.settle import settle
from outrig.store import intents, lock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from outrig.core.session import Session
    from outrig.runner.reach import Connect, Reached
    from outrig.store.finding import Found

KILL_SECONDS = 30.0  # for a kernel that is busy with a dying process
PAUSE_SECONDS = 0.1


class Stopping:
    """One session on its way to its end; `error` says why it did not get there."""

    def __init__(
        self, found: Found, *, kind: Literal["stop", "kill"], grace: float | None = None
    ) -> None:
        """`grace` is in seconds; None: the session's own."""
        self.found = found
        self.session: Session = found.session
        self.error: OutrigError | None = None
        self.had_ended = False
        self._kind = kind
        self._grace = found.session.grace if grace is None else grace
        self._grace = 0.0 if kind == "kill" else self._grace
        self._reached: Reached | None = None
        self._asked = 0.0

    def ask(self, connect: Connect) -> None:
        """Say why on the disk, then send the signal."""
        self.session = reach.current(self.found)
        self.had_ended = self.session.ended
        if self.had_ended:
            return
        reach.here(self.session)
        connect(self.session.text("engine") or None)  # else nothing could follow the words
        at = time_text(datetime.now(UTC))
        intents.write(self.found.directory, Intent(kind=self._kind, at=at, by=self._kind))
        self._break_off()
        self._send(connect)

    def _break_off(self) -> None:
        """Whoever is starting it may be in a long build: a signal makes it look at the intent."""
        session = self.session = reach.current(self.found)
        store = self.found.store
        if store is None or session.status not in ("planned", "preparing"):
            return
        for pid in lock.holders(store.root, session.id):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGTERM)

    def _send(self, connect: Connect) -> None:
        ref = reach.agent_ref(self.session)
        if self.session.status != "running" or ref is None:
            return
        reached = reach.Reached(self.session, connect(ref.endpoint or None), ref)
        reached.engine.signal(ref, "KILL" if self._kind == "kill" else "TERM")
        if is_paused(self.session):
            # Docker lets it go on by itself (tried on 20.10.24), and then it may be gone by now.
            with contextlib.suppress(SessionNotRunningError, ContainerGoneError):
                pause.unpause(self.found, connect)
        self._reached = reached
        self._asked = time.monotonic()

    def press(self, connect: Connect) -> None:
        """Wait out the grace, then kill."""
        while self._reached is None and not self.session.ended and self.found.attended:
            time.sleep(PAUSE_SECONDS)
            self.session = reach.current(self.found)
            self._send(connect)
        if self._reached is None:
            return
        engine, ref = self._reached.engine, self._reached.ref
        left = max(0.0, self._asked + self._grace - time.monotonic())
        if reach.container_ended(engine, ref, left):
            return
        engine.signal(ref, "KILL")
        if not reach.container_ended(engine, ref, KILL_SECONDS):
            raise EngineError(f"the container of {self.session.id} does not end, not even by KILL")

    def settle(self, connect: Connect) -> None:
        self.session = settle(self.found, connect)


def stop(several: Sequence[Stopping], connect: Connect) -> None:
    """End them all; what goes wrong with one of them is in its `error`, and stops no other."""
    for step in (Stopping.ask, Stopping.press, Stopping.settle):
        for one in several:
            if one.error or one.had_ended:
                continue
            try:
                step(one, connect)
            except OutrigError as error:
                one.error = error
