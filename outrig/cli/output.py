"""What goes to stdout: text for people, JSON for programs; neither can command a terminal."""

from __future__ import annotations

import contextlib
import os
import sys

from outrig.errors import OutrigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def text(shown: str) -> None:
    """Print and flush, so that a closed pipe is noticed here and not at exit."""
    with _writing():
        sys.stdout.write(shown)
        sys.stdout.flush()


def document(shown: str) -> None:
    """A text that others wrote parts of: as it is to scripts, harmless on a terminal."""
    from outrig.core.terminal import safe

    text(safe(shown) if sys.stdout.isatty() else shown)


def exact(data: bytes) -> None:
    """Bytes as they are, for what is no terminal."""
    with _writing():
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    """A full disk is explained; a closed pipe has a meaning of its own (report.py)."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutrigError(f"cannot write to stdout: {error.strerror}") from error


def as_json(value: Any) -> None:
    """Pretty-printed, ASCII only: C1 and bidi controls, which JSON lets through, are escaped."""
    import json

    text(json.dumps(value, indent=2) + "\n")


def width() -> int | None:
    """Columns of the terminal that stdout is; None when it is none."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except (OSError, ValueError):
        return None
