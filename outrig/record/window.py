"""Window: a recording's screen on a terminal that is too small for it: a part of it, in order.

What was written for a larger terminal falls to pieces on a smaller one as soon as it moves the
cursor. From then on it is kept on a screen of its own size, of which the terminal shows the part
where the cursor is. Lines that only follow each other pass as they are, and wrap.

| the recording                              | its terminal shows                                 |
|--------------------------------------------|----------------------------------------------------|
| fits                                       | what was written                                   |
| is too large, and has moved no cursor yet  | what was written                                   |
| is too large, and moves the cursor         | the part of its screen where the cursor is         |
| leaves the alternate screen again          | what was written, below what stood there before    |
| ends amid that, without an alternate screen| the last picture, as lines                         |
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from outrig.record.film import colour
from outrig.record.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import terminal_size

    from pyte.screens import Char

# As core/playback.py writes them. A column alone is a progress bar's; rows are a picture's.
_SWITCH = re.compile(r"(\x1b\[\?[0-9;]*[hl])")
_MOVES = re.compile(r"\x1b\[[0-9;]*[ABEFHLMSTdefr]|\x1bM|\x1b8")
_ENTER = "\x1b[?1049h\x1b[0m\x1b[H\x1b[2J"
_PLAIN = "\x1b[0m"
_LEAVE = "\x1b[0m\x1b[?25h\x1b[?1049l"
_BRIGHT = 8  # colours from it on
_ATTRIBUTES = (
    ("bold", "1"),
    ("italics", "3"),
    ("underscore", "4"),
    ("reverse", "7"),
    ("strikethrough", "9"),
)


class Window:
    """Text of a recording -> text for a terminal, whose size `here` tells."""

    def __init__(self, rows: int, columns: int, here: Callable[[], terminal_size]) -> None:
        self._screen = Screen(rows, columns)
        self._here = here
        self._through = False
        self._size: tuple[int, ...] = ()
        self._left = self._top = 0
        self._painted: dict[int, str] = {}

    @property
    def through(self) -> bool:
        """Whether the terminal shows a part of the screen, and not what was written."""
        return self._through

    def resize(self, rows: int, columns: int) -> str:
        self._screen.resize(rows, columns)
        return self._picture() if self._through else ""

    def feed(self, text: str) -> str:
        """Text that came out of Playback.feed()."""
        shown = "".join(map(self._piece, _SWITCH.split(text)))
        return shown + (self._picture() if self._through else "")

    def _piece(self, text: str) -> str:
        was_alternate = self._screen.alternate
        self._screen.show(text)
        if not self._through:
            moved = self._screen.alternate > was_alternate or _MOVES.search(text) is not None
            if not moved or self._fits():
                return text
            self._through = True
            self._painted.clear()
            return _ENTER
        if was_alternate and not self._screen.alternate:
            self._through = False
            return f"{_LEAVE}{_attributes(self._screen.cursor.attrs)}"
        return ""

    def close(self) -> str:
        """The terminal as it was; the last picture, if nothing else would be left of it."""
        if not self._through:
            return ""
        self._through = False
        screen = self._screen
        kept = 0 if screen.alternate else screen.lines
        rows = [self._row(y, 0, screen.columns) for y in range(kept)]
        while rows and not rows[-1]:
            rows.pop()
        return _LEAVE + "".join(f"{row}\x1b[0m\r\n" for row in rows)

    def _fits(self) -> bool:
        columns, rows = self._here()
        return self._screen.columns <= columns and self._screen.lines <= rows

    # ------------------------------------------------------------------ the part that shows
    def _picture(self) -> str:
        """What has changed of it since the last time."""
        self._look()
        columns, rows = self._size
        shown = []
        for y in range(rows):
            row = self._row(self._top + y, self._left, columns)
            if self._painted.get(y, "") != row:
                self._painted[y] = row
                shown.append(f"\x1b[{y + 1}H{row}\x1b[0m\x1b[K")
        cursor = self._screen.cursor
        if cursor.hidden:
            return "".join((*shown, "\x1b[?25l"))
        x, y = min(cursor.x, self._screen.columns - 1) - self._left, cursor.y - self._top
        return "".join((*shown, f"\x1b[{y + 1};{x + 1}H\x1b[?25h"))

    def _look(self) -> None:
        """To where the cursor is, no further than it takes; a hidden one moves nothing."""
        cursor, before = self._screen.cursor, (self._size, self._left, self._top)
        self._size = columns, rows = self._here()
        x, y = (self._left, self._top) if cursor.hidden else (cursor.x, cursor.y)
        width, height = self._screen.columns, self._screen.lines
        self._left = _moved(self._left, columns, min(x, width - 1), width)
        self._top = _moved(self._top, rows, y, height)
        if (self._size, self._left, self._top) != before:
            self._painted = dict.fromkeys(range(rows), "\0")  # unlike any row

    def _row(self, y: int, left: int, columns: int) -> str:
        """A row's cells from a column on, blanks at its end left out."""
        if y >= self._screen.lines:
            return ""
        line, end = self._screen.line(y), min(left + columns, self._screen.columns)
        parts, now, last = list[str](), _PLAIN, 0
        for x in range(left, end):
            cell = line[x]
            if (attributes := _attributes(cell)) != now:
                now = attributes
                parts.append(attributes)
            halved = cell.data == "" if x == left else x + 1 == end and line[end].data == ""
            parts.append(" " if halved else cell.data)
            if parts[-1] != " " or now != _PLAIN:
                last = len(parts)
        return "".join(parts[:last])


def _moved(start: int, length: int, at: int, whole: int) -> int:
    """Where a part begins that shows `at`."""
    start = max(min(start, at), at - length + 1)
    return max(0, min(start, whole - length))


def _attributes(cell: Char) -> str:
    codes = ["0", *(code for name, code in _ATTRIBUTES if getattr(cell, name))]
    codes += [*_code(cell.fg, 30), *_code(cell.bg, 40)]
    return f"\x1b[{';'.join(codes)}m"


def _code(name: str, base: int) -> list[str]:
    known = colour(name)
    if known.startswith("#"):
        return [str(base + 8), "2", *(str(int(known[at : at + 2], 16)) for at in (1, 3, 5))]
    if not known:
        return []
    number = int(known)
    return [str(base + number if number < _BRIGHT else base + 60 + number - _BRIGHT)]
