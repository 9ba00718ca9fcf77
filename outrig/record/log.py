"""Recorder: the bytes a session said, kept exactly, and when they came.

    logs/stdout.log, stderr.log     without a TTY       logs/terminal.log    with one
    logs/timing                     the advanced timing lines of script(1), plus E for stderr:

        H 0.000000 START_TIME 2026-05-01T13:44:12.000000Z     what the times below are counted from
        O 0.123456 10                                         seconds since the line before, bytes
        E 0.000012 4
        S 2.000000 SIGWINCH ROWS=24 COLS=80

Descriptors are append-only and unbuffered: when write() returns, the bytes are the kernel's, and
may be shown. A timing line is written after its bytes, so that a crash leaves bytes without a
line and never a line without bytes. Times are counted in whole microseconds and do not drift.

A bound on what is kept of all streams together leaves the session alone: the bytes that come after
it are counted and not kept. The timing has the same bound, but never less than a megabyte; bytes
that come after that are kept without their times.
"""

from __future__ import annotations

import os
import sys
import time

from outrig.core.moment import time_text
from outrig.errors import StoreError, reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from outrig.core.engine import Stream

TIMING = "timing"
FILES: dict[Stream, str] = {
    "stdout": "stdout.log",
    "stderr": "stderr.log",
    "terminal": "terminal.log",
}
CODES: dict[Stream, str] = {"stdout": "O", "stderr": "E", "terminal": "O"}

_LEAST_TIMING = 1 << 20  # bytes
_SYNC_EVERY = 1_000_000  # microseconds
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


class Recorder:
    """Writes the logs of one session. `directory` is the session's; `started` is time zero.

    `most` bytes are kept, those of an earlier recorder included; `dropped` is how many were not,
    and begins with what that one left out. Every method raises StoreError when the disk refuses.
    """

    def __init__(
        self,
        directory: Path,
        *,
        tty: bool,
        started: datetime,
        most: int | None = None,
        dropped: int = 0,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.dropped = dropped
        self._clock = clock
        self._last = self._synced = clock() // 1000
        self._dirty = False
        logs = directory / "logs"
        streams: tuple[Stream, ...] = ("terminal",) if tty else ("stdout", "stderr")
        self._fds: dict[str, int] = {}
        try:
            logs.mkdir(mode=0o700, exist_ok=True)
            for name in (TIMING, *(FILES[stream] for stream in streams)):
                self._fds[name] = os.open(logs / name, _FLAGS, 0o600)
        except OSError as error:
            self._close_all()
            raise _refused(error) from error
        self._bound(most)
        self._timing = self._fds[TIMING]
        self._streams = {stream: (self._fds[FILES[stream]], CODES[stream]) for stream in streams}
        self._line(f"H 0.000000 START_TIME {time_text(started)}\n")

    def write(self, stream: Stream, data: bytes) -> None:
        """Keep one chunk. When this returns it may be shown."""
        if len(data) > self._room:
            self.dropped += len(data) - self._room
            data = data[: self._room]
        if not data:
            return
        self._room -= len(data)
        fd, code = self._streams[stream]
        now = self._clock() // 1000
        try:
            _write_all(fd, data)
        except OSError as error:
            raise _refused(error) from error
        self._line(f"{code} {self._since_last(now)} {len(data)}\n")
        self._dirty = True
        if now - self._synced > _SYNC_EVERY:
            self._sync(now)

    def resize(self, rows: int, cols: int) -> None:
        """Note the terminal's size from here on."""
        now = self._clock() // 1000
        self._line(f"S {self._since_last(now)} SIGWINCH ROWS={rows} COLS={cols}\n")

    def close(self) -> None:
        """Make everything durable and let go; a second call does nothing."""
        try:
            if self._fds and self._dirty:
                self._sync(self._last)
        finally:
            self._close_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _bound(self, most: int | None) -> None:
        """How many bytes there is room for; what is in the files already has its share of it."""
        self._room = self._timing_room = sys.maxsize
        if most is not None:
            sizes = {name: os.fstat(fd).st_size for name, fd in self._fds.items()}
            self._timing_room = max(most, _LEAST_TIMING) - sizes.pop(TIMING)
            self._room = max(0, most - sum(sizes.values()))

    def _since_last(self, now: int) -> str:
        delta = max(0, now - self._last)
        self._last += delta
        return f"{delta // 1_000_000}.{delta % 1_000_000:06d}"

    def _line(self, text: str) -> None:
        self._timing_room -= len(text)
        if self._timing_room < 0:
            return
        try:
            _write_all(self._timing, text.encode("ascii"))
        except OSError as error:
            raise _refused(error) from error

    def _sync(self, now: int) -> None:
        """At most once a second: for the power failure; a crash of ours loses nothing anyway."""
        self._synced = now
        self._dirty = False
        try:
            for fd in self._fds.values():
                os.fdatasync(fd)
        except OSError as error:
            raise _refused(error) from error

    def _close_all(self) -> None:
        while self._fds:
            os.close(self._fds.popitem()[1])


def _write_all(fd: int, data: bytes) -> None:
    written = os.write(fd, data)
    while written < len(data):  # a full disk or a signal: the rest, or the error that says why
        written += os.write(fd, memoryview(data)[written:])


def _refused(error: OSError) -> StoreError:
    return StoreError(f"cannot write the session's logs: {reason(error)}")
