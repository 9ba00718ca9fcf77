from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrig.core.playback import Playback


def shown(*chunks: bytes | str) -> str:
    playback = Playback()
    return "".join(playback.feed(one.encode() if isinstance(one, str) else one) for one in chunks)


def at_rest(text: str) -> str:
    playback = Playback()
    playback.feed(text.encode())
    return playback.close()


@pytest.mark.parametrize(
    "text",
    [
        "plain \u00e4\u6f22\U0001f600 text\r\n",
        "a\tb\bc\x0b\x0c",
        "\x1b[1;38;5;208mcolour\x1b[0m\x1b[38:2::1:2:3m\x1b[m",
        "\x1b[H\x1b[10;20H\x1b[3A\x1b[B\x1b[C\x1b[D\x1b[5G\x1b[7d\x1b[2;3f",
        "\x1b[J\x1b[1J\x1b[2J\x1b[K\x1b[1K\x1b[4X\x1b[3P\x1b[2@\x1b[L\x1b[M",
        "\x1b[S\x1b[2T\x1b[5;20r\x1b[5b\x1b[Z\x1b[s\x1b[u\x1b7\x1b8\x1bD\x1bE\x1bM",
        "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?2026h\x1b[?2026l\x1b[4h\x1b[4l",
        "\x1b(0lqqk\x1b(B\x0e\x0f",
        "\x1b[2 q\x1b[!p\x1b#8",
    ],
)
def test_what_paints_stays(text):
    assert shown(text) == text


@pytest.mark.parametrize(
    "harmful",
    [
        "\x1b]0;title\x07",
        "\x1b]2;title\x1b\\",
        "\x1b]52;c;Y3VybCBldmlsfHNo\x07",  # the clipboard
        "\x1b]8;;https://evil.example\x1b\\",  # a link
        "\x1b]4;1;rgb:00/00/00\x07\x1b]11;?\x07\x1b]104\x07",  # colours, set and asked for
        "\x1b]1337;File=inline=1:AAAA\x07",
        "\x1bP+q544e\x1b\\",  # DCS: asks for a capability
        "\x1bPtmux;\x1b\x1b]52;c;eA==\x07\x1b\\",
        "\x1b_Gf=24,s=1,v=1;AAAA\x1b\\",  # APC: an image of kitty's
        "\x1b^private\x1b\\\x1bXstring\x1b\\",  # PM, SOS
        "\x9d0;title\x9c\x90q\x9c",  # the same as single C1 characters
        "\x1b[c\x1b[0c\x1b[>c\x1b[=c\x1b[5n\x1b[6n\x1b[?6n\x1b[x",  # questions
        "\x1b[>0q\x1b[?u\x1b[?2026$p\x1b[21t\x1b[14t\x1bZ\x05",
        "\x1b[8;1;1t\x1b[1t\x1b[2t\x1b[22;0;0t",  # the window
        "\x1b[?1000h\x1b[?1002h\x1b[?1003h\x1b[?1006h\x1b[?9h",  # mouse
        "\x1b[?1004h\x1b[?2004h\x1b[?2031h\x1b[?2048h",  # focus, paste, notices
        "\x1b[?1h\x1b=\x1b>\x1b[>4;2m\x1b[>1u\x1b[<u\x1b[=1;1u",  # the keyboard
        "\x1b[3J\x1bH\x1b[g\x1b[3g\x1b[20h\x1b[?3h\x1b[?69h\x1b[1;5s",
        "\x1b[4i\x1b[5i",  # the printer
        "\x1b%@\x1b%G\x1bn\x1b~\x1b*0",  # other character sets
        "\x07\x00\x7f\x85\u202e\u2066\u200f",
        "\x1b[1;2;3;4;5T\x1b[7J\x1b[3K\x1b[?3J",
    ],
)
def test_what_reaches_further_is_gone(harmful):
    assert shown(f"a{harmful}b") == "ab"
    assert shown(*f"a{harmful}b") == "ab"


def test_the_harmless_part_of_a_list_of_modes_stays():
    assert shown("\x1b[?1049;1000;25h") == "\x1b[?1049;25h"


def test_numbers_are_bounded():
    assert shown("\x1b[1;2A\x1b[1;2;3H\x1b[0;3J") == "\x1b[1A\x1b[1;2H\x1b[0J"
    assert shown("\x1b[4294967299b\x1b[0007A\x1b[9998B") == "\x1b[9999b\x1b[7A\x1b[9998B"
    assert shown("\x1b[" + "1;" * 40 + "1H" + "\x1b[" + "1;" * 40 + "m") == ""


def test_an_unfinished_string_swallows_what_a_terminal_would_swallow():
    assert shown("a\x1b]0;x", "y\nz", "\x07b") == "ab"
    assert shown("a\x1bPx", "\x07y", "\x1b", "\\b") == "ab"
    assert shown("a\x1b]0;x\x18b") == "ab"
    assert shown("a\x1b]0;x\x1b[1mb") == "a\x1b[1mb"
    assert shown("a\x1b]0;x\x9b1", "2\x07b") == "ab"
    assert shown("a\x9d\x07b") == "ab"


def test_characters_and_sequences_cut_in_two():
    whole = "\u00e4\U0001f600\x1b[31mred\x1b[0m\x1b[?1049h".encode()
    for cut in range(len(whole)):
        assert shown(whole[:cut], whole[cut:]) == whole.decode()
    assert shown(b"\xff\xc3") == "\ufffd"


def test_a_sequence_that_never_ends_is_given_up():
    assert shown("\x1b[" + "1" * 5000).strip("1") == ""


# ---------------------------------------------------------------- the end


@pytest.mark.parametrize(
    ("text", "undone"),
    [
        ("plain", ""),
        ("\x1b[31mred", "\x1b[0m"),
        ("\x1b[31mred\x1b[0m\x1b[1mbold\x1b[m", ""),
        ("\x1b[?25l", "\x1b[?25h"),
        ("\x1b[?25l\x1b[?25h", ""),
        ("\x1b[?7l", "\x1b[?7h"),
        ("\x1b[?1049h", "\x1b[?1049l"),
        ("\x1b[?1049h\x1b[?1049l", ""),
        ("\x1b[?47h", "\x1b[?47l"),
        ("\x1b[?5h", "\x1b[?5l"),
        ("\x1b[?2026h", "\x1b[?2026l"),
        ("\x1b[2;5r\x1b[?6h\x1b[?1049h", "\x1b[?6l\x1b7\x1b[r\x1b8\x1b[?1049l"),
        ("\x1b[4h", "\x1b[4l"),
        ("\x1b(0lqk", "\x0f\x1b(B"),
        ("\x1b[5 q", "\x1b[0 q"),
        ("text\x1b]0;unfinished", ""),
        ("\x1b[3", ""),
    ],
)
def test_what_was_left_on_is_switched_off(text, undone):
    assert at_rest(text) == undone


def test_a_full_reset_resets_no_more_than_the_picture():
    assert shown("\x1b[?1049h\x1bc") == "\x1b[?1049h\x1b[?1049l\x1b[0m\x1b[?6l\x1b[r\x1b[H\x1b[2J"
    assert at_rest("\x1b[?1049h\x1bc") == ""


# ---------------------------------------------------------------- for any bytes

ALLOWED = re.compile(
    r"(?:[^\x00-\x07\x10-\x1f\x7f-\x9f]"
    r"|\x1b\[[0-9;]*[@A-HIJKLMPSTXZ`abdefrsuhl]|\x1b\[[0-9;:]*m|\x1b\[\?[0-9;]*[hlJK]"
    r"|\x1b\[[0-9;]* q|\x1b\[[0-9;]*!p|\x1b[78DEM]|\x1b#8|\x1b[()][0AB])*"
)
WORDS = [
    "\x1b",
    "\x1b[",
    "\x1b]",
    "\x1bP",
    "\x1b\\",
    "\x07",
    "\x18",
    "?",
    ";",
    "1",
    "\x9b",
    "\x9d",
    "\x9c",
    "h",
    "m",
    "52;c;",
    "1049",
    "\n",
    "c",
]
PIECES = st.lists(
    st.one_of(
        st.binary(max_size=8),
        st.sampled_from([one.encode() for one in WORDS]),
    ),
    max_size=30,
)


@given(pieces=PIECES)
def test_any_bytes_however_cut_show_the_same_and_nothing_else(pieces):
    cut, whole = Playback(), Playback()
    in_pieces = "".join(map(cut.feed, pieces)) + cut.close()
    at_once = whole.feed(b"".join(pieces)) + whole.close()
    assert in_pieces == at_once
    assert ALLOWED.fullmatch(at_once), ascii(at_once)
