"""Transcript: what a session with a terminal said, as lines of plain text that can be read.

Lines come as they leave the screen at the top, and what is still on it comes at the end; a line
that the terminal had wrapped is one again. A screen that is cleared is written down first. Of a
full-screen program, which paints one picture over the other, the last picture is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from outrig.core.cast import OUTPUT, size
from outrig.record.cast import Recording
from outrig.record.log import FILES
from outrig.record.reading import Chunk
from outrig.record.screen import Line, Screen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LONGEST = 1 << 20  # characters of a wrapped line


def transcript(directory: Path) -> Iterator[Chunk]:
    """The lines of the session in a directory. `at` is when a line was last drawn on."""
    with Recording(directory) as recording:
        paper = _Paper(recording.rows, recording.columns)
        start = recording.started
        for event in recording.events():
            paper.now = None if start is None else start + event.at
            if event.code == OUTPUT:
                paper.show(event.data)
            elif resized := size(event):
                paper.resize(*resized)
            yield from paper.taken()
        paper.finish()
        yield from paper.taken()


class _Paper(Screen):
    """A screen that writes down what leaves it."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__(rows, columns, scrolled=self._take)
        self._lines: list[Chunk] = []
        self._begun: list[str] = []  # the rows so far of a line that was wrapped
        self._begun_at: int | None = None

    def taken(self) -> list[Chunk]:
        lines, self._lines = self._lines, []
        return lines

    def finish(self) -> None:
        if self.alternate:
            self.leaving()
        else:
            self._take_picture()
        self._end_line()

    # ------------------------------------------------------------------ what is written down when
    def erase_in_display(self, how: int = 0, *args: Any, **kwargs: Any) -> None:
        at_home = self.cursor.x == self.cursor.y == 0
        if not self.alternate and (how == 2 or (how == 0 and at_home)):  # noqa: PLR2004
            self._take_picture()
        super().erase_in_display(how, *args, **kwargs)

    def entering(self) -> None:
        self._take_picture()

    def leaving(self) -> None:
        self._take_picture()

    def _take_picture(self) -> None:
        """Every row down to the last with something on it, each once."""
        filled = [y for y in range(self.lines) if self.line(y).text(self.columns).strip()]
        for y in range(filled[-1] + 1 if filled else 0):
            self._take(self.line(y))
            blank = Line(self.default_char)
            blank.told = True
            self.buffer[y] = blank
        self._end_line()

    def _take(self, line: Line) -> None:
        text = line.text(self.columns)
        if line.told and not text.strip():
            return
        if not self._begun:
            self._begun_at = line.at
        self._begun.append(text)
        if not line.wrapped or len(self._begun) * self.columns > _LONGEST:
            self._end_line()

    def _end_line(self) -> None:
        if self._begun:
            words = "".join(self._begun).rstrip() + "\n"
            self._lines.append(Chunk(self._begun_at, FILES["terminal"], words.encode()))
            self._begun = []
