from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrig.core.playback import Playback
from outrig.record.screen import Screen


def painted(*texts: str, rows: int = 4, columns: int = 10) -> Screen:
    screen = Screen(rows, columns)
    playback = Playback()
    for text in texts:
        screen.show(playback.feed(text.encode()))
    return screen


def rows(screen: Screen) -> list[str]:
    return [screen.line(y).text(screen.columns).rstrip() for y in range(screen.lines)]


def picture(*texts: str, **size: int) -> list[str]:
    found = rows(painted(*texts, **size))
    while found and not found[-1]:
        found.pop()
    return found


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("one\r\ntwo", ["one", "two"]),
        ("0123456789abc", ["0123456789", "abc"]),
        ("0123456789\r\nabc", ["0123456789", "abc"]),
        ("0123456789\rX", ["X123456789"]),
        ("\x1b[?7l0123456789abc", ["012345678c"]),
        ("one\rO\x1b[CE", ["OnE"]),
        ("a\tb", ["a       b"]),
        ("abc\b\bX", ["aXc"]),
        ("\x1b[2;3Hx\x1b[Hy", ["y", "  x"]),
        ("12345\x1b[3G\x1b[K", ["12"]),
        ("12345\x1b[3G\x1b[1K", ["   45"]),
        ("12345\x1b[2G\x1b[2P", ["145"]),
        ("12345\x1b[2G\x1b[2@", ["1  2345"]),
        ("12345\x1b[2G\x1b[2X", ["1  45"]),
        ("\x1b[4h12345\x1b[2Gx", ["1x2345"]),
        ("x\x1b[4b", ["xxxxx"]),
        ("x\x1b[9999b", ["xxxxxxxxxx"] * 3 + ["x"]),
        ("1\r\n2\r\n3\r\n4\r\n5", ["2", "3", "4", "5"]),
        ("1\r\n2\r\n3\x1b[S", ["2", "3"]),
        ("1\r\n2\x1b[T", ["", "1", "2"]),
        ("1\r\n2\r\n3\x1b[H\x1bM", ["", "1", "2", "3"]),
        ("1\r\n2\r\n3\x1b[H\x1b[L", ["", "1", "2", "3"]),
        ("1\r\n2\r\n3\x1b[H\x1b[M", ["2", "3"]),
        ("\x1b[2;3r1\r\n2\r\n3\r\n4", ["1", "3", "4"]),
        ("a\x1b7\x1b[3;3Hb\x1b8c\x1b8d", ["ad", "", "  b"]),
        ("a\x1b[s\x1b[3;3Hb\x1b[uc", ["ac", "", "  b"]),
        ("main\x1b[?1049h\x1b[Halt\x1b[?1049l!", ["main!"]),
        ("main\x1b[?1049h\x1b[Halt", ["alt"]),
        ("main\x1b[?1049h\x1b[?47h\x1b[?1049l\x1b[?47lx", ["mainx"]),
        ("\x1b(0lqk\x1b(Blqk", ["\u250c\u2500\u2510lqk"]),
        ("\u6f22\u5b57x", ["\u6f22\u5b57x"]),
        ("12345678\u6f22\u5b57", ["12345678\u6f22", "\u5b57"]),
        ("123456789\u6f22", ["123456789", "\u6f22"]),
        ("e\u0301x", ["e\u0301x"]),
        ("\u0301x", ["x"]),
        ("a\u200bb\U0001f469\u200d\U0001f4bbc", ["a\u200bb\U0001f469\u200d\U0001f4bbc"]),
        ("a" + "\u0301" * 50, ["a" + "\u0301" * 7]),
        ("x\x1b[!py", ["xy"]),
        ("\x1b[?6h\x1b[2dx", ["", "x"]),
        ("abc\x1bcx", ["x"]),
        ("\x1b#8\x1b[2J", []),
    ],
)
def test_what_stands_on_it(text, seen):
    assert picture(text) == seen
    assert picture(*text) == seen


@pytest.mark.parametrize(
    ("sgr", "attributes"),
    [
        ("31", {"fg": "red"}),
        ("38;5;208", {"fg": "ff8700"}),
        ("38:5:208", {"fg": "ff8700"}),
        ("38;2;1;2;3", {"fg": "010203"}),
        ("1;38:2::1:2:3;3", {"fg": "010203", "bold": True, "italics": True}),
        ("48:2:1:2:3", {"bg": "010203"}),
        ("4:3", {"underscore": True}),
        ("38:2", {"fg": "default"}),
        ("7;0", {"reverse": False}),
    ],
)
def test_colours(sgr, attributes):
    cell = painted(f"\x1b[{sgr}mx").line(0)[0]
    assert cell.data == "x"
    assert {name: getattr(cell, name) for name in attributes} == attributes


def test_lines_that_scroll_off_are_told():
    told: list[str] = []
    screen = Screen(2, 10, scrolled=lambda line: told.append(line.text(10).rstrip()))
    screen.show("1\r\n2\r\n3\r\n4")
    assert told == ["1", "2"]
    screen.show("\x1b[?1049h\x1b[H\r\n\r\n\r\n\x1b[?1049l")
    assert told == ["1", "2"]
    screen.show("\x1b[9S")
    assert told == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("text", "size", "seen", "told"),
    [
        ("1\r\n2\r\n3", (2, 10), ["2", "3"], ["1"]),
        ("1\r\n2\x1b[H", (1, 10), ["1"], []),
        ("1\r\n2", (9, 10), ["1", "2"], []),
        ("0123456789\r\nx", (4, 5), ["01234", "x"], []),
        ("main\x1b[?1049h\r\n\r\n\r\nalt", (2, 10), ["", "alt"], []),
    ],
)
def test_resizes(text, size, seen, told):
    lines: list[str] = []
    screen = Screen(4, 10, scrolled=lambda line: lines.append(line.text(10).rstrip()))
    screen.show(text)
    screen.resize(*size)
    assert (screen.lines, screen.columns) == size
    assert [row for row in rows(screen) if row] == [row for row in seen if row]
    assert lines == told


def test_a_resize_behind_the_alternate_screen():
    screen = painted("1\r\n2\r\n3\r\nmain\x1b[?1049h")
    screen.resize(2, 10)
    screen.show("\x1b[?1049l!")
    assert rows(screen) == ["3", "main!"]


def test_saved_cursors_do_not_pile_up():
    assert len(painted("\x1b7" * 100).savepoints) == 1


PIECES = st.lists(
    st.one_of(
        st.text(max_size=5),
        st.builds(
            "\x1b[{}{}{}".format,
            st.sampled_from(["", "?", "", ">"]),
            st.sampled_from(["", "1", "2;3", "0;0", "7", "6", "1049", "25", "9999", "38:5", "4"]),
            st.sampled_from("@ABCDEFGHIJKLMPSTXZ`abdefghlmrsuqp"),
        ),
        st.sampled_from(["\x1bM", "\x1bD", "\x1b7", "\x1b8", "\x1bc", "\x1b(0", "\x0e", "\r\n"]),
    ),
    max_size=40,
)


@given(pieces=PIECES, sizes=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), max_size=5))
def test_nothing_breaks_it(pieces, sizes):
    screen = Screen(3, 7)
    playback = Playback()
    for number, piece in enumerate(pieces):
        screen.show(playback.feed(piece.encode("utf-8", "replace")))
        if number % 8 == 7 and sizes:
            screen.resize(*sizes.pop())
        assert 0 <= screen.cursor.y < screen.lines
        assert 0 <= screen.cursor.x <= screen.columns
        assert all(0 <= y < screen.lines for y in screen.buffer)
    assert len(rows(screen)) == screen.lines
