"""Logs: what the engine's own log says that a container wrote, put right, byte for byte.

Docker cuts lines of more than 16 KiB into messages of 16,384 bytes and a rest, and its `local`
driver forgets the newline after that rest (tried on 20.10.24; newer ones were read to keep it).
So the newline comes back with the stream's next message. After the very last one nobody can say
whether there was a newline or just the end: that is handed on as doubtful.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from outrig.core.transcript import Said
from outrig.engine.failure import refusal
from outrig.engine.line import Answer
from outrig.errors import EngineUnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outrig.core.engine import Ref, Stream
    from outrig.engine.wire import Wire

PIECE = 16_384
HEADER = 8
STDERR = 2
LONGEST = 1024 * 1024  # a message has 16 KiB and its time; more is no log
QUERY = {"stdout": "1", "stderr": "1", "timestamps": "1"}
DOING = "show what the container wrote"

_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z ")
_STAMP_BYTES = 31


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
    """Cuts what the engine sends into messages, wherever its pieces end."""

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
        while (end := _end(held, cut=self._cut)) is not None:
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


def _moment(stamp: bytes) -> datetime | None:
    """Docker writes nine digits of fraction; Python keeps six of them."""
    try:
        text = stamp.decode("ascii")
        return datetime.fromisoformat(f"{text[:26]}+00:00").astimezone(UTC)
    except ValueError:
        return None
