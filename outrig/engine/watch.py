"""Watch: the open question of how a container will end, asked before it starts.

The engine answers on a connection of its own when the container has ended. A connection that
breaks instead means that the engine died: it is given time to come back, and says then what
became of the container (137; tried on 20.10.24). An engine that is stopped in order ends its
containers first (143, 137) and does answer, but takes no new connection by then.
"""

from __future__ import annotations

import time
from datetime import timedelta

from outrig.core.ending import ENGINE_DEATH_CODES
from outrig.core.frozen import replace
from outrig.core.moment import parse_time
from outrig.engine.container import read_exit
from outrig.engine.facts import incarnation, started
from outrig.engine.failure import refusal
from outrig.engine.line import SECONDS
from outrig.errors import EngineUnreachableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Literal

    from outrig.core.engine import Exit
    from outrig.engine.line import Head, Line
    from outrig.engine.wire import Query, Wire

    Condition = Literal["next-exit", "not-running"]

RETURN_SECONDS = 30.0  # how long a daemon may take to come back
PAUSE_SECONDS = 0.2

# A daemon that went down in order ended its containers before it was started again; one that was
# killed ends them when it is back.
BEFORE_START = timedelta(seconds=60)
AFTER_START = timedelta(seconds=15)


class Watch:
    def __init__(self, wire: Wire, container: str, condition: Condition) -> None:
        """Ask. `next-exit` is for a container that has not started, `not-running` for others."""
        self._wire = wire
        self._container = container
        self._line, self._head = self._asked(condition)
        self._broke = False
        self._incarnation = incarnation(wire)
        self._found: Exit | None = None

    def close(self) -> None:
        self._line.close()

    def ready(self, seconds: float) -> bool:
        """Whether there is an answer, or the engine broke off, within so many seconds."""
        return self._found is not None or self._line.ready(seconds)

    def wait(self) -> Exit:
        """Block until it has ended.

        Raises ContainerGoneError, or EngineUnreachableError when the engine does not come back.
        """
        while self._found is None:
            self._line.ready(None)
            state = self._answered()
            if not state.get("Running"):
                self._found = self._judged(read_exit(state, engine_died=self._broke))
                break
            self._line.close()  # the engine came back, and the container had never stopped
            self._line, self._head = self._asked("not-running")
            self._broke = False
        return self._found

    def _judged(self, found: Exit) -> Exit:
        if found.code in ENGINE_DEATH_CODES and self._engine_is_another():
            return replace(found, engine_died=True)
        return found

    def _engine_is_another(self) -> bool:
        """Whether the engine is going down, or has been restarted since we asked."""
        try:
            self._wire.ask("GET", "/_ping", doing="answer")[0].close()
        except EngineUnreachableError:
            return True
        return incarnation(self._wire) != self._incarnation

    def _asked(self, condition: Condition) -> tuple[Line, Head]:
        """The engine's head comes at once, and means that it is watching."""
        path = f"/containers/{self._container}/wait"
        query: Query = {"condition": condition}
        return self._wire.ask("POST", path, query=query, doing="wait for the container")

    def _answered(self) -> Mapping[str, Any]:
        try:
            self._line.patience(SECONDS)
            self._line.whole(self._head)
        except EngineUnreachableError:
            self._broke = True
        return self.state()

    def state(self) -> Mapping[str, Any]:
        """What the engine says of the container now; it is given time to come back.

        Raises ContainerGoneError, or EngineUnreachableError when the engine does not come back.
        """
        deadline = time.monotonic() + RETURN_SECONDS
        while True:
            try:
                return _state(self._wire, self._container)
            except EngineUnreachableError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(PAUSE_SECONDS)


def look(wire: Wire, container: str) -> Exit | None:
    """How a container that nobody watched has ended; None while it runs.

    Raises ContainerGoneError.
    """
    state = _state(wire, container)
    if state.get("Running"):
        return None
    found = read_exit(state, engine_died=False)
    if found.code in ENGINE_DEATH_CODES and _died_with_the_engine(wire, state):
        return replace(found, engine_died=True)
    return found


def _died_with_the_engine(wire: Wire, state: Mapping[str, Any]) -> bool:
    """Whether it began under an earlier daemon and ended around the start of this one."""
    began, ended, engine = (
        parse_time(state.get("StartedAt")),
        parse_time(state.get("FinishedAt")),
        started(wire),
    )
    if began is None or ended is None or engine is None or began >= engine:
        return False
    return engine - BEFORE_START <= ended <= engine + AFTER_START


def _state(wire: Wire, container: str) -> Mapping[str, Any]:
    answer = wire.call("GET", f"/containers/{container}/json")
    if not answer.fine:
        raise refusal(answer, "say how the container ended")
    state: Mapping[str, Any] = answer.json()["State"]
    return state
