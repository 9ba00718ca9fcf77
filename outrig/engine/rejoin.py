"""Rejoin: the output of a container whose listener died, with nothing lost or doubled.

Such a container is heard twice: the engine's log knows every byte, but only line by line: an
unfinished line stays with the engine until it ends or has 16 KiB. A new line to the container
tells everything at once, but only what comes from now on, and nobody says where in the stream that
is. So the log is believed first. When both have been silent for a moment, the log ends where the
line had its last end of a line; what both said before it is compared, and if it is the same, the
place where the line began is known and the log is needed no more.

A terminal may paint for long without ending a line. There what comes after a moment of silence is
taken at once, and what may be missing before it is said as soon as it is known.
"""

from __future__ import annotations

import itertools
import select
import time
from typing import TYPE_CHECKING

from outrig.engine.chunked import LONGEST_SIZE, whole
from outrig.engine.logs import PIECE, Mender, messages_of
from outrig.errors import EngineError, EngineUnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from outrig.core.engine import Stream
    from outrig.core.transcript import Said
    from outrig.engine.line import Head, Line
    from outrig.engine.output import AttachedOutput

QUIET_SECONDS = 0.3  # in which an engine under load tells its log what it told the line
WINDOW = 4 * PIECE  # bytes that are kept of both, to be compared
READ_BYTES = 256 * 1024


class Chunks:
    """Undoes HTTP's chunked encoding, piece by piece; a piece may end anywhere."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._left = 0
        self.ended = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._held += data
        while not self.ended and self._held:
            if self._left:
                piece = bytes(self._held[: self._left])
                del self._held[: len(piece)]
                self._left -= len(piece)
                yield piece
                continue
            data, taken = whole(self._held)
            if taken:
                del self._held[:taken]
                yield data
            elif not self._take_size():
                return

    def _take_size(self) -> bool:
        """Also the empty line that ends the chunk before."""
        end = self._held.find(b"\r\n")
        if end < 0 and len(self._held) <= LONGEST_SIZE:
            return False
        text = bytes(self._held[:end]).partition(b";")[0]
        del self._held[: end + 2]
        if text:
            try:
                self._left = int(text, 16)
            except ValueError:
                raise EngineUnreachableError("what the engine sends as a log is none") from None
            self.ended = not self._left
        return True


class Growing:
    """The engine's log of a container that runs, as it grows. Never blocks."""

    def __init__(self, line: Line, head: Head, *, tty: bool) -> None:
        if head.headers.get("transfer-encoding", "").lower() != "chunked":
            raise EngineUnreachableError("what the engine sends as a log has no end")
        self._line = line
        self._first = line.taken()
        self._line.socket.setblocking(False)  # noqa: FBT003 - the standard library's signature
        self._chunks = Chunks()
        self._messages = messages_of(tty=tty)
        self.mender = Mender()
        self._over = False

    def fileno(self) -> int:
        return self._line.socket.fileno()

    def over(self) -> bool:
        """Whether read() has told its end."""
        return self._over

    def close(self) -> None:
        self._line.close()

    def read(self) -> Iterator[Said]:
        """What has come; at its end also what it held back."""
        data, self._first = self._first or self._receive(), b""
        while data:
            for piece in self._chunks.feed(data):
                yield from self._mended(self._messages.feed(piece))
            data = b"" if self._chunks.ended else self._receive()
        if self._chunks.ended and not self._over:
            self._over = True
            yield from self._mended(self._messages.close())

    def _mended(self, messages: Iterable[tuple[Stream, bytes]]) -> Iterator[Said]:
        return (self.mender.mend(stream, message) for stream, message in messages)

    def _receive(self) -> bytes:
        try:
            data = self._line.socket.recv(READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            if type(error).__name__ == "SSLWantReadError":
                return b""
            raise EngineUnreachableError(f"lost the engine's log: {error.strerror}") from error
        if not data:
            raise EngineUnreachableError("lost the engine's log: it ended before its container")
        return data


class Seam:
    """One stream, heard twice. Offsets are in the stream; `at` is how much of it was handed on."""

    def __init__(self, at: int, logged: int = 0) -> None:
        """`logged` is where in the stream the log begins."""
        self.at = at
        self.lost: int | None = None  # bytes before the line that nobody will hear
        self._logged = logged
        self._log_tail = b""
        self._line_tail = b""
        self._lined = 0  # bytes that the line told
        self._newline: int | None = None  # how many of them end with its last end of a line
        self._began: int | None = None  # where in the stream the line began
        self.settled = False

    def logged(self, data: bytes) -> bytes:
        """A piece of the log; what of it is new."""
        before, self._logged = self._logged, self._logged + len(data)
        self._log_tail = _tail(self._log_tail, data)
        if self._began is not None:
            return b""
        new = data[max(0, self.at - before) :]
        self.at += len(new)
        return new

    def lined(self, data: bytes) -> bytes:
        """A piece from the line; what of it is new, as far as that is known."""
        last = data.rfind(b"\n")
        if last >= 0:
            self._newline = self._lined + last + 1
        self._lined += len(data)
        self._line_tail = _tail(self._line_tail, data)
        if self._began is None:
            return b""
        self.at += len(data)
        return data

    def settle(self, *, owed: bool) -> bytes:
        """Both are silent: find out where the line began; what it told beyond the log."""
        if self.settled or self._newline is None:
            return b""
        cut = self._newline + (self._lined - self._newline) // PIECE * PIECE
        known = self._log_tail + (b"\n" if owed else b"")
        heard = self._line_tail[: len(self._line_tail) - (self._lined - cut)]
        both = min(len(known), len(heard))
        began = self._logged + owed - cut
        if not both or began + self._lined < self.at or known[-both:] != heard[-both:]:
            return b""
        self.settled = True
        if self._began is not None:
            self.lost = began - self._began
            return b""
        self._began = began
        return self._caught_up()

    def assume(self) -> bytes:
        """Nothing that ends a line has come: take it that the line began where we are."""
        if self.settled or self._began is not None or not 0 < self._lined <= WINDOW:
            return b""
        if self._newline is not None:
            return b""
        self._began = self.at
        return self._caught_up()

    def _caught_up(self) -> bytes:
        assert self._began is not None
        missing = self._began + self._lined - self.at
        self.at += missing
        return self._line_tail[-missing:] if missing else b""

    @property
    def from_line(self) -> bool:
        return self._began is not None

    @property
    def last(self) -> bytes:
        """The last byte that the line told."""
        return self._line_tail[-1:]


class Rejoined:
    """The Output of a container that somebody else had listened to."""

    def __init__(
        self,
        attached: AttachedOutput,
        log: Growing,
        seams: Mapping[Stream, Seam],
        *,
        remembered: Callable[[], Iterator[Said]] | None,
    ) -> None:
        """`remembered` is the whole log anew; None where its beginning is not the stream's."""
        self._attached = attached
        self._log: Growing | None = log
        self._seams = seams
        self._remembered = remembered
        self._attached_ended = False
        self._moved: float | None = time.monotonic()
        self._poll = select.epoll()
        self._poll.register(attached.fileno(), select.EPOLLIN)
        self._poll.register(log.fileno(), select.EPOLLIN)
        self._doubtful: set[Stream] = set()

    def fileno(self) -> int:
        return self._poll.fileno()

    @property
    def due(self) -> float | None:
        if self._over:
            return 0.0
        return None if self._moved is None else self._moved + QUIET_SECONDS

    @property
    def _over(self) -> bool:
        return self._attached_ended and (self._log is None or self._log.over())

    def read(self) -> Sequence[tuple[Stream, bytes]] | None:
        found = [*self._from_line(), *self._from_log()]
        now = time.monotonic()
        if found:
            self._moved = now
        elif self._log and self._moved is not None and now >= self._moved + QUIET_SECONDS:
            self._moved = None
            found += self._from_silence()
        if self._over and self._log and self._remembered:
            again, self._remembered = self._remembered, None
            found += self._rest(again())
        new = [(stream, data) for stream, data in found if data]
        return None if self._over and not new else new

    def _from_line(self) -> list[tuple[Stream, bytes]]:
        """Pieces that are not new yet come as empty ones: something moved."""
        chunks = None if self._attached_ended else self._attached.read()
        if chunks is None and not self._attached_ended:
            self._attached_ended = True
            self._poll.unregister(self._attached.fileno())
        return [(stream, self._seams[stream].lined(data)) for stream, data in chunks or ()]

    def _from_log(self) -> list[tuple[Stream, bytes]]:
        if self._log is None or self._log.over():
            return []
        said = list(self._log.read())
        if self._log.over():
            self._poll.unregister(self._log.fileno())
        runs = itertools.groupby(said, lambda one: one.stream)  # a log has millions of short lines
        joined = [(stream, b"".join(one.data for one in run)) for stream, run in runs]
        return [(stream, self._seams[stream].logged(data)) for stream, data in joined]

    def _from_silence(self) -> list[tuple[Stream, bytes]]:
        assert self._log
        found = []
        for stream, seam in self._seams.items():
            found.append((stream, seam.settle(owed=self._log.mender.owes(stream))))
            if stream == "terminal":
                found.append((stream, seam.assume()))
        if all(seam.settled for seam in self._seams.values()):
            if not self._log.over():
                self._poll.unregister(self._log.fileno())
            self._log.close()
            self._log = None
        return found

    def _rest(self, said: Iterator[Said]) -> list[tuple[Stream, bytes]]:
        """At the end once more from the log: an engine's following may miss its last words."""
        found = []
        told = dict.fromkeys(self._seams, 0)
        for one in said:
            seam = self._seams[one.stream]
            before, told[one.stream] = told[one.stream], told[one.stream] + len(one.data)
            if seam.from_line:
                continue
            new = one.data[max(0, seam.at - before) :]
            if one.doubtful and seam.at <= before:
                new = b"\n" if seam.last == b"\n" else b""
                self._doubtful |= set() if seam.last else {one.stream}
            seam.at += len(new)
            found.append((one.stream, new))
        return found

    @property
    def doubts(self) -> Sequence[str]:
        """What cannot be known, or is known to be missing, in words; once it has ended."""
        lost = [
            f"{stream}: {seam.lost} bytes that came while nobody listened"
            for stream, seam in self._seams.items()
            if seam.lost
        ]
        ends = [
            f"{stream}: whether its last line ended with a newline is not known"
            for stream in sorted(self._doubtful)
        ]
        return [*lost, *ends]

    def write(self, data: memoryview) -> int:
        written = self._attached.write(data)
        if not self._attached_ended:
            blocked = select.EPOLLOUT if written < len(data) else 0
            self._poll.modify(self._attached.fileno(), select.EPOLLIN | blocked)
        return written

    def end_input(self) -> None:
        self._attached.end_input()

    def handover(self) -> tuple[int, Mapping[str, str]]:
        raise EngineError("a line that was taken up again cannot be handed to another process")

    def close(self) -> None:
        if self._poll.closed:
            return
        self._poll.close()
        self._attached.close()
        if self._log:
            self._log.close()


def _tail(held: bytes, data: bytes) -> bytes:
    return data[-WINDOW:] if len(data) >= WINDOW else (held + data)[-WINDOW:]
