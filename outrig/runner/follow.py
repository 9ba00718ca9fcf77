"""Session -> its end: every byte recorded and then shown, limits kept, the end told truly.

One loop waits for whatever happens next: output, room to show it, input, room for it, a signal to
outrig, a deadline. Nothing in it blocks, so a reader that stalls delays no deadline, and an agent
that stalls delays no signal. The record is finished before the last output is shown.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from outrig.core.ending import Finding, Intent, judge
from outrig.core.session import ended, time_text, without_resource
from outrig.engine.failure import init_complaint
from outrig.errors import ContainerGoneError, EngineUnreachableError
from outrig.record.log import Recorder
from outrig.runner.console import Resized
from outrig.store import intents

if TYPE_CHECKING:
    from outrig.core.engine import Exit, Stream
    from outrig.core.session import Session
    from outrig.runner.console import Console, Outlet
    from outrig.runner.launch import Launched

CHUNK = 256 * 1024  # bytes read from stdin at once
COMPLAINT = 4096  # bytes of output in which init's own complaint would stand


def follow(run: Launched, console: Console) -> Session:
    """Stay with a started session until it has ended; returns the final record.

    Raises EngineUnreachableError when the engine went away and did not come back: the session
    may go on without us, its record says so, and the next command finishes it.
    """
    with Recorder(run.held.directory, tty=run.container.tty, started=run.started) as recorder:
        if run.container.size:
            recorder.resize(*run.container.size)
        loop = _Loop(run, console, recorder)
        loop.until_output_ends()
        exit_ = _exit(run)
    session = finish(run, exit_, loop.intent)
    run.output.close()
    loop.show_the_rest()
    return session


def finish(run: Launched, exit_: Exit | None, intent: Intent | None) -> Session:
    """Write the end and remove the container. An intent on disk is the truth about who ended it.

    `exit_` None: the container vanished, and nobody can say how it ended.
    """
    intent = intents.read(run.held.directory) or intent
    ending = judge(intent, _finding(run, exit_))
    run.held.update(lambda session: ended(session, ending, at=datetime.now(UTC)))
    run.engine.remove(run.ref)
    return run.held.update(lambda session: without_resource(session, run.attempt))


def _finding(run: Launched, exit_: Exit | None) -> Finding:
    if exit_ is None:
        return Finding(code=None)
    complaint = exit_.code in (126, 127) and init_complaint(_first_words(run))
    return Finding(
        code=exit_.code, oom=exit_.oom, init_complaint=complaint, engine_died=exit_.engine_died
    )


def _exit(run: Launched) -> Exit | None:
    """How it ended. The engine is given time to come back when the line to it broke."""
    try:
        return run.engine.wait(run.ref)
    except ContainerGoneError:
        return None
    except EngineUnreachableError as error:
        raise EngineUnreachableError(
            f"{error.message}; session {run.held.id} may still run",
            hint=f"outrig show {run.held.id}, once the engine is back",
        ) from error


def _first_words(run: Launched) -> bytes:
    name = "terminal.log" if run.container.tty else "stderr.log"
    with (run.held.directory / "logs" / name).open("rb") as log:
        return log.read(COMPLAINT)


def _has_room(outlet: Outlet) -> bool:
    """Without it a full pipe would hold us in write(), deadlines and signals with us."""
    poll = select.poll()
    poll.register(outlet.fileno(), select.POLLOUT)
    return bool(poll.poll(0))


class _Loop:
    """The state of following one session: what waits to be shown, fed and done."""

    def __init__(self, run: Launched, console: Console, recorder: Recorder) -> None:
        self.run = run
        self.console = console
        self.recorder = recorder
        self.intent: Intent | None = None
        self._waiting: deque[tuple[Stream, memoryview]] = deque()
        self._gone: set[Stream] = set()
        self._input = console.input if run.container.stdin else None
        self._feed = memoryview(b"")
        self._wall = None if run.wall is None else time.monotonic() + run.wall
        self._kill: float | None = None

    def until_output_ends(self) -> None:
        """Run until the container says nothing any more, or the line to it breaks."""
        if self.run.container.stdin and self._input is None:
            self.run.output.end_input()
        with contextlib.suppress(EngineUnreachableError):  # wait() finds out what became of it
            while self._turn():
                self._keep_deadlines()

    def show_the_rest(self) -> None:
        """Show what is still waiting; a signal means that nobody wants to see it."""
        while self._waiting:
            poll = select.poll()
            poll.register(self.console.fileno(), select.POLLIN)
            outlet = self._outlet()
            if outlet:
                poll.register(outlet.fileno(), select.POLLOUT)
            ready = dict(poll.poll())
            if self.console.fileno() in ready and self._only_resized():
                continue
            if self.console.fileno() in ready:
                return
            self._show()

    def _only_resized(self) -> bool:
        return all(isinstance(event, Resized) for event in self.console.events())

    # ------------------------------------------------------------------ one turn of the loop
    def _turn(self) -> bool:
        """Wait for the next thing and do it; False once the output has ended."""
        ready = self._wait()
        if self.console.fileno() in ready:
            self._react()
        outlet = self._outlet()
        if outlet and outlet.fileno() in ready:
            self._show()
        if self._input is not None and self._input in ready and not self._feed:
            self._read_input()
        line = ready.get(self.run.output.fileno(), 0)
        if line & select.POLLOUT and self._feed:
            self._feed_input()
        if line & ~select.POLLOUT:
            return self._hear()
        return True

    def _wait(self) -> dict[int, int]:
        poll = select.poll()
        poll.register(self.console.fileno(), select.POLLIN)
        outlet = self._outlet()
        if outlet:
            poll.register(outlet.fileno(), select.POLLOUT)
        # While something waits to be shown nothing more is taken in, so that a slow reader slows
        # the agent down instead of filling our memory; once it is being ended, all is taken.
        listening = select.POLLIN if not self._waiting or self._kill else 0
        feeding = select.POLLOUT if self._feed else 0
        poll.register(self.run.output.fileno(), listening | feeding)
        if self._input is not None and not self._feed:
            poll.register(self._input, select.POLLIN)
        return dict(poll.poll(self._patience()))

    def _patience(self) -> float | None:
        deadlines = [moment for moment in (self._wall, self._kill) if moment is not None]
        if not deadlines:
            return None
        return max(0.0, min(deadlines) - time.monotonic()) * 1000 + 1

    # ------------------------------------------------------------------ output
    def _hear(self) -> bool:
        chunks = self.run.output.read()
        if chunks is None:
            return False
        for stream, data in chunks:
            self.recorder.write(stream, data)
            if stream not in self._gone and self.console.outlet(stream):
                self._waiting.append((stream, memoryview(data)))
        if self._waiting:
            self._show()
        return True

    def _outlet(self) -> Outlet | None:
        return self.console.outlet(self._waiting[0][0]) if self._waiting else None

    def _show(self) -> None:
        """Show as much as there is room for. A reader that went away is not asked again."""
        while self._waiting:
            stream, data = self._waiting.popleft()
            outlet = None if stream in self._gone else self.console.outlet(stream)
            if outlet is None:
                continue
            try:
                written = outlet.write(data) if _has_room(outlet) else 0
            except OSError:
                self._gone.add(stream)
                continue
            if written < len(data):
                self._waiting.appendleft((stream, data[written:]))
            if not written:
                return

    # ------------------------------------------------------------------ input
    def _read_input(self) -> None:
        assert self._input is not None
        try:
            data = os.read(self._input, CHUNK)
        except BlockingIOError:
            return
        except OSError:  # a terminal that hung up
            data = b""
        if data:
            self._feed = memoryview(data)
            self._feed_input()
        else:
            self._end_input()

    def _feed_input(self) -> None:
        try:
            self._feed = self._feed[self.run.output.write(self._feed) :]
        except BrokenPipeError:
            self._feed = memoryview(b"")
            self._input = None

    def _end_input(self) -> None:
        self._input = None
        self.run.output.end_input()

    # ------------------------------------------------------------------ signals and deadlines
    def _react(self) -> None:
        for event in self.console.events():
            if isinstance(event, Resized):
                self.recorder.resize(event.rows, event.columns)
                self.run.engine.resize(self.run.ref, event.rows, event.columns)
            elif self._kill is None:
                self._end(Intent(kind="signal", signal=event.number))
            else:
                self._kill = time.monotonic()

    def _keep_deadlines(self) -> None:
        now = time.monotonic()
        if self._wall is not None and now >= self._wall:
            self._wall = None
            if self._kill is None:
                self._end(Intent(kind="wall"))
        if self._kill is not None and now >= self._kill:
            self.run.engine.signal(self.run.ref, "KILL")
            self._kill = now + self.run.grace + 1

    def _end(self, intent: Intent) -> None:
        """Say why on disk, then ask the agent to end; KILL follows when the grace is over."""
        self.intent = Intent(
            kind=intent.kind, signal=intent.signal, at=time_text(datetime.now(UTC)), by="runner"
        )
        intents.write(self.run.held.directory, self.intent)
        self._kill = time.monotonic() + self.run.grace
        self.run.engine.signal(self.run.ref, "TERM")
