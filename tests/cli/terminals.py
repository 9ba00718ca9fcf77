"""A command on a terminal of its own, and whether what it printed there is harmless."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import termios
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Outrig

_HARMFUL = re.compile(
    r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
    r"|\x1b(?!\[[0-9;:]*m)"
)


def is_harmless(text: str) -> bool:
    return _HARMFUL.search(text) is None


def screen(outrig: Outrig, *args: str | Path, columns: int = 200, typed: bytes = b"") -> str:
    """Everything that a command printed to its terminal, newlines as it wrote them."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = outrig.start(*args, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.write(ours, typed)
    said = b""
    while piece := _read(ours):
        said += piece
    os.close(ours)
    process.wait()
    return said.decode().replace("\r\n", "\n")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:  # EIO: nobody holds the other end any more
        return b""
