from __future__ import annotations

import os
import re

import pytest

from outrig.record.log import Recorder
from outrig.store.sessions import SessionStore
from tests import records
from tests.cli import terminals
from tests.cli.conftest import until

BINARY = bytes(range(256)) * 5


@pytest.fixture
def store(session_root):
    return SessionStore(session_root)


def said(store, *chunks, tty=False, **how):
    session = records.done(store, **how)
    records.say(store.directory(session.id), *chunks, tty=tty)
    return session.id


def test_both_streams_in_order_and_each_alone(outrig, store):
    said(store, ("stdout", b"1\n"), ("stderr", b"2\n"), ("stdout", b"3\n"))
    assert outrig("logs").ok().stdout == b"1\n2\n3\n"
    assert outrig("logs", "--stdout").ok().stdout == b"1\n3\n"
    assert outrig("logs", "--stderr").ok().stdout == b"2\n"
    assert outrig("logs", "--stdout", "--stderr").ok().stdout == b"1\n2\n3\n"


def test_exact_bytes_to_a_pipe(outrig, store):
    said(store, ("stdout", BINARY), ("stderr", b"\x1b[2J"))
    assert outrig("logs").ok().stdout == BINARY + b"\x1b[2J"


def test_harmless_text_to_a_terminal(outrig, store):
    said(
        store,
        ("stdout", BINARY),
        ("stderr", b"\x1b]0;x\x07\x1b[31mred\xe2\x80"),
        ("stderr", b"\xae!"),
    )
    shown = terminals.screen(outrig, "logs")
    assert terminals.is_harmless(shown)
    assert "\x1b[31mred!\x1b[0m" in shown
    assert terminals.is_harmless(terminals.screen(outrig, "logs", "--timestamps"))


def test_a_terminal_session(outrig, store):
    painted = b"$ ls\x1b[K\r\n\x1b]0;title\x07\x1b[32ma\x1b[0m\r\n10%\r20%\r\n"
    said(store, ("terminal", painted), tty=True)
    assert outrig("logs").ok().stdout == b"$ ls\na\n20%\n"
    assert outrig("logs", "--stdout").ok().stdout == b"$ ls\na\n20%\n"
    assert outrig("logs", "--stderr").ok().stdout == b""
    assert outrig("logs", "--raw").ok().stdout == painted
    assert outrig("logs", "-f").ok().stdout == painted
    assert outrig("logs", "--tail", "2").ok().stdout == b"a\n20%\n"
    assert outrig("logs", "--tail", "0").ok().stdout == b""
    assert outrig("logs", "--since", "2026-05-01T13:00:00Z").ok().stdout == b""
    shown = outrig("logs", "--timestamps", env={"TZ": "UTC"}).ok().out
    assert shown.splitlines()[1] == "2026-05-01T12:00:01.000000+00:00 a"
    assert terminals.screen(outrig, "logs") == "$ ls\na\n20%\n"


def test_raw_to_a_terminal_is_asked_for(outrig, store):
    said(store, ("stdout", b"\x1b[2J\x1b]0;x\x07"))
    assert terminals.screen(outrig, "logs") == ""
    assert terminals.screen(outrig, "logs", "--raw") == "\x1b[2J\x1b]0;x\x07"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [(0, b""), (1, b"four"), (2, b"three\nfour"), (99, b"one\ntwo\nthree\nfour")],
)
def test_the_last_lines(outrig, store, lines, expected):
    said(store, ("stdout", b"one\ntwo\nth"), ("stderr", b"ree\nfour"))
    assert outrig("logs", "--tail", str(lines)).ok().stdout == expected


def test_since(outrig, store):
    said(store, ("stdout", b"1\n"), ("stdout", b"2\n"), ("stdout", b"3\n"))
    assert outrig("logs", "--since", "2026-05-01T12:00:02Z").ok().stdout == b"2\n3\n"
    assert outrig("logs", "--since", "2026-05-01T12:00:02Z", "--tail", "1").ok().stdout == b"3\n"
    assert outrig("logs", "--since", "1h").ok().stdout == b""


def test_timestamps(outrig, store):
    said(store, ("stdout", b"one\ntw"), ("stderr", b"o\n"))
    shown = outrig("logs", "--timestamps", env={"TZ": "Europe/Berlin"}).ok().out
    assert shown.splitlines() == [
        "2026-05-01T14:00:01.000000+02:00 one",
        "2026-05-01T14:00:01.000000+02:00 two",
    ]


def test_the_files(outrig, store):
    session = said(store, ("stdout", b"12345"))
    (store.directory(session) / "logs/build.log").write_text("built")
    (store.directory(session) / "logs/e\x1b[2Jvil.log").touch()
    lines = outrig("logs", "--list").ok().out.splitlines()
    assert [line.split() for line in lines] == [
        ["SIZE", "FILE"],
        ["5", "build.log"],
        ["0", "evil.log"],
        ["0", "stderr.log"],
        ["5", "stdout.log"],
        [lines[-1].split()[0], "timing"],
    ]


def test_of_a_crashed_session_every_byte_is_there(outrig, store):
    session = said(store, ("stdout", b"1"), ("stderr", b"2"))
    logs = store.directory(session) / "logs"
    (logs / "timing").write_bytes((logs / "timing").read_bytes()[:-4])
    assert outrig("logs").ok().stdout == b"12"
    (logs / "timing").unlink()
    assert outrig("logs").ok().stdout == b"12"


def test_hostile_files_are_passed_over(outrig, store, tmp_path):
    session = said(store, ("stdout", b"1"))
    logs = store.directory(session) / "logs"
    (tmp_path / "secret").write_text("secret")
    (logs / "stderr.log").unlink()
    (logs / "stderr.log").symlink_to(tmp_path / "secret")
    (logs / "timing").unlink()
    os.mkfifo(logs / "timing")
    assert outrig("logs").ok().stdout == b"1"


def test_by_directory_and_of_another_tool(outrig, store, tmp_path):
    session = records.done(store, session_dir=tmp_path / "run")
    records.say(tmp_path / "run", ("stdout", b"here\n"))
    assert outrig("logs", "--session-dir", tmp_path / "run").ok().stdout == b"here\n"
    assert outrig("logs", session.id).ok().stdout == b"here\n"
    foreign = records.adopt_rust_record(store, "20260718T091502-a41c")
    (foreign / "logs").mkdir()
    (foreign / "logs/db.stderr").write_bytes(b"ready\n")
    assert outrig("logs", "20260718T091502-a41c").ok().stdout == b"ready\n"


def test_no_logs_are_no_error(outrig, store):
    records.done(store)
    assert outrig("logs").ok().stdout == b""
    assert outrig("logs", "nope").code == 1


# ---------------------------------------------------------------- of a sidecar


def beside(store, text, **how):
    """A session with a sidecar, and the directory of its logs."""
    session = records.done(store, sidecars={"db": {"image": "i"}}, **how)
    logs = store.directory(session.id) / "logs"
    logs.mkdir(exist_ok=True)
    (logs / "db.log").write_bytes(text)
    return logs


def test_what_a_sidecar_said(outrig, store, tmp_path):
    logs = beside(store, b"1\n2\n\x1b[2J3")
    assert outrig("logs", "--sidecar", "db").ok().stdout == b"1\n2\n\x1b[2J3"
    assert terminals.is_harmless(terminals.screen(outrig, "logs", "--sidecar", "db"))
    for lines, shown in (("0", b""), ("1", b"\x1b[2J3"), ("2", b"2\n\x1b[2J3"), ("9", None)):
        expected = b"1\n2\n\x1b[2J3" if shown is None else shown
        assert outrig("logs", "--sidecar", "db", "--tail", lines).ok().stdout == expected
    (logs / "db.log").write_bytes(b"1\n2\n")
    assert outrig("logs", "--sidecar", "db", "--tail", "1").ok().stdout == b"2\n"
    refused = outrig("logs", "--sidecar", "cache")
    assert (refused.code, "hint: --sidecar db" in refused.err) == (2, True)
    assert outrig("logs", "--sidecar", "db", "--stderr").code == 2
    (logs / "db.log").unlink()
    assert outrig("logs", "--sidecar", "db").ok().stdout == b""
    for make in (os.mkfifo, lambda path: path.symlink_to("/etc/passwd")):
        make(logs / "db.log")
        assert "db.log" in outrig("logs", "--sidecar", "db").err
        (logs / "db.log").unlink()


def test_following_a_sidecar(outrig, store):
    held = records.begin(store, sidecars={"db": {"image": "i"}})
    log = held.directory / "logs/db.log"
    log.parent.mkdir(exist_ok=True)
    process = outrig.start("logs", "-f", "--sidecar", "db")
    log.write_bytes(b"no room\n")
    assert process.stdout.readline() == b"no room\n"
    with log.open("ab") as file:
        file.write(b"bye")
    records.finish(held)
    assert process.communicate()[0] == b"bye"


# ---------------------------------------------------------------- following


def test_following_gives_every_byte_once_until_the_end(outrig, store):
    held = records.begin(store)
    with Recorder(held.directory, tty=False, started=records.NOON) as recorder:
        recorder.write("stdout", b"before\n")
        process = outrig.start("logs", "-f")
        seen = process.stdout.readline()
        for number in range(200):
            recorder.write("stdout" if number % 3 else "stderr", b"line %d\n" % number)
    records.finish(held)
    rest = process.communicate()[0]
    assert process.returncode == 0
    assert seen + rest == b"before\n" + b"".join(b"line %d\n" % number for number in range(200))


def test_following_from_the_last_lines(outrig, store):
    held = records.begin(store)
    with Recorder(held.directory, tty=False, started=records.NOON) as recorder:
        recorder.write("stdout", b"1\n2\n3\n")
        process = outrig.start("logs", "-f", "--tail", "1")
        assert process.stdout.readline() == b"3\n"
        recorder.write("stdout", b"4\n")
        assert process.stdout.readline() == b"4\n"
    records.finish(held)
    assert process.communicate()[0] == b""


def test_following_an_ended_or_abandoned_session_ends(outrig, store):
    said(store, ("stdout", b"1\n"))
    assert outrig("logs", "-f").ok().stdout == b"1\n"
    held = records.begin(store, at=records.NOON.replace(hour=13))
    records.say(held.directory, ("stdout", b"2\n"))
    held.close()
    assert outrig("logs", "-f").ok().stdout == b"2\n"


def test_following_ends_with_its_reader(outrig, store):
    held = records.begin(store)
    with Recorder(held.directory, tty=False, started=records.NOON) as recorder:
        process = outrig.start("logs", "-f")
        recorder.write("stdout", b"1\n")
        assert process.stdout.readline() == b"1\n"
        process.stdout.close()

        def gone():
            recorder.write("stdout", b"more\n")
            return process.poll() is not None

        until(gone, "the end of logs -f")
    assert process.returncode == 141
    assert not re.search(rb"Traceback", process.stderr.read())
    process.stderr.close()
    process.stdin.close()
    held.close()
