from __future__ import annotations

import os
from datetime import timedelta

import pytest

from outrig.record.log import Recorder
from outrig.record.reading import Chunk, Logs, Resized, epoch, listed
from tests import records

NOON = epoch(records.NOON)


def merged(directory, **how):
    with Logs(directory, **how) as logs:
        return [(chunk.source, chunk.data) for chunk in logs.merged()]


def test_streams_come_in_order_with_their_times(tmp_path):
    records.say(tmp_path, ("stdout", b"a"), ("stderr", b"b"), ("stdout", b"c"))
    with Logs(tmp_path) as logs:
        assert list(logs.merged()) == [
            (NOON + 1_000_000, "stdout.log", b"a"),
            (NOON + 2_000_000, "stderr.log", b"b"),
            (NOON + 3_000_000, "stdout.log", b"c"),
        ]


def test_one_stream_alone(tmp_path):
    records.say(tmp_path, ("stdout", b"a"), ("stderr", b"b"), ("stdout", b"c"))
    assert merged(tmp_path, only=("stderr.log",)) == [("stderr.log", b"b")]


def test_a_terminals_bytes(tmp_path):
    records.say(tmp_path, ("terminal", b"a"), ("terminal", b"b"), tty=True)
    assert merged(tmp_path) == [("terminal.log", b"a"), ("terminal.log", b"b")]


def test_bytes_without_their_line_come_at_the_end(tmp_path):
    records.say(tmp_path, ("stdout", b"one"), ("stderr", b"two"))
    with (tmp_path / "logs/stdout.log").open("ab") as log:
        log.write(b"three")
    assert merged(tmp_path)[-1] == ("stdout.log", b"three")


def test_a_timing_file_cut_in_the_middle_of_a_line(tmp_path):
    records.say(tmp_path, ("stdout", b"one"), ("stdout", b"two"), ("stderr", b"three"))
    timing = tmp_path / "logs/timing"
    timing.write_bytes(timing.read_bytes()[:-3])
    assert merged(tmp_path) == [
        ("stdout.log", b"one"),
        ("stdout.log", b"two"),
        ("stderr.log", b"three"),
    ]


@pytest.mark.parametrize(
    "timing",
    [
        b"",
        b"garbage\n\n\x00\xff\nO\nO x y\nO 1.0\nE 0.1 -5\nO 1.5 -1\n",
        b"O 0.000000 99999999999999999999\n",
        b"X" * 100_000,
    ],
)
def test_a_timing_file_that_lies_loses_no_byte(tmp_path, timing):
    records.say(tmp_path, ("stdout", b"one"), ("stderr", b"two"))
    (tmp_path / "logs/timing").write_bytes(timing)
    assert sorted(merged(tmp_path)) == [("stderr.log", b"two"), ("stdout.log", b"one")]


def test_no_logs_at_all(tmp_path):
    assert merged(tmp_path) == []
    assert listed(str(tmp_path / "logs")) == []


def test_the_logs_of_another_tool(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/web.stderr").write_bytes(b"web\n")
    (tmp_path / "logs/db.stderr").write_bytes(b"db\n")
    (tmp_path / "logs/core").write_bytes(b"no log")
    assert merged(tmp_path) == [("db.stderr", b"db\n"), ("web.stderr", b"web\n")]


def test_links_and_fifos_are_passed_over(tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/stdout.log").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "logs/stderr.log")
    (tmp_path / "logs/terminal.log").mkdir()
    os.mkfifo(tmp_path / "logs/timing")
    assert merged(tmp_path) == []
    assert listed(str(tmp_path / "logs")) == []


def test_following_gives_every_byte_once_and_in_order(tmp_path):
    """Between two looks the writer writes: a whole chunk, and one whose line comes later."""
    records.say(tmp_path, ("stdout", b"1"))
    log, timing = tmp_path / "logs/stdout.log", tmp_path / "logs/timing"
    steps = iter(
        [
            lambda: append(log, b"2") or append(timing, b"O 1.0"),
            lambda: append(timing, b"00000 1\n"),
            lambda: append(log, b"3"),
            lambda: append(timing, b"O 1.000000 1\n"),
            lambda: append(log, b"4"),
        ]
    )
    answers = iter([True] * 5 + [False])
    with Logs(tmp_path) as logs:
        chunks = list(logs.follow(lambda: next(answers), pause=lambda _: next(steps)()))
    assert [chunk.data for chunk in chunks] == [b"1", b"2", b"3", b"4"]
    assert [chunk.at is None for chunk in chunks] == [False, False, False, True]


def append(path, data):
    with path.open("ab") as opened:
        opened.write(data)


def test_following_waits_for_logs_that_do_not_exist_yet(tmp_path):
    answers = iter([True, True, False])
    steps = iter([lambda: None, lambda: records.say(tmp_path, ("stdout", b"late"))])
    with Logs(tmp_path) as logs:
        chunks = list(logs.follow(lambda: next(answers), pause=lambda _: next(steps)()))
    assert [chunk.data for chunk in chunks] == [b"late"]


def test_a_large_chunk_comes_in_pieces(tmp_path):
    data = os.urandom(3 * (1 << 20) + 17)
    records.say(tmp_path, ("stdout", data), ("stderr", b"after"))
    pieces = merged(tmp_path)
    assert b"".join(piece for source, piece in pieces if source == "stdout.log") == data
    assert pieces[-1] == ("stderr.log", b"after")
    assert max(len(piece) for _, piece in pieces) <= 1 << 20


def test_what_happened_besides_output(tmp_path):
    ticks = iter(range(0, 10**11, 10**9))
    with Recorder(tmp_path, tty=True, started=records.NOON, clock=lambda: next(ticks)) as recorder:
        recorder.resize(24, 80)
        recorder.write("terminal", b"$ ")
        recorder.resize(50, 132)
    append(tmp_path / "logs/timing", b"S 1.000000 SIGWINCH ROWS=x COLS=3\nS 1.000000 SIGWINCH\n")
    append(tmp_path / "logs/timing", b"S 1.000000 OTHER A=1\n")
    with Logs(tmp_path) as logs:
        assert list(logs.happened()) == [
            Resized(NOON + 1_000_000, 24, 80),
            Chunk(NOON + 2_000_000, "terminal.log", b"$ "),
            Resized(NOON + 3_000_000, 50, 132),
        ]
    with Logs(tmp_path) as logs:
        assert [chunk.data for chunk in logs.timed()] == [b"$ "]


def test_times_are_exact():
    assert epoch(records.NOON + timedelta(microseconds=1)) - NOON == 1
