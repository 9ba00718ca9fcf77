"""Logs read back: the streams of a session merged into the order in which they came.

The timing file says the order; bytes that it does not (yet) account for, because the writer was
killed in between or because another tool wrote the logs, are delivered at the end, so that each
byte comes exactly once. Nothing here is trusted: a link, a FIFO or a directory in place of a log
is passed over, and a line that is no timing line is ignored.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, Self

from outrig.core.moment import parse_time
from outrig.record.log import FILES, TIMING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

_PIECE = 1 << 20  # bytes handed out at a time at most
_LONGEST_LINE = 4096
_PAUSE = 0.05  # seconds between two looks of follow()
_FOREIGN = (".log", ".stderr")  # outrig 0.2 keeps logs/<server>.stderr
_NOT_OUTPUT = ("build.log",)
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Chunk(NamedTuple):
    """Some bytes of one log. `at` is in microseconds since 1970; None when no timing line says."""

    at: int | None
    source: str  # the name of the log file
    data: bytes


class Resized(NamedTuple):
    """The terminal got this size. `at` as in Chunk."""

    at: int | None
    rows: int
    columns: int


class Logs:
    """The logs directory of a session, opened for reading from the start; a context manager.

    `only` narrows it to some of the log files.
    """

    def __init__(self, directory: Path, *, only: Collection[str] | None = None) -> None:
        self._path = str(directory / "logs")
        self._only = only
        self._fds: dict[str, int] = {}
        self._partial = b""
        self._main: str | None = None  # the file that O lines mean
        self._at: int | None = None
        self.started: int | None = None  # what the times are counted from, once it was read

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._fds:
            os.close(self._fds.popitem()[1])

    def timed(self) -> Iterator[Chunk]:
        """All chunks whose timing lines are complete by now; call again for what came since."""
        return (one for one in self.happened() if isinstance(one, Chunk))

    def happened(self) -> Iterator[Chunk | Resized]:
        """The same, and the sizes that the terminal had."""
        for line in self._timing_lines():
            told = self._advance(line)
            if isinstance(told, Resized):
                yield told
            elif told and (self._only is None or told[0] in self._only):
                yield from self._take(*told, self._at)

    def rest(self) -> Iterator[Chunk]:
        """The bytes without a timing line; to be asked for when nobody writes any more."""
        for name in self._names():
            yield from self._take(name, None, None)

    def merged(self) -> Iterator[Chunk]:
        """Everything there is now."""
        yield from self.timed()
        yield from self.rest()

    def follow(
        self, alive: Callable[[], bool], pause: Callable[[float], None] = time.sleep
    ) -> Iterator[Chunk]:
        """Everything until the session ends, each byte once and in order.

        `alive` is asked before each look, so that what was said last is not missed.
        """
        while alive():
            yield from self.timed()
            pause(_PAUSE)
        yield from self.merged()

    def skip(self) -> None:
        """Pass over everything there is now."""
        for name in (TIMING, *FILES.values()):
            fd = self._open(name)
            if fd is not None:
                os.lseek(fd, 0, os.SEEK_END)

    # ------------------------------------------------------------------ the timing file
    def _timing_lines(self) -> Iterator[bytes]:
        fd = self._open(TIMING)
        if fd is None:
            return
        while piece := os.read(fd, _PIECE):
            *lines, self._partial = (self._partial[-_LONGEST_LINE:] + piece).split(b"\n")
            yield from lines

    def _advance(self, line: bytes) -> tuple[str, int] | Resized | None:
        """Move the clock by one timing line; says which file has how many bytes to deliver."""
        words = line.decode("ascii", "replace").split(" ")
        try:
            code, delta, value = words[0], _microseconds(words[1]), words[2]
            if code == "H" and value == "START_TIME":
                started = parse_time(words[3])
                self._at = epoch(started) if started else None
                self.started = self._at if self.started is None else self.started
                return None
            self._at = self._at + delta if self._at is not None else None
            if code == "S" and value == "SIGWINCH":
                return Resized(self._at, _number(words[3], "ROWS="), _number(words[4], "COLS="))
            return (self._file_of(code), max(0, int(value))) if code in ("O", "E") else None
        except (IndexError, ValueError):
            return None

    def _file_of(self, code: str) -> str:
        if code == "E":
            return FILES["stderr"]
        if self._main is None:
            tty = self._open(FILES["terminal"]) is not None
            self._main = FILES["terminal"] if tty else FILES["stdout"]
        return self._main

    # ------------------------------------------------------------------ the bytes
    def _take(self, name: str, size: int | None, at: int | None) -> Iterator[Chunk]:
        fd = self._open(name)
        left = size if size is not None else -1
        while fd is not None and left != 0:
            data = os.read(fd, _PIECE if left < 0 else min(left, _PIECE))
            if not data:
                return
            left -= len(data) if left > 0 else 0
            yield Chunk(at, name, data)

    def _names(self) -> list[str]:
        """The log files there are: ours in a fixed order, then those of another tool."""
        ours = [name for name in FILES.values() if self._open(name) is not None]
        if not ours:
            ours = [name for name, _ in listed(self._path) if name.endswith(_FOREIGN)]
        return [
            name
            for name in ours
            if name not in _NOT_OUTPUT and (self._only is None or name in self._only)
        ]

    def _open(self, name: str) -> int | None:
        """The descriptor of a regular file in logs/, opened once and read forward only."""
        if name not in self._fds:
            fd = _open_regular(f"{self._path}/{name}")
            if fd is None:
                return None
            self._fds[name] = fd
        return self._fds[name]


def listed(logs: str) -> list[tuple[str, int]]:
    """Name and size of each regular file in a logs directory, by name."""
    found = []
    with contextlib.suppress(OSError), os.scandir(logs) as entries:
        found = [
            (entry.name, entry.stat(follow_symlinks=False).st_size)
            for entry in entries
            if entry.is_file(follow_symlinks=False)
        ]
    return sorted(found)


def _open_regular(path: str) -> int | None:
    try:
        fd = os.open(path, _READ)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None


def _microseconds(text: str) -> int:
    seconds, _, fraction = text.partition(".")
    return int(seconds) * 1_000_000 + int(fraction[:6].ljust(6, "0"))


def _number(word: str, name: str) -> int:
    return int(word.removeprefix(name))


def epoch(moment: datetime) -> int:
    """Microseconds since 1970."""
    since_epoch = moment - datetime.fromtimestamp(0, UTC)
    return (since_epoch.days * 86_400 + since_epoch.seconds) * 1_000_000 + since_epoch.microseconds
