"""Recovery: what a session said while nobody wrote it down, appended to its logs exactly once.

How much of each stream is kept already is counted in bytes, so whoever is killed while recovering
has lost and repeated nothing. What is kept must be the beginning of what the engine remembers:
where it is not (the engine's log was cut), nothing is appended, and that is said.
"""

from __future__ import annotations

import contextlib
import os
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from outrig.core.frozen import frozen, replace
from outrig.core.transcript import Bookmark, Said
from outrig.errors import StoreError
from outrig.record.log import CODES, FILES, TIMING, Recorder
from outrig.record.reading import Logs, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from outrig.core.engine import Stream
    from outrig.record.redact import Redacting

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHUNK = 65_536  # bytes in one timing line
_TICK = 10_000  # microseconds, in which an engine's log tells lines as one
_APART = timedelta(seconds=1)
_TOGETHER = timedelta(milliseconds=20)  # what came within it may share one


@frozen
class Recovered:
    """How many bytes came back, and what cannot be known, in words."""

    gained: int = 0
    dropped: int = 0  # by the bound on the logs, earlier ones included
    doubts: tuple[str, ...] = ()
    known: Mapping[Stream, int] | None = None  # bytes of each stream; None: some are lost
    bookmark: Bookmark | None = None  # where the engine's log need only be read from again


def recover(
    directory: Path,
    said: Iterable[Said],
    *,
    tty: bool,
    started: datetime,
    most: int | None = None,
    redacting: Redacting | None = None,
    ended: bool = True,
) -> Recovered:
    """Append what is missing. `most` is how many bytes the logs may hold, all streams together.

    What is kept went through `redacting`, and so goes what is appended. Unless the session has
    `ended`, that holds back what may be the beginning of a secret.

    Raises StoreError when the disk refuses, and whatever reading `said` raises.
    """
    copies = {stream: _Copy(directory, stream) for stream in _streams(tty=tty)}
    with contextlib.ExitStack() as open_files:
        for copy in copies.values():
            open_files.enter_context(copy)
        room = None if most is None else most - sum(copy.size for copy in copies.values())
        marks = _Marks(copies)  # in bytes of the engine's, which redacted logs do not count
        seen = _without_values(said, redacting, ended=ended) if redacting else map(marks.seen, said)
        missing = _joined(piece for one in seen for piece in copies[one.stream].missing(one))
        gained = _append(directory, missing, tty=tty, started=started, room=room)
    beyond = sum(copy.beyond for copy in copies.values())
    doubts = tuple(words for copy in copies.values() for words in copy.doubts())
    cut = any(copy.differs for copy in copies.values())
    known = {stream: copy.known for stream, copy in copies.items()}
    if redacting:
        known = {stream: redacting.heard.get(stream, 0) for stream in copies}
    return Recovered(
        gained=gained,
        dropped=beyond - gained,
        doubts=doubts,
        known=None if cut else known,
        bookmark=None if cut else marks.found,
    )


def _without_values(said: Iterable[Said], redacting: Redacting, *, ended: bool) -> Iterator[Said]:
    for one in said:
        yield replace(one, data=redacting.feed(one.stream, one.data))
    for stream, data in redacting.end() if ended else ():
        yield Said(at=None, stream=stream, data=data)


def mend_timing(directory: Path, *, tty: bool) -> None:
    """Give bytes whose writer was killed before their timing line one, and end a torn line.

    Else every later line would speak of the wrong bytes. Raises StoreError.
    """
    lines = b"" if _ends_a_line(f"{directory}/logs/{TIMING}") else b"\n"
    files = {FILES[stream]: CODES[stream] for stream in _streams(tty=tty)}
    with Logs(directory, only=files.keys()) as logs:
        for _ in logs.timed():
            pass
        for chunk in logs.rest():
            lines += f"{files[chunk.source]} 0.000000 {len(chunk.data)}\n".encode()
    if not lines:
        return
    try:
        fd = os.open(f"{directory}/logs/{TIMING}", _APPEND, 0o600)
        try:
            os.write(fd, lines)
        finally:
            os.close(fd)
    except OSError as error:
        raise StoreError(f"cannot write the session's logs: {error.strerror}") from error


class _Copy:
    """What is kept of one stream, held against what the engine remembers of it."""

    def __init__(self, directory: Path, stream: Stream) -> None:
        self._stream = stream
        self._path = f"{directory}/logs/{FILES[stream]}"
        self._fd: int | None = None
        self.size = dict(listed(f"{directory}/logs")).get(FILES[stream], 0)
        self.heard = 0
        self.beyond = 0  # bytes that the engine remembers and that are not kept
        self.differs = False
        self._doubtful = False

    def __enter__(self) -> Self:
        if self.size:
            try:
                self._fd = os.open(self._path, _READ)
            except OSError as error:
                raise StoreError(f"cannot read {self._path}: {error.strerror}") from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd is not None:
            os.close(self._fd)

    def missing(self, said: Said) -> Iterator[Said]:
        """The part of a piece that is not kept yet."""
        self._doubtful = said.doubtful and self.heard >= self.size
        known = said.data[: max(0, self.size - self.heard)]
        self.heard += len(said.data)
        if known and not self.differs:
            assert self._fd is not None
            self.differs = _read(self._fd, len(known)) != known
        if len(known) < len(said.data) and not self.differs:
            self.beyond += len(said.data) - len(known)
            yield replace(said, data=said.data[len(known) :])

    @property
    def known(self) -> int:
        """How long the stream is, kept or not."""
        return max(self.size, self.heard)

    def doubts(self) -> Iterator[str]:
        if self.differs:
            yield f"{self._stream}: the engine's log is not the one this began as; its end is lost"
        elif self._doubtful:
            yield f"{self._stream}: whether its last line ended with a newline is not known"


class _Marks:
    """Looks for a bookmark: a moment before which everything came, and nothing that comes later.

    It lies a second back: what two streams say at once may be noted the other way round.
    """

    def __init__(self, copies: Mapping[Stream, _Copy]) -> None:
        self._copies = copies
        self._ends = dict.fromkeys(copies, b"\n")
        self._latest: datetime | None = None
        self._next: Bookmark | None = None
        self.found: Bookmark | None = None

    def seen(self, said: Said) -> Said:
        """Not taken in yet."""
        if not said.data:
            return said
        if said.at is None:  # no time can be trusted then
            self._latest = self._next = self.found = None
            return said
        at = said.at.replace(microsecond=said.at.microsecond // _TICK * _TICK)
        if self._latest is None or at > self._latest:
            self._latest = at
            self._mark(at)
        self._next = _unless_later(self._next, at)
        self.found = _unless_later(self.found, at)
        self._ends[said.stream] = said.data[-1:]
        return said

    def _mark(self, at: datetime) -> None:
        if set(self._ends.values()) != {b"\n"}:
            return
        if self._next and at - self._next.at < _APART:
            return
        before = {stream: copy.heard for stream, copy in self._copies.items()}
        self.found, self._next = self._next or self.found, Bookmark(at=at, before=before)


def _unless_later(mark: Bookmark | None, at: datetime) -> Bookmark | None:
    return None if mark and mark.at > at else mark


class _Clock:
    """The Recorder's clock, set to when the engine heard each piece. It never runs backwards."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._microseconds = 0

    def set(self, moment: datetime | None) -> None:
        if moment is not None:
            since = (moment - self._start) // timedelta(microseconds=1)
            self._microseconds = max(self._microseconds, since)

    def __call__(self) -> int:
        return self._microseconds * 1000


def _append(
    directory: Path, pieces: Iterator[Said], *, tty: bool, started: datetime, room: int | None
) -> int:
    first = next(pieces, None)
    if first is None:
        return 0
    mend_timing(directory, tty=tty)
    gained = 0
    start = first.at or started
    clock = _Clock(start)
    with Recorder(directory, tty=tty, started=start, clock=clock) as recorder:
        piece: Said | None = first
        while piece is not None:
            clock.set(piece.at)
            data = piece.data if room is None else piece.data[: max(0, room - gained)]
            recorder.write(piece.stream, data)
            gained += len(data)
            piece = next(pieces, None)
    return gained


def _joined(pieces: Iterator[Said]) -> Iterator[Said]:
    """Neighbours of one stream and one moment in one: an agent's log has millions of lines."""
    held: Said | None = None
    for piece in pieces:
        if held is not None and _belong_together(held, piece):
            held = replace(held, data=held.data + piece.data)
            continue
        if held is not None:
            yield held
        held = piece
    if held is not None:
        yield held


def _belong_together(one: Said, other: Said) -> bool:
    if one.stream != other.stream or len(one.data) >= _CHUNK:
        return False
    return one.at is None or other.at is None or other.at - one.at < _TOGETHER


def _streams(*, tty: bool) -> tuple[Stream, ...]:
    return ("terminal",) if tty else ("stdout", "stderr")


def _read(fd: int, size: int) -> bytes:
    """So many bytes, or fewer at the end of the file."""
    found = b""
    while len(found) < size and (piece := os.read(fd, size - len(found))):
        found += piece
    return found


def _ends_a_line(path: str) -> bool:
    """Whether a file is empty, absent, or ends with a newline."""
    try:
        fd = os.open(path, _READ)
    except OSError:
        return True
    try:
        size = os.fstat(fd).st_size
        return size == 0 or os.pread(fd, 1, size - 1) == b"\n"
    finally:
        os.close(fd)
