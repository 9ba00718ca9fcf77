"""What a small terminal shows of a larger one's recording; both are played by our own emulator."""

from __future__ import annotations

import os

import pytest

from outrig.core.playback import Playback
from outrig.record.screen import Screen
from outrig.record.window import Window

ROWS, COLUMNS = 4, 10
LINES = [f"{y} abcdefghijklmnopqr" for y in range(8)]
PICTURE = "\x1b[?1049h\x1b[H" + "\r\n".join(LINES)


class Small:
    """A terminal of 4 rows and 10 columns, on which a larger recording is played."""

    def __init__(self, rows: int = 8, columns: int = 20) -> None:
        self.screen = Screen(ROWS, COLUMNS)
        self.size = os.terminal_size((COLUMNS, ROWS))
        self.window = Window(rows, columns, lambda: self.size)
        self.written = ""

    def show(self, text: str) -> list[str]:
        return self.write(self.window.feed(text))

    def write(self, text: str) -> list[str]:
        self.written = text
        self.screen.show(Playback().feed(text.encode()))
        columns = self.screen.columns
        return [self.screen.line(y).text(columns).rstrip() for y in range(self.screen.lines)]

    @property
    def cursor(self) -> tuple[int, int]:
        return self.screen.cursor.x, self.screen.cursor.y


@pytest.fixture
def small():
    return Small()


def part(top: int, left: int) -> list[str]:
    return [line[left : left + COLUMNS].rstrip() for line in LINES[top : top + ROWS]]


@pytest.mark.parametrize("text", ["one\r\ntwo, and longer\r\n", "50 %\r60 %\x1b[K", "\x1b[31mx"])
def test_lines_pass_as_they_are(small, text):
    small.show(text)
    assert small.written == text
    assert small.window.close() == ""


def test_what_fits_passes_as_it_is():
    small = Small(ROWS, COLUMNS)
    small.show(PICTURE)
    assert small.written == PICTURE
    assert not small.window.through


@pytest.mark.parametrize(
    ("moves", "top", "left", "cursor"),
    [
        ("\x1b[H", 0, 0, (0, 0)),
        ("\x1b[4;10H", 0, 0, (9, 3)),
        ("\x1b[H\x1b[6;3H", 2, 0, (2, 3)),
        ("\x1b[H\x1b[3;12H", 0, 2, (9, 2)),
        ("\x1b[8;20H", 4, 10, (9, 3)),
        ("\x1b[8;20H\x1b[5;11H", 4, 10, (0, 0)),
    ],
)
def test_of_a_picture_the_part_with_the_cursor_shows(small, moves, top, left, cursor):
    small.show(PICTURE)
    small.show("\x1b[H")
    rows: list[str] = []
    for move in moves.replace("H\x1b", "H \x1b").split():
        rows = small.show(move)
    assert rows == part(top, left)
    assert small.cursor == cursor


def test_a_hidden_cursor_moves_nothing(small):
    small.show(PICTURE)
    small.show("\x1b[H")
    assert small.show("\x1b[?25l\x1b[8;20H") == part(0, 0)
    assert small.screen.cursor.hidden
    assert small.show("\x1b[?25h") == part(4, 10)


def test_only_what_changes_is_written(small):
    small.show(PICTURE)
    small.show("\x1b[H")
    small.show("\x1b[2;1HX")
    assert "X abcdefgh" in small.written
    assert "2 abcdefgh" not in small.written
    small.show("\x1b[8;1H\x1b[?25l\x1b[2;1HY")
    small.size = os.terminal_size((COLUMNS, 2))
    small.show("\x1b[0m")
    assert small.written.count("\x1b[K") == 2


def test_wide_characters_and_colours_at_the_edges(small):
    wide = "\u4e16\u754c"
    text = f"\x1b[H\x1b[1;41;92m{wide}\x1b[0m abcd{wide}\x1b[38;2;1;2;3mx"
    assert small.show(f"{text}\x1b[H")[0] == f"{wide} abcd"  # half of the next would stand out
    assert "\x1b[0;1;92;41m" in small.written
    assert small.show("\x1b[1;11H")[0] == " \u754c abcd\u4e16"
    assert small.show("\x1b[1;20H")[0].endswith("\u754cx")
    assert "\x1b[0;38;2;1;2;3mx" in small.written


def test_what_follows_an_alternate_screen_stands_below_what_was_before(small):
    small.show("$ vim\r\n")
    small.show(PICTURE)
    assert small.show("\x1b[?1049ldone\r\n")[:3] == ["$ vim", "done", ""]
    assert not small.window.through
    assert small.window.close() == ""


def test_the_last_picture_of_one_without_an_alternate_screen_stays(small):
    small.show("first\r\n")
    small.show("second\x1b[2Dxx\r\nlast")
    small.show("\x1b[Athird\x1b[32mgreen")
    assert small.window.through
    left = "\x1b[0m\x1b[?25h\x1b[?1049l"
    rows = ("first", "secothird\x1b[0;32mgreen", "last")
    assert small.window.close() == left + "".join(f"{row}\x1b[0m\r\n" for row in rows)


def test_a_recording_that_grows_or_shrinks(small):
    assert small.show("\x1b[?1049h") == [""] * ROWS
    assert small.window.through
    small.write(small.window.resize(2, 6))
    assert small.show("\x1b[2J\x1b[Habcdefgh") == ["abcdef", "gh", "", ""]
