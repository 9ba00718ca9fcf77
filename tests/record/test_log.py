from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrig.errors import StoreError
from outrig.record.log import Recorder
from outrig.record.reading import Logs
from tests import records

REPO = Path(__file__).resolve().parents[2]


def clock(*seconds: float):
    ticks = iter([0, *(int(one * 1e9) for one in seconds)])
    return lambda: next(ticks)


def test_bytes_and_their_timing(tmp_path):
    with Recorder(
        tmp_path, tty=False, started=records.NOON, clock=clock(0.123456, 0.123468, 2)
    ) as recorder:
        recorder.write("stdout", b"\x00\xffbytes\r\n")
        recorder.write("stderr", b"oops")
        recorder.write("stdout", b"!")
    assert (tmp_path / "logs/stdout.log").read_bytes() == b"\x00\xffbytes\r\n!"
    assert (tmp_path / "logs/stderr.log").read_bytes() == b"oops"
    assert (tmp_path / "logs/timing").read_text().splitlines() == [
        "H 0.000000 START_TIME 2026-05-01T12:00:00.000000Z",
        "O 0.123456 9",
        "E 0.000012 4",
        "O 1.876532 1",
    ]


def test_a_terminal_and_its_sizes(tmp_path):
    with Recorder(tmp_path, tty=True, started=records.NOON, clock=clock(0, 1, 3)) as recorder:
        recorder.resize(24, 80)
        recorder.write("terminal", b"$ ")
        recorder.resize(50, 132)
    assert sorted(os.listdir(tmp_path / "logs")) == ["terminal.log", "timing"]
    assert (tmp_path / "logs/timing").read_text().splitlines()[1:] == [
        "S 0.000000 SIGWINCH ROWS=24 COLS=80",
        "O 1.000000 2",
        "S 2.000000 SIGWINCH ROWS=50 COLS=132",
    ]


def test_every_line_is_one_that_script_writes(tmp_path):
    records.say(tmp_path, ("stdout", b"a"), ("stderr", b"b"))
    line = re.compile(rb"[OE] \d+\.\d{6} \d+|S \d+\.\d{6} \w+ .*|H \d+\.\d{6} \w+ .*")
    for one in (tmp_path / "logs/timing").read_bytes().splitlines():
        assert line.fullmatch(one), one


def test_nothing_is_written_for_no_bytes(tmp_path):
    records.say(tmp_path, ("stdout", b""))
    assert (tmp_path / "logs/timing").read_bytes().count(b"\n") == 1


def test_logs_are_private(tmp_path):
    records.say(tmp_path, ("stdout", b"x"))
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "logs").iterdir()} == {0o600}
    assert (tmp_path / "logs").stat().st_mode & 0o777 == 0o700


def test_a_second_recorder_goes_on_where_the_first_ended(tmp_path):
    records.say(tmp_path, ("stdout", b"one"))
    records.say(tmp_path, ("stdout", b"two"))
    with Logs(tmp_path) as logs:
        assert b"".join(chunk.data for chunk in logs.merged()) == b"onetwo"


def test_a_link_in_the_place_of_a_log_is_refused(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "precious").write_text("keep me")
    (tmp_path / "logs/stdout.log").symlink_to(tmp_path / "precious")
    with pytest.raises(StoreError, match="cannot write the session's logs"):
        Recorder(tmp_path, tty=False, started=records.NOON)
    assert (tmp_path / "precious").read_text() == "keep me"


def test_a_full_disk_is_an_error_that_says_so(tmp_path, monkeypatch):
    recorder = Recorder(tmp_path, tty=False, started=records.NOON)

    def full(*_args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(StoreError, match="No space left on device"):
            recorder.write("stdout", b"x")
    recorder.close()
    recorder.close()


def test_a_write_that_takes_only_a_part_is_continued(tmp_path, monkeypatch):
    really = os.write
    with Recorder(tmp_path, tty=False, started=records.NOON) as recorder:
        monkeypatch.setattr(os, "write", lambda fd, data: really(fd, bytes(data)[:3]))
        recorder.write("stdout", b"0123456789")
    assert (tmp_path / "logs/stdout.log").read_bytes() == b"0123456789"


def kept(directory):
    return {name: (directory / "logs" / name).read_bytes() for name in ("stdout.log", "stderr.log")}


def test_beyond_its_bound_bytes_are_counted_and_not_kept(tmp_path):
    with Recorder(tmp_path, tty=False, started=records.NOON, most=10) as recorder:
        recorder.write("stdout", b"12345")
        recorder.write("stderr", b"678")
        assert recorder.dropped == 0
        recorder.write("stdout", b"90abc")
        assert recorder.dropped == 3
        recorder.write("stderr", b"x")
        assert recorder.dropped == 4
    assert kept(tmp_path) == {"stdout.log": b"1234590", "stderr.log": b"678"}
    with Logs(tmp_path) as logs:
        assert [chunk.data for chunk in logs.timed()] == [b"12345", b"678", b"90"]


def test_a_bound_that_is_just_met_drops_nothing(tmp_path):
    with Recorder(tmp_path, tty=False, started=records.NOON, most=5) as recorder:
        recorder.write("stdout", b"12345")
        recorder.write("stdout", b"")
        assert recorder.dropped == 0


def test_what_an_earlier_recorder_kept_counts(tmp_path):
    records.say(tmp_path, ("stdout", b"123"), ("stderr", b"4"))
    with Recorder(tmp_path, tty=False, started=records.NOON, most=6) as recorder:
        recorder.write("stdout", b"567")
        assert recorder.dropped == 1
    assert kept(tmp_path) == {"stdout.log": b"12356", "stderr.log": b"4"}
    with Recorder(tmp_path, tty=False, started=records.NOON, most=2) as recorder:
        recorder.write("stdout", b"8")
        assert recorder.dropped == 1


def test_timing_is_bounded_too_and_the_bytes_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("outrig.record.log._LEAST_TIMING", 200)
    with Recorder(tmp_path, tty=False, started=records.NOON, most=100) as recorder:
        for _ in range(100):
            recorder.write("stdout", b"x")
        recorder.write("stdout", b"x")
        assert recorder.dropped == 1
    assert (tmp_path / "logs/timing").stat().st_size <= 200
    with Logs(tmp_path) as logs:
        assert b"".join(chunk.data for chunk in logs.merged()) == b"x" * 100


KILLED = """
import os, signal, sys
from pathlib import Path
from outrig.record.log import Recorder
from tests import records
recorder = Recorder(Path(sys.argv[1]), tty=False, started=records.NOON)
for number in range(1000):
    recorder.write("stdout", b"line %d\\n" % number)
    os.write(1, b"line %d\\n" % number)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_shown_is_in_the_log_even_after_sigkill(tmp_path):
    process = subprocess.run(
        [sys.executable, "-P", "-c", KILLED, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPO)},
        check=False,
    )
    assert process.returncode == -9
    assert (tmp_path / "logs/stdout.log").read_bytes() == process.stdout


CHUNKS = st.lists(
    st.tuples(st.sampled_from(["stdout", "stderr"]), st.binary(min_size=1, max_size=200)),
    max_size=30,
)


@given(chunks=CHUNKS)
def test_what_was_written_reads_back_in_order(tmp_path_factory, chunks):
    directory = tmp_path_factory.mktemp("session")
    records.say(directory, *chunks)
    with Logs(directory) as logs:
        read = [(chunk.source.removesuffix(".log"), chunk.data) for chunk in logs.merged()]
    assert read == chunks


@given(deltas=st.lists(st.floats(0, 0.01), min_size=1, max_size=200))
def test_times_do_not_drift(tmp_path_factory, deltas):
    directory = tmp_path_factory.mktemp("session")
    now = [0.0]
    with Recorder(
        directory, tty=False, started=records.NOON, clock=lambda: int(now[0] * 1e9)
    ) as recorder:
        for delta in deltas:
            now[0] += delta
            recorder.write("stdout", b"x")
    with Logs(directory) as logs:
        *_, last = logs.timed()
    noon = int(records.NOON.timestamp()) * 1_000_000
    assert last.at == noon + int(now[0] * 1e9) // 1000
