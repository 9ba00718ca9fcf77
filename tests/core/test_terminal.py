from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrig.core.terminal import Sanitizer, one_line, safe

FORBIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
    r"|\x1b(?!\[[0-9;:]*m)"
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("grüße 日本 🎉", "grüße 日本 🎉"),
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        ("\x1b[38;5;196mx\x1b[38:2::1:2:3mx", "\x1b[38;5;196mx\x1b[38:2::1:2:3mx"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]52;c;aGk=\x1b\\text", "text"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP+q544e\x1b\\text", "text"),
        ("\x1b_apc\x1b\\\x1b^pm\x1b\\\x1bXsos\x1b\\text", "text"),
        ("\x1b[2J\x1b[1;1Htext", "text"),
        ("\x1b[?1049htext", "text"),
        ("\x1b[>4;2mtext", "text"),
        ("\x1b[6ntext", "text"),
        ("\x1bctext\x1b(0\x1b=", "text"),
        ("\x9b31mtext", "31mtext"),
        ("\x9d0;title\x9ctext", "0;titletext"),
        ("\x1b]unclosed\ntext", "\ntext"),
        ("a\x08b\x00c\x07d\x7fe", "abcde"),
        ("one\r\ntwo", "one\ntwo"),
        ("10%\r20%\r\n", "10%\n20%\n"),
        ("a\u202eb\u2066c\u200fd", "abcd"),
        ("a\ud800b", "ab"),
        ("end\x1b", "end"),
        ("end\x1b[", "end"),
    ],
)
def test_what_is_kept_and_what_goes(text, shown):
    assert safe(text) == shown


@given(
    st.text(
        st.characters(codec=None) | st.sampled_from("\x1b[]P^_\\;?m07\r\n\x07\x9b"), max_size=60
    )
)
def test_no_text_commands_a_terminal(text):
    assert not FORBIDDEN.search(safe(text))
    assert "\x1b" not in one_line(text)
    assert "\n" not in one_line(text)
    assert not FORBIDDEN.search(one_line(text))


@given(
    st.lists(
        st.binary(max_size=12)
        | st.sampled_from(
            [b"\x1b", b"[", b"]0;t", b"31m", b"\x07", b"\xc2", b"\x9b", b"\r", b"\n"]
        ),
        max_size=30,
    )
)
def test_no_chunking_commands_a_terminal(chunks):
    sanitizer = Sanitizer()
    shown = "".join(map(sanitizer.feed, chunks)) + sanitizer.close()
    assert not FORBIDDEN.search(shown)


def test_chunks_change_nothing():
    whole = "grüße \x1b[31mred\x1b[0m \x1b]0;title\x07日本\r\nend".encode()
    for cut in range(len(whole)):
        sanitizer = Sanitizer()
        shown = sanitizer.feed(whole[:cut]) + sanitizer.feed(whole[cut:]) + sanitizer.close()
        assert shown == "grüße \x1b[31mred\x1b[0m 日本\nend\x1b[0m"


def test_bytes_that_are_not_utf_8_are_replaced():
    sanitizer = Sanitizer()
    assert sanitizer.feed(b"a\xff\x9b2Jb") == "a\ufffd\ufffd2Jb"
    assert sanitizer.feed(b"\xe6\x97") == ""
    assert sanitizer.close() == "\ufffd"


def test_an_endless_sequence_is_not_hoarded():
    sanitizer = Sanitizer()
    sanitizer.feed(b"\x1b]0;")
    for _ in range(100):
        sanitizer.feed(b"x" * 1000)
    assert len(sanitizer.close()) <= 4096


def test_a_colour_left_on_is_switched_off():
    sanitizer = Sanitizer()
    assert sanitizer.feed(b"\x1b[31mred") + sanitizer.close() == "\x1b[31mred\x1b[0m"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\tc  d\r\ne", "a b c d e"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("  x\u2028y\x85 ", "x y"),
        ("", ""),
    ],
)
def test_metadata_is_one_line(text, shown):
    assert one_line(text) == shown
