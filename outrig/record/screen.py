"""A terminal's screen, made again from what it was told: what stands on it, and what left it.

pyte keeps the picture; core/playback.py decides what it is told, so that no sequence reaches it
that it does not know. Added is what pyte lacks (tried with 0.8.2): the alternate screen, lines
that scroll off, repeated characters and scrolling on request, a resize that loses no line above
the cursor, one saved cursor and no more, and drawing by the run, which is several times as fast
and goes on after a character without a width.
"""

from __future__ import annotations

import copy
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pyte
from pyte import modes
from pyte.screens import Char, Cursor, StaticDefaultDict, wcwidth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ALTERNATE = {mode << 5 for mode in (47, 1047, 1049)}  # pyte shifts private modes so
_CELLS = 4096  # different ones that are kept for drawing
_CHARACTERS_IN_CELL = 8  # combined ones; more would be an attack
_COLONS = re.compile(r"\x1b\[([0-9;:]*)m")  # pyte takes colours with semicolons only


class Line(StaticDefaultDict[int, Char]):
    """The cells of one row by column. `at` is when it was last drawn on, as the caller counts."""

    def __init__(self, default: Char) -> None:
        super().__init__(default)
        self.at: int | None = None
        self.wrapped = False  # it goes on in the next row
        self.told = False  # what stood here is in the transcript already

    def text(self, columns: int) -> str:
        if not self:
            return " " * columns
        cell, blank = self.get, self.default
        return "".join([cell(x, blank).data for x in range(columns)])


class _Cells(dict[str, Char]):
    """One cell per character, all with the same attributes: made once, and drawn often."""

    def __init__(self, attributes: Char) -> None:
        self.attributes = attributes

    def __missing__(self, character: str) -> Char:
        if len(self) >= _CELLS:
            self.clear()
        cell = self[character] = self.attributes._replace(data=character)
        return cell


class _Stream(pyte.Stream):
    csi = {  # noqa: RUF012 - pyte's own way to be extended
        **pyte.Stream.csi,
        "S": "scroll_up",
        "T": "scroll_down",
        "b": "repeat",
        "s": "save_cursor",
        "u": "restore_cursor",
    }


class Screen(pyte.Screen):
    """Fed with text from a Playback. `scrolled` is called with each line that leaves at the top."""

    def __init__(
        self, rows: int, columns: int, scrolled: Callable[[Line], None] | None = None
    ) -> None:
        self.now: int | None = None  # becomes `at` of the lines that are drawn on
        self._scrolled = scrolled
        self._main: tuple[Mapping[int, Any], Cursor] | None = None  # while the alternate one shows
        self._drawn = ""
        self._made = _Cells(Char(" "))
        super().__init__(columns, rows)
        self.buffer = self._blank()
        self._stream = _Stream(self)
        self._stream.use_utf8 = False  # pyte's word for: line drawing characters are known

    @property
    def alternate(self) -> bool:
        return self._main is not None

    def show(self, text: str) -> None:
        """Take in text that came out of Playback.feed()."""
        if ":" in text:
            text = _COLONS.sub(_with_semicolons, text)
        self._stream.feed(text.replace("\x1b[!p", ""))

    def line(self, y: int) -> Line:
        line = self.buffer[y]
        assert isinstance(line, Line)
        return line

    def _blank(self) -> defaultdict[int, StaticDefaultDict[int, Char]]:
        return defaultdict(lambda: Line(self.default_char))

    # ------------------------------------------------------------------ drawing
    def draw(self, data: str) -> None:
        data = data.translate(self.g1_charset if self.charset else self.g0_charset)
        self._drawn = data[-1:]
        if not data.isascii() or modes.IRM in self.mode or modes.DECAWM not in self.mode:
            for character in data:
                self._draw_one(character)
            return
        while data:
            self._wrap_if_full()
            line = self.line(self.cursor.y)
            run = data[: self.columns - self.cursor.x]
            line.update(enumerate(map(self._cells().__getitem__, run), self.cursor.x))
            self._touched(line, len(run))
            data = data[len(run) :]

    def _cells(self) -> _Cells:
        if self._made.attributes is not self.cursor.attrs:
            self._made = _Cells(self.cursor.attrs)
        return self._made

    def _draw_one(self, character: str) -> None:
        width = wcwidth(character)
        if width <= 0:
            self._combine(character)
            return
        if width > self.columns:
            return
        if self.cursor.x + width > self.columns:
            if modes.DECAWM in self.mode:
                self.cursor.x = self.columns
                self._wrap_if_full()
            else:
                self.cursor.x = self.columns - width
        if modes.IRM in self.mode:
            self.insert_characters(width)
        line = self.line(self.cursor.y)
        line[self.cursor.x] = self._cells()[character]
        for stub in range(1, width):
            line[self.cursor.x + stub] = self._cells()[""]
        self._touched(line, width)

    def _combine(self, character: str) -> None:
        """A mark without a width joins the character before it; at the start of a row, none."""
        line = self.line(self.cursor.y)
        x = self.cursor.x - 1
        while x > 0 and line[x].data == "":
            x -= 1
        if x >= 0 and len(line[x].data) < _CHARACTERS_IN_CELL:
            line[x] = line[x]._replace(data=line[x].data + character)
            self.dirty.add(self.cursor.y)

    def _wrap_if_full(self) -> None:
        if self.cursor.x >= self.columns:
            self.line(self.cursor.y).wrapped = True
            self.carriage_return()
            self.index()

    def _touched(self, line: Line, columns: int) -> None:
        line.at = self.now
        line.wrapped = False
        self.cursor.x += columns
        self.dirty.add(self.cursor.y)

    def repeat(self, count: int | None = None) -> None:
        """The last character again, as often as fits the screen."""
        self.draw(self._drawn * min(count or 1, self.columns * self.lines))

    def erase_in_line(self, how: int = 0, private: bool = False) -> None:  # noqa: FBT001, FBT002
        super().erase_in_line(how, private)
        self.line(self.cursor.y).wrapped = False

    def erase_in_display(self, how: int = 0, *args: Any, **kwargs: Any) -> None:
        super().erase_in_display(how, *args, **kwargs)
        first, end = (0, self.cursor.y + 1) if how == 1 else (self.cursor.y, self.lines)
        for y in range(0 if how == 2 else first, end):  # noqa: PLR2004 - ED 2: all of it
            self.line(y).wrapped = False

    # ------------------------------------------------------------------ rows that move
    def index(self) -> None:
        top, bottom = self.margins or (0, self.lines - 1)
        if self.cursor.y == bottom and top == 0:
            self._leaves(0)
        super().index()

    def scroll_up(self, count: int | None = None) -> None:
        before = self.cursor.y
        top, bottom = self.margins or (0, self.lines - 1)
        self.cursor.y = bottom
        for _ in range(min(count or 1, bottom - top + 1)):
            self.index()
        self.cursor.y = before

    def scroll_down(self, count: int | None = None) -> None:
        before = self.cursor.y
        top, bottom = self.margins or (0, self.lines - 1)
        self.cursor.y = top
        for _ in range(min(count or 1, bottom - top + 1)):
            self.reverse_index()
        self.cursor.y = before

    def _leaves(self, y: int) -> None:
        if self._scrolled and not self.alternate:
            self._scrolled(self.line(y))

    def resize(self, lines: int | None = None, columns: int | None = None) -> None:
        """As many rows go off the top as it takes to keep the cursor, and none else."""
        rows, width = lines or self.lines, columns or self.columns
        gone = max(0, self.cursor.y + 1 - rows)
        for y in range(gone):
            self._leaves(y)
        kept = {y - gone: line for y, line in self.buffer.items() if gone <= y < gone + rows}
        self.buffer.clear()
        self.buffer.update(kept)
        for line in kept.values():
            for x in [x for x in line if x >= width]:
                del line[x]
        self.lines, self.columns, self.margins = rows, width, None
        self.tabstops = set(range(8, width, 8))
        self.cursor.y -= gone
        self.cursor.x = min(self.cursor.x, width)
        self.ensure_vbounds()
        self.dirty.update(range(rows))

    def cursor_to_line(self, line: int | None = None) -> None:
        if self.margins is None:  # pyte fails in origin mode then
            self.cursor.y = min((line or 1), self.lines) - 1
        else:
            super().cursor_to_line(line)

    # ------------------------------------------------------------------ two screens
    def set_mode(self, *given: int, **how: Any) -> None:
        super().set_mode(*given, **how)
        if _ALTERNATE & self.mode and not self.alternate:
            self.entering()
            self._main = (self.buffer, copy.copy(self.cursor))
            self.buffer = self._blank()
            self.dirty.update(range(self.lines))

    def reset_mode(self, *given: int, **how: Any) -> None:
        super().reset_mode(*given, **how)
        if self._main and not _ALTERNATE & self.mode:
            self.leaving()
            buffer, cursor = self._main
            self._main = None
            self.buffer = self._blank()
            self.buffer.update(buffer)
            self.cursor.x, self.cursor.y = cursor.x, cursor.y
            self.resize(self.lines, self.columns)

    def entering(self) -> None:
        """The alternate screen is about to show."""

    def leaving(self) -> None:
        """The alternate screen is about to go."""

    def save_cursor(self, *_: int) -> None:
        super().save_cursor()
        del self.savepoints[:-1]  # a terminal has one, and pyte a stack without an end

    def restore_cursor(self, *_: int) -> None:
        kept = copy.deepcopy(self.savepoints)
        super().restore_cursor()
        self.savepoints = kept


def _with_semicolons(found: re.Match[str]) -> str:
    return f"\x1b[{';'.join(map(_attribute, found[1].split(';')))}m"


def _attribute(part: str) -> str:
    """38:2:SPACE:R:G:B -> 38;2;R;G;B; 4:3, a curly underline -> 4."""
    kind, *rest = part.split(":")
    if kind not in {"38", "48"} or not rest:
        return kind
    return ";".join((kind, "2", *rest[-3:]) if rest[0] == "2" else (kind, *rest[:2]))
