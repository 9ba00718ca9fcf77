from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrig.core.cast import Event
from outrig.record.cast import Recording
from outrig.record.log import Recorder
from outrig.record.reading import epoch
from tests import records

if TYPE_CHECKING:
    from pathlib import Path


def events(directory: Path, *, raw: bool = False) -> list[Event]:
    with Recording(directory, raw=raw) as recording:
        return list(recording.events())


def text(directory: Path, *, raw: bool = False) -> str:
    return "".join(event.data for event in events(directory, raw=raw) if event.code == "o")


def test_both_streams_of_a_session_without_a_terminal(tmp_path):
    records.say(tmp_path, ("stdout", b"one\ntwo"), ("stderr", b" oops\n"), ("stdout", b"!"))
    with Recording(tmp_path) as recording:
        assert (recording.rows, recording.columns) == (24, 80)
        assert recording.started == epoch(records.NOON)
        assert list(recording.events()) == [
            Event(1_000_000, "o", "one\r\ntwo"),
            Event(2_000_000, "o", " oops\r\n"),
            Event(3_000_000, "o", "!"),
        ]


def test_a_terminal_and_its_sizes(tmp_path):
    ticks = iter(range(0, 10**12, 10**9))
    with Recorder(tmp_path, tty=True, started=records.NOON, clock=lambda: next(ticks)) as recorder:
        recorder.resize(50, 132)
        recorder.write("terminal", b"$ \r\n")
        recorder.resize(24, 80)
        recorder.resize(10**9, 0)
    with Recording(tmp_path) as recording:
        assert (recording.rows, recording.columns) == (50, 132)
        assert list(recording.events()) == [
            Event(2_000_000, "o", "$ \r\n"),
            Event(3_000_000, "r", "80x24"),
            Event(4_000_000, "r", "80x1000"),
        ]


def test_characters_that_chunks_cut_in_two(tmp_path):
    whole = "\u00e4\u6f22\U0001f600".encode()
    chunks = [(stream, bytes([byte])) for byte in whole for stream in ("stdout", "stderr")]
    records.say(tmp_path, *chunks)
    assert text(tmp_path) == "".join(2 * one for one in whole.decode())


def test_a_broken_character_at_the_end(tmp_path):
    records.say(tmp_path, ("stdout", b"a\xe4\xbd"))
    assert text(tmp_path) == "a\ufffd"
    assert text(tmp_path, raw=True) == "a\ufffd"


HOSTILE = b"a\x1b]52;c;eA==\x07\x1b[31m\x1b[2Jb\x1b[6n\x07"


@pytest.mark.parametrize(
    ("tty", "raw", "shown"),
    [
        (True, False, "a\x1b[31m\x1b[2Jb"),
        (True, True, HOSTILE.decode()),
        (False, False, "a\x1b[31mb\x1b[0m"),
        (False, True, HOSTILE.decode()),
    ],
)
def test_what_could_command_a_terminal(tmp_path, tty, raw, shown):
    records.say(tmp_path, ("terminal" if tty else "stdout", HOSTILE), tty=tty)
    assert text(tmp_path, raw=raw) == shown


def test_the_picture_stays_as_it_was_at_the_end(tmp_path):
    records.say(tmp_path, ("terminal", b"\x1b[?1049h\x1b[31mlast words"), tty=True)
    assert text(tmp_path) == "\x1b[?1049h\x1b[31mlast words"


def test_bytes_without_a_timing_line_come_at_the_end(tmp_path):
    records.say(tmp_path, ("stdout", b"1\n"), ("stdout", b"2\n"))
    timing = tmp_path / "logs/timing"
    timing.write_bytes(timing.read_bytes()[:-4])
    assert events(tmp_path) == [Event(1_000_000, "o", "1\r\n"), Event(1_000_000, "o", "2\r\n")]
    timing.unlink()
    assert events(tmp_path) == [Event(0, "o", "1\r\n2\r\n")]


def test_a_recorder_that_took_over_goes_on_in_time(tmp_path):
    records.say(tmp_path, ("stdout", b"1"))
    records.say(tmp_path, ("stdout", b"2"), at=records.NOON.replace(hour=13))
    records.say(tmp_path, ("stdout", b"3"))
    assert [event.at for event in events(tmp_path)] == [1_000_000, 3601_000_000, 3601_000_000]


def test_no_logs_are_an_empty_recording(tmp_path):
    assert events(tmp_path) == []


@given(
    words=st.text(st.characters(exclude_categories=["Cs"])),
    cuts=st.lists(st.integers(0, 400), max_size=10),
)
def test_raw_events_are_the_text_however_it_was_cut(tmp_path_factory, words, cuts):
    directory = tmp_path_factory.mktemp("session")
    data = words.encode()
    edges = [0, *sorted(cuts), len(data)]
    chunks = [("terminal", data[start:end]) for start, end in itertools.pairwise(edges)]
    records.say(directory, *chunks, tty=True)
    assert text(directory, raw=True) == words
