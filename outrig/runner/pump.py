"""Pump: bytes from the session into its logs and then to whoever looks; input the other way.

Nothing here blocks. While something waits to be shown nothing more is taken in, so that a slow
reader slows the agent down instead of filling our memory; once it is being ended, all is taken.
"""

from __future__ import annotations

import contextlib
import select
import time
from collections import deque
from datetime import UTC, datetime

from outrig.core.control import decode_size
from outrig.core.session import with_dropped, with_fields
from outrig.errors import StoreError
from outrig.runner.console import Resized

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from outrig.core.engine import Stream
    from outrig.core.session import Session
    from outrig.runner.console import Console, Event, Outlet
    from outrig.runner.control import Control
    from outrig.runner.launched import Launched

ENOUGH = 256 * 1024  # bytes of input that wait for the session; more is left where it is


class Pump:
    """`heard` is when the session last said something (time.monotonic)."""

    def __init__(
        self, run: Launched, console: Console, control: Control | None, unfed: bytes = b""
    ) -> None:
        self._run = run
        self._console = console
        self._recorder = run.recorder
        self._redacting = run.redacting
        self._control = control
        self._waiting: deque[tuple[Stream, memoryview]] = deque()
        self._gone: set[Stream] = set()
        self._feed: deque[memoryview] = deque([memoryview(unfed)] if unfed else [])
        self._stdin = run.stdin
        self._ending_input = False
        self.heard = time.monotonic()
        self._refusal = ""  # why the logs are not whole
        self._unkept = 0  # bytes that came after it
        self._full = False
        if self._stdin and console.input is None and not console.keeps_input:
            self._end_input()

    # ------------------------------------------------------------------ what to wait for
    def register(self, poll: select.poll, *, take_all: bool) -> None:
        poll.register(self._console.fileno(), select.POLLIN)
        outlet = self._outlet()
        if outlet:
            poll.register(outlet.fileno(), select.POLLOUT)
        listening = select.POLLIN if take_all or not self._waiting else 0
        feeding = select.POLLOUT if self._feed else 0
        poll.register(self._run.output.fileno(), listening | feeding)
        if self._hungry() and self._console.input is not None:
            poll.register(self._console.input, select.POLLIN)
        for descriptor in self._control.descriptors() if self._control else ():
            poll.register(descriptor, select.POLLIN)

    def _hungry(self) -> bool:
        return self._stdin and sum(map(len, self._feed)) < ENOUGH

    # ------------------------------------------------------------------ what has happened
    def turn(self, ready: Mapping[int, int]) -> tuple[bool, Sequence[Event]]:
        """Move what can be moved; whether the session may still say something, and events."""
        outlet = self._outlet()
        if outlet and outlet.fileno() in ready:
            self._show()
        events = list(self._console.events()) if self._console.fileno() in ready else []
        events += self._clients(ready)
        self._take_input(ready)
        line = ready.get(self._run.output.fileno(), 0)
        if self._feed:
            self._feed_session()
        due = self._run.output.due
        listen = line & ~select.POLLOUT or (due is not None and time.monotonic() >= due)
        going_on = self._hear() if listen else True
        return going_on, [event for event in events if not self._resized(event)]

    def _resized(self, event: Event) -> bool:
        if not isinstance(event, Resized):
            return False
        if self._run.tty:
            self._recorded(lambda: self._recorder.resize(event.rows, event.columns))
            self._run.engine.resize(self._run.ref, event.rows, event.columns)
        return True

    # ------------------------------------------------------------------ output
    def _hear(self) -> bool:
        chunks = self._run.output.read()
        if chunks is None:
            return False
        if chunks:
            self.heard = time.monotonic()
        if self._redacting:
            feed = self._redacting.feed
            chunks = [(stream, feed(stream, data)) for stream, data in chunks]
        self._take(chunks)
        return True

    def _take(self, chunks: Iterable[tuple[Stream, bytes]]) -> None:
        """Keep it, then show it."""
        for stream, data in chunks:
            if not data:
                continue
            self._record(stream, data)
            if stream not in self._gone and self._console.outlet(stream):
                self._waiting.append((stream, memoryview(data)))
            if self._control:
                self._control.wake()
        self._show()

    @property
    def due(self) -> float | None:
        """When a pause is one, if something would be said in it (time.monotonic)."""
        if self._redacting is None or not self._redacting.waits:
            return None
        return self.heard + self._redacting.PAUSE_SECONDS

    def keep(self) -> None:
        """Say what a pause lets go of, if it is one."""
        due = self.due
        if self._redacting and due is not None and time.monotonic() >= due:
            self._take(self._redacting.pause())

    def say_the_rest(self) -> None:
        """The session says nothing more: what was held back as it might be a secret is none."""
        if self._redacting:
            self._take(self._redacting.end())

    def _record(self, stream: Stream, data: bytes) -> None:
        if self._refusal:
            self._unkept += len(data)
        self._recorded(lambda: self._recorder.write(stream, data))
        if self._recorder.dropped and not self._full:
            self._full = True  # at once, for whoever looks, and because we may be killed
            self.note_dropped()

    def _recorded(self, step: Callable[[], None]) -> None:
        """The agent runs on when the disk refuses; the record says what is missing."""
        if self._refusal:
            return
        try:
            step()
        except StoreError as error:
            self._refusal = error.message

    @property
    def unrecorded(self) -> str | None:
        """What the logs lack and why; None when they are whole."""
        if not self._unkept:
            return self._refusal or None
        return f"{self._refusal}; {self._unkept} bytes after that are not kept"

    def end_recording(self) -> None:
        """All that is kept is on the disk from here on."""
        self._recorded(self._recorder.close)

    def note_dropped(self) -> None:
        """Say in the record how much the bound on the logs left out, as far as it did."""
        count = self._recorder.dropped
        if count:
            now = datetime.now(UTC)
            self._note(lambda session: with_dropped(session, count, at=now))

    def _note(self, change: Callable[[Session], Session]) -> None:
        """What the record can do without, should the disk refuse: the session goes on."""
        with contextlib.suppress(StoreError):
            self._run.held.update(change)

    def _outlet(self) -> Outlet | None:
        return self._console.outlet(self._waiting[0][0]) if self._waiting else None

    def _show(self) -> None:
        """Show as much as there is room for. A reader that went away is not asked again."""
        while self._waiting:
            stream, data = self._waiting.popleft()
            outlet = None if stream in self._gone else self._console.outlet(stream)
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

    def show_the_rest(self) -> None:
        """Show what is still waiting; a signal means that nobody wants to see it."""
        while self._waiting:
            poll = select.poll()
            poll.register(self._console.fileno(), select.POLLIN)
            outlet = self._outlet()
            if outlet:
                poll.register(outlet.fileno(), select.POLLOUT)
            ready = dict(poll.poll())
            events = self._console.events() if self._console.fileno() in ready else ()
            if not all(isinstance(event, Resized) for event in events):
                return
            self._show()

    # ------------------------------------------------------------------ input
    def _take_input(self, ready: Mapping[int, int]) -> None:
        console = self._console
        due = console.due is not None and time.monotonic() >= console.due
        if console.input is None or not (due or console.input in ready):
            return
        data = console.take()
        if data is None:
            console.input = None
            self._end_input()
        elif data:
            self._feed.append(memoryview(data))

    def _clients(self, ready: Mapping[int, int]) -> Sequence[Event]:
        events: list[Event] = []
        for message in self._control.messages(list(ready)) if self._control else ():
            match message.letter:
                case "I" if self._stdin:
                    self._feed.append(memoryview(message.data))
                case "E" if self._stdin:
                    self._end_input()
                case "Z":
                    size = decode_size(message.data)
                    events += [Resized(*size)] if size else []
                case _:
                    pass  # input for a session that takes none
        return events

    def _feed_session(self) -> None:
        try:
            while self._feed:
                data = self._feed.popleft()
                written = self._run.output.write(data)
                if written < len(data):
                    self._feed.appendleft(data[written:])
                    return
        except BrokenPipeError:
            self._feed.clear()
            self._stdin = False
            self._note_input_done()
        if self._ending_input:
            self._finish_input()

    def _end_input(self) -> None:
        """After what was fed before it."""
        self._ending_input = True
        if not self._feed:
            self._finish_input()

    def _finish_input(self) -> None:
        self._run.output.end_input()
        self._note_input_done()

    def _note_input_done(self) -> None:
        """From here on our death cuts nothing short."""
        if self._run.held.session.fields.get("stdin_open"):
            self._note(lambda session: with_fields(session, stdin_open=None))

    @property
    def unfed(self) -> bytes:
        """Input that was taken and has not reached the session: for whoever follows it next."""
        return b"".join(self._feed)


def _has_room(outlet: Outlet) -> bool:
    """Without it a full pipe would hold us in write(), deadlines and signals with us."""
    poll = select.poll()
    poll.register(outlet.fileno(), select.POLLOUT)
    return bool(poll.poll(0))
