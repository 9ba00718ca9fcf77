"""Painted: what a session left on its terminal, to be shown again, or to be wiped off.

Only what core/playback.py lets through is used, so a hostile recording commands nothing. Of a long
recording the last part is enough: a program that fills the screen paints it anew all the time.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from outrig.core.playback import Playback
from outrig.record.log import FILES

if TYPE_CHECKING:
    from pathlib import Path

MOST = 1024 * 1024  # bytes of recording that are looked at


def painted(directory: Path) -> bytes:
    """What brings the screen of a terminal to where the session's is."""
    return Playback().feed(_last(directory)).encode("utf-8", "replace")


def wiped(directory: Path) -> bytes:
    """What undoes the modes that the session left on: alternate screen, hidden cursor, colour."""
    playback = Playback()
    playback.feed(_last(directory))
    return playback.close().encode("utf-8", "replace")


def _last(directory: Path) -> bytes:
    path = f"{directory}/logs/{FILES['terminal']}"
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            return b""
        return os.pread(fd, MOST, max(0, found.st_size - MOST))
    finally:
        os.close(fd)
