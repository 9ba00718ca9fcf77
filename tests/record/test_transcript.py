from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from outrig.record.log import Recorder
from outrig.record.reading import epoch
from outrig.record.transcript import transcript
from tests import records

if TYPE_CHECKING:
    from pathlib import Path

NOON = epoch(records.NOON)


def text(directory: Path, *chunks: str) -> str:
    records.say(directory, *[("terminal", one.encode()) for one in chunks], tty=True)
    return "".join(chunk.data.decode() for chunk in transcript(directory))


@pytest.mark.parametrize(
    ("said", "readable"),
    [
        ("", ""),
        ("$ ls\r\na  b\r\n", "$ ls\na  b\n"),
        ("no newline", "no newline\n"),
        ("one\r\n\r\n\r\ntwo\r\n\r\n", "one\n\n\ntwo\n"),
        ("\x1b[1;31mred\x1b[0m\x1b]0;title\x07\r\n", "red\n"),
        ("10%\r50%\r100%\r\n", "100%\n"),
        ("teh\b\bhe\x1b[K\r\n", "the\n"),
        ("x" * 200 + "\r\ny\r\n", "x" * 200 + "\ny\n"),
        ("x" * 79 + " y\r\n", "x" * 79 + " y\n"),
        ("x" * 80 + "\r\ny\r\n", "x" * 80 + "\ny\n"),
        ("x" * 100 + "\x1b[A\r\x1b[K\r\nnew\x1b[K\r\n", "\nnew\n"),
        ("\r\n".join(map(str, range(100))), "".join(f"{n}\n" for n in range(100))),
        ("before\x1b[H\x1b[2Jafter\r\n", "before\nafter\n"),
        ("before\x1b[H\x1b[Jafter\r\n", "before\nafter\n"),
        (
            "$ vim\r\n\x1b[?1049h\x1b[Hold\x1b[H\x1b[2Jtext\r\n~\x1b[?1049l$ \r\n",
            "$ vim\ntext\n~\n$\n",
        ),
        ("$ vim\r\n\x1b[?1049h\x1b[Hkilled\r\n~", "$ vim\nkilled\n~\n"),
        ("a\r\nb\r\n\x1b[?1049h\x1b[?1049lc\r\n" + "\r\n".join("x" * 30), "a\nb\nc\n" + "x\n" * 30),
        ("\u6f22" * 50 + "\r\n", "\u6f22" * 50 + "\n"),
    ],
)
def test_what_can_be_read(tmp_path, said, readable):
    assert text(tmp_path, said) == readable


def test_characters_that_chunks_cut_in_two(tmp_path):
    records.say(tmp_path, ("terminal", b"\xc3"), ("terminal", b"\xa4\r\n"), tty=True)
    assert [chunk.data for chunk in transcript(tmp_path)] == ["\u00e4\n".encode()]


def test_a_line_has_the_time_when_it_was_drawn(tmp_path):
    records.say(
        tmp_path, ("terminal", b"1\r\n"), ("terminal", b"2"), ("terminal", b"!\r\n" * 40), tty=True
    )
    chunks = list(transcript(tmp_path))
    assert [(chunk.at, chunk.data) for chunk in chunks[:3]] == [
        (NOON + 1_000_000, b"1\n"),
        (NOON + 3_000_000, b"2!\n"),
        (NOON + 3_000_000, b"!\n"),
    ]


def test_sizes(tmp_path):
    with Recorder(tmp_path, tty=True, started=records.NOON) as recorder:
        recorder.resize(5, 10)
        recorder.write("terminal", b"0123456789abc\r\n" + b"x\r\n" * 10)
        recorder.resize(3, 20)
        recorder.write("terminal", b"01234567890123456789abc\r\n")
    shown = b"".join(chunk.data for chunk in transcript(tmp_path)).decode()
    assert shown == "0123456789abc\n" + "x\n" * 10 + "01234567890123456789abc\n"


def test_a_line_that_never_ends_is_given_out_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr("outrig.record.transcript._LONGEST", 1000)
    assert text(tmp_path, "x" * 5000).replace("\n", "") == "x" * 5000


def test_no_logs(tmp_path):
    assert list(transcript(tmp_path)) == []
