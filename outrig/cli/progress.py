"""A live log on stderr, and on a terminal a last line that says how far it is.

The last line is drawn again below each line of the log. What it shows is what the engine said
last: there is no clock in it, and nothing runs beside the work.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING, Self

from outrig.core.table import shortened
from outrig.core.terminal import one_line, plain, safe

if TYPE_CHECKING:
    from collections.abc import Callable

ERASE = "\r\x1b[K"
USUAL_WIDTH = 80
STEP = re.compile(r"Step \d+/\d+ : ")
BYTES = re.compile(r"[\d.]+ of [\d.]+ MB")


class Progress:
    """Use as a context manager: the last line is gone when it ends."""

    def __init__(self, descriptor: int = 2) -> None:
        self._descriptor = descriptor
        self._live = os.isatty(descriptor) and os.environ.get("TERM", "dumb") != "dumb"
        self._state = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._out(ERASE)

    def notice(self, text: str) -> None:
        """A step of outrig's own."""
        self._write(f"[outrig] {plain(text)}\n")

    def log(self, name: str) -> Callable[[str], None]:
        """Where the lines about one image go."""

        def line(text: str) -> None:
            counting = BYTES.fullmatch(text) is not None
            if counting or STEP.match(text):
                self._state = f"{name}: {one_line(text)}"
            self._write("" if counting and self._live else f"{safe(text)}\n")

        return line

    def done(self) -> None:
        """One image is ready; what was said of it last says no more."""
        self._state = ""

    def _write(self, text: str) -> None:
        state = shortened(self._state, self._width()) if self._live else ""
        self._out(f"{ERASE}{text}{state}" if self._live else text)

    def _out(self, text: str) -> None:
        with contextlib.suppress(OSError):  # a stderr that is gone is no reason to fail
            os.write(self._descriptor, text.encode("utf-8", "backslashreplace"))

    def _width(self) -> int:
        try:
            return (os.get_terminal_size(self._descriptor).columns or USUAL_WIDTH) - 1
        except OSError:
            return USUAL_WIDTH
