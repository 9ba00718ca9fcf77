"""Painted: what a session left on its terminal, to be shown again.

Of a long recording the last part is enough for the picture: a program that fills the screen paints
it anew all the time, and does so when it is attached to. Which screen shows, and how keyboard and
mouse speak, may have been said long before. Nothing but what core/playback.py lets through and
core/modes.py knows is used, so a hostile recording commands nothing.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from outrig.core.modes import Modes
from outrig.core.playback import Playback
from outrig.record.log import FILES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PICTURE = 1024 * 1024  # bytes at the end that are painted
MOST = 32 * PICTURE  # bytes at the end that are looked at
PIECE = 1024 * 1024


def painted(directory: Path) -> bytes:
    """What brings the screen of a terminal to where the session's is."""
    modes, playback = Modes(), Playback()
    shown = b""
    with _opened(f"{directory}/logs/{FILES['terminal']}") as (descriptor, size):
        begin = max(0, size - PICTURE)
        for piece in _pieces(descriptor, max(0, size - MOST), begin):
            modes.feed(piece)
        shown += modes.alternate_on()
        for piece in _pieces(descriptor, begin, size):
            modes.feed(piece)
            shown += playback.feed(piece).encode("utf-8", "replace")
    return shown + modes.unpainted_on()


def _pieces(descriptor: int, begin: int, end: int) -> Iterator[bytes]:
    while begin < end and (piece := os.pread(descriptor, min(PIECE, end - begin), begin)):
        yield piece
        begin += len(piece)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[tuple[int, int]]:
    """A regular file and its size; nothing of what is none."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except OSError:
        yield -1, 0
        return
    try:
        found = os.fstat(descriptor)
        yield descriptor, found.st_size if stat.S_ISREG(found.st_mode) else 0
    finally:
        os.close(descriptor)
