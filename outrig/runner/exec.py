"""Exec: a command beside the agent, between its line and the console of whoever asked.

Nothing is recorded. While something waits to be shown nothing more is taken in, so a slow reader
slows the command down; when nobody reads any more, it ends, as it would in a pipe.

| a signal to outrig | the command gets            | outrig exits with                       |
|--------------------|-----------------------------|-----------------------------------------|
| INT                | INT, the second time KILL   | 130 if it ends within 10 s, else its own |
| TERM, HUP          | the same, after 10 s KILL   | 143, 129                                |
| none, nobody reads | PIPE                        | 141                                     |

Where the kernel cannot reach it (an engine in a virtual machine) it goes on, and we say so.
"""

from __future__ import annotations

import select
import signal
import time
from collections import deque
from contextlib import closing
from typing import TYPE_CHECKING

from outrig.core import pause
from outrig.errors import SessionNotRunningError
from outrig.runner import reach
from outrig.runner.console import Resized, Signalled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from outrig.core.engine import Command, Stream
    from outrig.engine import Execution
    from outrig.record.redact import Redacting
    from outrig.runner.console import Console, Event, Outlet
    from outrig.runner.reach import Connect, Reached
    from outrig.store.finding import Found

GRACE_SECONDS = 10.0
SIGNALLED = 128


def reach_for(found: Found, connect: Connect) -> Reached:
    """A session in which a command can run. Raises SessionNotRunningError."""
    reached = reach.running(found, connect)
    if pause.is_paused(reached.session):
        raise SessionNotRunningError(
            f"session {reached.session.id} is paused", hint=f"outrig unpause {reached.session.id}"
        )
    return reached


def execute(
    reached: Reached,
    command: Command,
    env: Mapping[str, str],
    console: Console,
    *,
    show: Callable[[str], None],
    redacting: Redacting | None = None,
) -> int:
    """Run a command to its end; returns its exit code. `show` is told what is odd.

    What it says goes through `redacting`.

    Raises CommandNotFoundError (127), CommandNotExecutableError (126) or EngineError.
    """
    with closing(reached.engine.exec(reached.ref, command, env)) as execution:
        talk = _Talk(execution, console, redacting, tty=command.tty, stdin=command.stdin)
        talk.until_it_ends()
        if talk.unreachable:
            show("the command cannot be signalled from here, and goes on in the session")
        return talk.exit_code()


class _Talk:
    def __init__(
        self,
        execution: Execution,
        console: Console,
        redacting: Redacting | None,
        *,
        tty: bool,
        stdin: bool,
    ) -> None:
        self._execution = execution
        self._console = console
        self._redacting = redacting
        self._heard = 0.0
        self._tty = tty
        self._stdin = stdin
        self._waiting: deque[tuple[Stream, memoryview]] = deque()
        self._feed = memoryview(b"")
        self._signal: int | None = None
        self._kill: float | None = None
        self._until = 0.0  # until when its end counts as the signal's doing
        self.unreachable = False
        if stdin and console.input is None:
            self._end_input()

    def until_it_ends(self) -> None:
        """Until it says nothing any more, cannot be reached, or nobody reads."""
        while not self.unreachable and self._turn():
            if self._kill is not None and time.monotonic() >= self._kill:
                self._send(signal.SIGKILL)
                self._kill = None
        while self._waiting and not self.unreachable:
            outlet = self._outlet()
            if outlet:
                select.select([], [outlet.fileno()], [])
            self._show()

    def exit_code(self) -> int:
        number = self._signal
        if number is None:
            return self._execution.exit_code()
        if self.unreachable or number != signal.SIGINT or time.monotonic() <= self._until:
            return SIGNALLED + number
        return self._execution.exit_code()

    # ------------------------------------------------------------------ one turn
    def _turn(self) -> bool:
        ready = self._ready()
        if self._console.fileno() in ready:
            for event in self._console.events():
                self._react(event)
        outlet = self._outlet()
        if outlet and outlet.fileno() in ready:
            self._show()
        self._take_input(ready)
        if self._feed:
            self._feed_it()
        due = self._due
        if self._redacting and due is not None and time.monotonic() >= due:
            self._say(self._redacting.pause())
        line = ready.get(self._execution.fileno(), 0)
        return self._hear() if line & ~select.POLLOUT else True

    def _ready(self) -> dict[int, int]:
        poll = select.poll()
        console = self._console
        poll.register(console.fileno(), select.POLLIN)
        outlet = self._outlet()
        if outlet:
            poll.register(outlet.fileno(), select.POLLOUT)
        listening = 0 if self._waiting else select.POLLIN
        poll.register(self._execution.fileno(), listening | (select.POLLOUT if self._feed else 0))
        if self._stdin and console.input is not None and not self._feed:
            poll.register(console.input, select.POLLIN)
        known = (self._kill, console.due, self._due)
        moments = [moment for moment in known if moment is not None]
        patience = max(0.0, min(moments) - time.monotonic()) * 1000 + 1 if moments else None
        return dict(poll.poll(patience))

    # ------------------------------------------------------------------ out
    def _hear(self) -> bool:
        chunks = self._execution.read()
        if chunks is None:
            self._say(self._redacting.end() if self._redacting else ())
            return False
        if self._redacting:
            self._heard, feed = time.monotonic(), self._redacting.feed
            chunks = [(stream, feed(stream, data)) for stream, data in chunks]
        self._say(chunks)
        return True

    def _say(self, chunks: Iterable[tuple[Stream, bytes]]) -> None:
        self._waiting.extend((stream, memoryview(data)) for stream, data in chunks if data)
        self._show()

    @property
    def _due(self) -> float | None:
        """When a pause is one, if something would be said in it."""
        if self._redacting is None or not self._redacting.waits:
            return None
        return self._heard + self._redacting.PAUSE_SECONDS

    def _outlet(self) -> Outlet | None:
        return self._console.outlet(self._waiting[0][0]) if self._waiting else None

    def _show(self) -> None:
        while self._waiting:
            stream, data = self._waiting.popleft()
            outlet = self._console.outlet(stream)
            if outlet is None or self._signal == signal.SIGPIPE:
                continue
            try:
                written = outlet.write(data) if _has_room(outlet) else 0
            except OSError:
                self._interrupt(signal.SIGPIPE)
                continue
            if written < len(data):
                self._waiting.appendleft((stream, data[written:]))
            if not written:
                return

    # ------------------------------------------------------------------ in
    def _take_input(self, ready: Mapping[int, int]) -> None:
        console = self._console
        due = console.due is not None and time.monotonic() >= console.due
        if not self._stdin or console.input is None or not (due or console.input in ready):
            return
        data = console.take()
        if data is None:
            self._end_input()
        else:
            self._feed = memoryview(data)

    def _feed_it(self) -> None:
        try:
            self._feed = self._feed[self._execution.write(self._feed) :]
        except BrokenPipeError:
            self._feed = memoryview(b"")
            self._stdin = False

    def _end_input(self) -> None:
        self._stdin = False
        self._execution.end_input()

    # ------------------------------------------------------------------ signals
    def _react(self, event: Event) -> None:
        if isinstance(event, Resized):
            if self._tty:
                self._execution.resize(event.rows, event.columns)
        elif isinstance(event, Signalled):
            self._interrupt(event.number)
        else:
            self._interrupt(signal.SIGHUP)

    def _interrupt(self, number: int) -> None:
        again = self._signal is not None
        self._signal = self._signal or number
        self._until = time.monotonic() + GRACE_SECONDS
        if number != signal.SIGINT:
            self._kill = self._until
        self._send(signal.SIGKILL if again else number)

    def _send(self, number: int) -> None:
        if not self._execution.signal(number):
            self.unreachable = True


def _has_room(outlet: Outlet) -> bool:
    """Without it a full pipe would hold us in write(), and signals with us."""
    poll = select.poll()
    poll.register(outlet.fileno(), select.POLLOUT)
    return bool(poll.poll(0))
