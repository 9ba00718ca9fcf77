"""Logs: what the engine's own log says that a container wrote, put right, byte for byte.

Docker cuts lines of more than 16 KiB into messages of 16,384 bytes and a rest, and its `local`
driver forgets the newline after that rest (tried on 20.10.24; newer ones were read to keep it).
So the newline comes back with the stream's next message. After the very last one nobody can say
whether there was a newline or just the end: that is handed on as doubtful.
"""

from __future__ import annotations

import itertools
import re
import struct
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from outrig.core.transcript import Said
from outrig.engine.failure import refusal
from outrig.engine.line import Answer
from outrig.errors import EngineUnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outrig.core.engine import Ref, Stream
    from outrig.core.transcript import Bookmark
    from outrig.engine.wire import Wire

PIECE = 16_384
HEADER = 8
STDERR = 2
LONGEST = 1024 * 1024  # a message has 16 KiB and its time; more is no log
QUERY = {"stdout": "1", "stderr": "1", "timestamps": "1"}
DOING = "show what the container wrote"

_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z ")
_STAMP_BYTES = 31
# Neighbours that are whole lines of one stream and of one hundredth of a second. Nothing here is
# possessive, which Python got wrong before 3.11.5 (gh-106052, seen with 3.11.2).
_LINE = rb"[0-9]{7}Z [^\n]*\n"
_FRAMED = re.compile(
    rb"([\x01\x02])\x00{3}.{4}([0-9T:.-]{22})%b(?:\1\x00{3}.{4}\2%b)+" % (_LINE, _LINE), re.DOTALL
)
_FRAME = re.compile(rb".\x00{3}(.{4}).{31}([^\n]*\n)", re.DOTALL)
_SHORT = rb"[0-9]{7}Z [^\n]{0,16383}\n"
_ON_TERMINAL = re.compile(rb"([0-9T:.-]{22})%b(?:\1%b)+" % (_SHORT, _SHORT))
_SHOWN = re.compile(rb".{31}([^\n]*\n)")


def output(wire: Wire, ref: Ref, *, tty: bool) -> Iterator[Said]:
    """Everything the engine remembers, each stream in order."""
    with wire.stream("GET", f"/containers/{ref.id}/logs", query=QUERY) as (head, body):
        answer = Answer(status=head.status, headers=head.headers, body=b"")
        if not answer.fine:
            said = Answer(status=head.status, headers=head.headers, body=b"".join(body))
            raise refusal(said, DOING)
        mender, messages = Mender(), messages_of(tty=tty)
        for piece in body:
            for stream, message in messages.feed(piece):
                yield mender.mend(stream, message)
        for stream, message in messages.close():
            yield mender.mend(stream, message)
        yield from mender.close()


class Mender:
    """Messages of a log in, what was really written out."""

    def __init__(self) -> None:
        self._cut: set[Stream] = set()  # in the middle of a long line
        self._owed: dict[Stream, datetime | None] = {}  # a newline, should anything follow

    def mend(self, stream: Stream, message: bytes) -> Said:
        stamp, _, data = message.partition(b" ")
        at = _moment(stamp)
        whole = b"\n" + data if stream in self._owed else data
        self._owed.pop(stream, None)
        if data.endswith(b"\n"):
            self._cut.discard(stream)
        elif len(data) >= PIECE:
            self._cut.add(stream)
        elif stream in self._cut:
            self._cut.discard(stream)
            self._owed[stream] = at
        return Said(at=at, stream=stream, data=whole)

    def owes(self, stream: Stream) -> bool:
        """Whether a newline is likely to have come that the engine has not told."""
        return stream in self._owed

    def close(self) -> Iterator[Said]:
        for stream, at in self._owed.items():
            yield Said(at=at, stream=stream, data=b"", doubtful=True)


class Messages(Protocol):
    """Cuts what the engine sends into messages, wherever its pieces end.

    Whole lines that came together are one message: without that, 28 MB of `yes` are 14 million.
    """

    def feed(self, piece: bytes) -> Iterator[tuple[Stream, bytes]]: ...

    def close(self) -> Iterator[tuple[Stream, bytes]]: ...


def messages_of(*, tty: bool) -> Messages:
    return OfTerminal() if tty else Framed()


class Framed:
    """The messages of a container without a terminal, each in a frame."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, piece: bytes) -> Iterator[tuple[Stream, bytes]]:
        held = self._held
        held += piece
        while len(held) >= HEADER:
            run, size = _run(held)
            if run:
                stream: Stream = "stderr" if held[0] == STDERR else "stdout"
                del held[:size]
                yield stream, run
                continue
            end = HEADER + int.from_bytes(held[4:HEADER], "big")
            if end > LONGEST:
                raise EngineUnreachableError("what the engine sends as a log is none")
            if len(held) < end:
                break
            yield ("stderr" if held[0] == STDERR else "stdout"), bytes(held[HEADER:end])
            del held[:end]

    def close(self) -> Iterator[tuple[Stream, bytes]]:
        return iter(())


class OfTerminal:
    """The messages of a container with a terminal, which nothing separates but their times."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._cut = False

    def feed(self, piece: bytes) -> Iterator[tuple[Stream, bytes]]:
        held = self._held
        held += piece
        while True:
            if not self._cut and (run := _ON_TERMINAL.match(held)):
                together = run.group()
                del held[: len(together)]
                yield "terminal", together[:_STAMP_BYTES] + b"".join(_SHOWN.findall(together))
                continue
            end = _end(held, cut=self._cut)
            if end is None:
                return
            message = bytes(held[:end])
            del held[:end]
            self._cut = not message.endswith(b"\n") and end == _STAMP_BYTES + PIECE
            yield "terminal", message

    def close(self) -> Iterator[tuple[Stream, bytes]]:
        """The last one may end anywhere."""
        held = self._held
        while held:
            end = _end(held, cut=self._cut) or len(held)
            message = bytes(held[:end])
            del held[:end]
            yield "terminal", message


def _run(held: bytearray) -> tuple[bytes, int]:
    """The messages that it begins with, as one, and how many bytes they took; empty if none.

    A message that is no whole line seems to go on into the next one: its own length tells.
    """
    found = _FRAMED.match(held)
    if found is None:
        return b"", 0
    together = found.group()
    units = _FRAME.findall(together)
    lengths = struct.unpack(f">{len(units)}I", b"".join(length for length, _ in units))
    lines = [line for _, line in units]
    if sum(lengths) != len(together) - HEADER * len(units):
        wrong = (len(line) + _STAMP_BYTES != n for line, n in zip(lines, lengths, strict=True))
        lines = lines[: next(itertools.compress(itertools.count(), wrong))]
    data = b"".join(lines)
    stamp = together[HEADER : HEADER + _STAMP_BYTES] if lines else b""
    return stamp + data, len(data) + (HEADER + _STAMP_BYTES) * len(lines)


def _end(held: bytearray, *, cut: bool) -> int | None:
    """Where the first message ends: its newline, 16 KiB, or, after 16 KiB, the next one's time."""
    full = _STAMP_BYTES + PIECE
    end = held.find(b"\n", _STAMP_BYTES, full) + 1
    following = _STAMP.search(held, _STAMP_BYTES, full + _STAMP_BYTES) if cut else None
    if following and (not end or following.start() < end):
        return following.start()
    if end:
        return end
    return full if len(held) >= full + _STAMP_BYTES else None


def since(bookmark: Bookmark) -> str:
    """As the engine wants it: seconds since 1970, and nine digits of fraction."""
    return f"{int(bookmark.at.timestamp())}.{bookmark.at.microsecond * 1000:09d}"


def _moment(stamp: bytes) -> datetime | None:
    """Docker writes nine digits of fraction; Python keeps six of them."""
    try:
        text = stamp.decode("ascii")
        return datetime.fromisoformat(f"{text[:26]}+00:00").astimezone(UTC)
    except ValueError:
        return None
