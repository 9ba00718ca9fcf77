"""Film: a recording as pictures that change, so that a player needs no terminal of its own.

    {"rows": 24, "columns": 80, "end": 4200, "cut": false,
     "styles": [["", "", 0], ["1", "#ff8700", 5], ...],
     "frames": [[120, [[0, ["$ ls", 0, " -l", 1]], ...], [5, 0], [24, 80]], ...]}

A frame: milliseconds; the rows that changed, each as text and number of a style in turn; the
cursor as column and row, or null; the size where it changed. A style: foreground, background
(0 to 15, #rrggbb, or nothing for the usual one) and 1 bold, 2 italic, 4 underlined, 8 struck,
16 reversed. What happens within a thirtieth of a second is one frame. A film has an end: it is
cut where it gets too large for a page.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from outrig.core.cast import OUTPUT, size
from outrig.record.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyte.screens import Char

    from outrig.core.cast import Event

_FRAME = 33_333  # microseconds
_LARGEST = 16 * 1024 * 1024  # characters, about, of the film as JSON
_MOST_STYLES = 4096

_NAMES = ("black", "red", "green", "brown", "blue", "magenta", "cyan", "white")
_COLOURS = {
    "default": "",
    **{name: str(number) for number, name in enumerate(_NAMES)},
    **{f"bright{name}": str(number + 8) for number, name in enumerate(_NAMES)},
    "bfightmagenta": "13",  # so in pyte 0.8.2
}
_RGB = re.compile(r"[0-9a-f]{6}")

Style = tuple[str, str, int]


def film(
    rows: int, columns: int, events: Iterable[Event], *, largest: int = _LARGEST
) -> dict[str, Any]:
    """The film of these events, on a terminal that begins with this size."""
    camera = _Camera(rows, columns)
    due = 0
    end = 0
    for event in events:
        end = event.at
        if event.at >= due:
            camera.shoot()
            due = event.at + _FRAME
        if camera.used > largest:
            return camera.developed(rows, columns, end, cut=True)
        camera.look(event)
    camera.shoot()
    return camera.developed(rows, columns, end, cut=False)


class _Camera:
    def __init__(self, rows: int, columns: int) -> None:
        self.used = 0
        self._screen = Screen(rows, columns)
        self._screen.dirty.clear()
        self._styles: dict[Style, int] = {("", "", 0): 0}
        self._shown: dict[int, list[Any]] = {}
        self._frames: list[list[Any]] = []
        self._at = 0
        self._cursor: list[int] | None = [0, 0]
        self._resized: list[int] | None = None

    def look(self, event: Event) -> None:
        self._at = event.at // 1000
        if event.code == OUTPUT:
            self._screen.show(event.data)
        elif resized := size(event):
            self._screen.resize(*resized)
            self._resized = list(resized)
            self._shown.clear()

    def shoot(self) -> None:
        """Keep what has changed since the last frame, if anything has."""
        screen = self._screen
        changed = []
        for y in sorted(y for y in screen.dirty if y < screen.lines):
            runs = self._runs(y)
            if runs != self._shown.get(y, []):
                self._shown[y] = runs
                changed.append([y, runs])
                self.used += 16 + sum(map(len, runs[::2])) + 4 * len(runs)
        screen.dirty.clear()
        hidden = screen.cursor.hidden
        cursor = None if hidden else [min(screen.cursor.x, screen.columns - 1), screen.cursor.y]
        if changed or cursor != self._cursor or self._resized:
            frame = [self._at, changed, cursor, self._resized]
            self._frames.append(frame if self._resized else frame[:3])
            self.used += 24
        self._cursor, self._resized = cursor, None

    def developed(self, rows: int, columns: int, end: int, *, cut: bool) -> dict[str, Any]:
        return {
            "rows": rows,
            "columns": columns,
            "end": end // 1000,
            "cut": cut,
            "styles": [list(style) for style in self._styles],
            "frames": self._frames,
        }

    def _runs(self, y: int) -> list[Any]:
        """Text and style in turn; blanks at the end of a row are left out."""
        line = self._screen.line(y)
        runs: list[Any] = []
        for x in range(self._screen.columns):
            cell = line[x]
            style = self._style(cell)
            if runs and runs[-1] == style:
                runs[-2] += cell.data
            else:
                runs += (cell.data, style)
        if runs and runs[-1] == 0:
            runs[-2] = runs[-2].rstrip()
        return runs if not runs or runs[-2] else runs[:-2]

    def _style(self, cell: Char) -> int:
        flags = (cell.bold, cell.italics, cell.underscore, cell.strikethrough, cell.reverse)
        bits = sum(1 << bit for bit, flag in enumerate(flags) if flag)
        style = (colour(cell.fg), colour(cell.bg), bits)
        if style not in self._styles and len(self._styles) >= _MOST_STYLES:
            return 0
        return self._styles.setdefault(style, len(self._styles))


def colour(name: str) -> str:
    return f"#{name}" if _RGB.fullmatch(name) else _COLOURS.get(name, "")
