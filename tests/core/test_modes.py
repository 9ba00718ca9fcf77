"""What is left on of a terminal is known, and undone; the table of core/modes.py, row by row."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrig.core.modes import Modes


def after(*pieces: str | bytes) -> Modes:
    modes = Modes()
    for piece in pieces:
        modes.feed(piece if isinstance(piece, bytes) else piece.encode())
    return modes


def undone(text: str) -> str:
    """off(), without what it always says."""
    said = after(text).off().decode()
    assert said.startswith("\x1b\\")
    assert said.endswith("\x1b[0m")
    return said.removeprefix("\x1b\\").removesuffix("\x1b[0m")


@pytest.mark.parametrize(
    ("text", "undo"),
    [
        ("\x1b[?1049h", "\x1b[?1049l"),
        ("\x1b[?25l", "\x1b[?25h"),
        ("\x1b[?7l", "\x1b[?7h"),
        ("\x1b[?1h", "\x1b[?1l"),
        ("\x1b[?1000;1006h", "\x1b[?1000l\x1b[?1006l"),
        ("\x1b[?2004h\x1b[?1004h", "\x1b[?2004l\x1b[?1004l"),
        ("\x1b[?1049h\x1b[?1049l", ""),
        ("\x1b[?9999h", ""),
        ("\x1b[2;5r", "\x1b7\x1b[r\x1b8"),
        ("\x1b[2;5r\x1b[r", ""),
        ("\x1b[2;5r\x1b[?1049h", "\x1b7\x1b[r\x1b8\x1b[?1049l"),
        ("\x1b(0", "\x1b(B"),
        ("\x1b(0\x1b(B", ""),
        ("\x1b[m\x0e", "\x0f"),
        ("\x1b[m\x0e\x0f", ""),
        ("\x1b[6 q", "\x1b[0 q"),
        ("\x1b[6 q\x1b[0 q", ""),
        ("\x1b=", "\x1b>"),
        ("\x1b=\x1b>", ""),
        ("\x1b[4h", "\x1b[4l"),
        ("\x1b[4h\x1b[4l", ""),
        ("\x1b[>4;2m", "\x1b[>4m"),
        ("\x1b[>4;2m\x1b[>4m", ""),
        ("\x1b[>1u", "\x1b[<1u"),
        ("\x1b[>1u\x1b[>5u", "\x1b[<2u"),
        ("\x1b[>1u\x1b[>5u\x1b[<u", "\x1b[<1u"),
        ("\x1b[>1u\x1b[<9u", ""),
        ("\x1b[?1049h\x1b[>1u", "\x1b[<1u\x1b[?1049l"),
        ("\x1b[>1u\x1b[?1049h", "\x1b[?1049l\x1b[<1u"),
        ("\x1b[?1049h\x1b[>1u\x1b[?1049l", ""),
        ("\x1b[=1;1u", "\x1b[=0;1u"),
        ("\x1b[=1;1u\x1b[=0;1u", ""),
        ("\x1b[22;0;0t", "\x1b[23;0t"),
        ("\x1b[22t\x1b[22t\x1b[23t", "\x1b[23;0t"),
        ("\x1b[22t\x1b[23t", ""),
        ("\x1b]11;#000000\x07", "\x1b]111\x07"),
        ("\x1b]4;1;red\x07", "\x1b]104\x07"),
        ("\x1b]4;1;red\x07\x1b]104\x07", ""),
        ("\x1b]12;red\x07\x1b]112\x1b\\", ""),
        ("\x1b]8;;http://x\x1b\\here", "\x1b]8;;\x1b\\"),
        ("\x1b]8;id=1;http://x\x07here\x1b]8;;\x07", ""),
        ("\x1b]9;4;1;50\x07", "\x1b]9;4;0\x1b\\"),
        ("\x1b]9;4;1;50\x07\x1b]9;4;0\x07", ""),
        ("\x1b[?25l\x1b[?2004h\x1b[!p", "\x1b[?2004l"),
        ("\x1b[?1049h\x1b[?1000h\x1b=\x1b[>1u\x1bc", ""),
        ("\x1b[31mred\x1b[2;3H", ""),
    ],
)
def test_what_undoes_it(text, undo):
    assert undone(text) == undo
    assert after(text).left_on is bool(undo)
    assert after(*text).off() == after(text).off(), "chunks may cut it anywhere"


def test_a_stream_without_escapes_needs_nothing():
    assert after("hello\r\n").off() == b""


def test_a_string_that_never_ended_is_ended():
    assert after("\x1b]0;title").off().startswith(b"\x1b\\")


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[?1049h\x1b[?25l\x1b[?1002h\x1b[?1006h\x1b[>5u\x1b=\x1b[6 q",
        "\x1b[>1u\x1b[?1049h\x1b[?1h",
        "\x1b[?2004h\x1b[>4;2m\x1b(0\x1b[m\x0e",
    ],
)
def test_on_leads_to_the_same_state(text):
    assert after(after(text).on()).off() == after(text).off()


def test_what_is_beside_the_picture():
    modes = after("\x1b[?1049h\x1b[?25l\x1b[?1000h\x1b[>1u\x1b=")
    assert modes.alternate_on() == b"\x1b[?1049h"
    assert modes.unpainted_on() == b"\x1b[>1u\x1b[?1000h\x1b="


@pytest.mark.parametrize(
    ("text", "is_start"),
    [
        ("", True),
        ("one\r\n", True),
        ("one\r\n\x1b[0m\x1b[?25h\r", True),
        ("one", False),
        ("one\r\n$ \x1b[K", False),
        ("one\x1b[?1049hpicture", True),
        ("\x1b[?1049hpicture\x1b[?1049l\x1b[?25h", True),
        ("\x1b[?1049hpicture\x1b[?1049lword", False),
        ("one\r\n\x1b]0;title\x07", True),
    ],
)
def test_at_the_start_of_a_line(text, is_start):
    assert after(text).at_line_start is is_start
    assert after(*text).at_line_start is is_start


@given(
    pieces=st.lists(st.sampled_from([b"\x1b[>1u", b"\x1b[22t", b"\x1b[?1049h", b"x"]) | st.binary())
)
def test_no_stream_breaks_it_or_grows_it(pieces):
    modes = after(*pieces * 50)
    assert len(modes.off()) < 4096
    assert len(modes.on()) < 4096
