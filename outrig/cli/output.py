"""What goes to stdout: text for people, JSON for programs; neither can command a terminal."""

from __future__ import annotations

import os
import sys
from typing import Any


def text(shown: str) -> None:
    """Print and flush, so that a closed pipe is noticed here and not at exit."""
    sys.stdout.write(shown)
    sys.stdout.flush()


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
