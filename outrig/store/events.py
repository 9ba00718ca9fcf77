""".events: what happened to the sessions of a root, one JSON line each, in order.

A line is one write at the end of the file, so those of concurrent processes do not mix, and a
crash leaves whole lines. It is not synced: the records are the truth, and this tells their story.
A line that a full disk tore is ended by the next writer and passed over by readers.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time

from outrig.store.places import EVENTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import Any, Self

_APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PIECE = 1 << 18
_LONGEST = 1 << 16  # bytes of a line; an event has a few hundred
_PAUSE = 0.2  # seconds between two looks


def append(root: Path, events: Iterable[Mapping[str, Any]]) -> None:
    """Note what happened. A disk that refuses is no reason to fail: the record says it, too."""
    lines = "".join(f"{json.dumps(event)}\n" for event in events).encode()
    if not lines:
        return
    with contextlib.suppress(OSError):
        fd = os.open(f"{root}/{EVENTS}", _APPEND, 0o600)
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                return
            torn = found.st_size and os.pread(fd, 1, found.st_size - 1) != b"\n"
            os.write(fd, b"\n" + lines if torn else lines)
        finally:
            os.close(fd)


class Events:
    """The events of a root from the first on; a context manager."""

    def __init__(self, root: Path) -> None:
        self._path = f"{root}/{EVENTS}"
        self._fd: int | None = None
        self._held = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd is not None:
            os.close(self._fd)

    def new(self) -> Iterator[dict[str, Any]]:
        """Those that came since the last call; a line that is no event is passed over."""
        fd = self._opened()
        while fd is not None and (piece := os.read(fd, _PIECE)):
            *lines, held = (self._held + piece).split(b"\n")
            self._held = held[-_LONGEST:]
            yield from filter(None, map(_event, lines))

    def follow(
        self, going_on: Callable[[], bool], pause: Callable[[float], None] = time.sleep
    ) -> Iterator[dict[str, Any]]:
        """All of them, then each as it comes."""
        while True:
            yield from self.new()
            if not going_on():
                return
            pause(_PAUSE)

    def _opened(self) -> int | None:
        """Opened once it is there: a root begins without any."""
        if self._fd is None:
            try:
                fd = os.open(self._path, _READ)
            except OSError:
                return None
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                os.close(fd)
                return None
            self._fd = fd
        return self._fd


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("event"), str) else None
