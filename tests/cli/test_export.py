from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from outrig.core import cast
from outrig.record.log import Recorder
from outrig.store.sessions import SessionStore
from tests import records

HOSTILE = b"\x1b]52;c;eA==\x07\x1b[31mred\x1b[6n \xc3\xa4\xff\r\n"


@pytest.fixture
def store(session_root):
    return SessionStore(session_root)


def said(store, *chunks, tty=False, **fields):
    session = records.done(store, **fields)
    records.say(store.directory(session.id), *chunks, tty=tty)
    return session.id


def events(text):
    first, *lines = text.splitlines()
    return cast.parse_header(first), [cast.parse_event(line) for line in lines]


# ---------------------------------------------------------------- asciicast


def test_an_asciicast(outrig, store, tmp_path):
    said(store, ("terminal", HOSTILE), tty=True, name="greet", command=["vim", "a b"])
    done = outrig("export", "greet", "--cast", tmp_path / "x.cast").ok()
    assert done.out == ""
    assert f"wrote {tmp_path}/x.cast" in done.err
    header, said_ = events((tmp_path / "x.cast").read_text())
    assert header == cast.Header(
        width=80, height=24, timestamp=1777636800, title="greet", command="vim 'a b'"
    )
    assert said_ == [cast.Event(1_000_000, "o", "\x1b[31mred \u00e4\ufffd\r\n")]


def test_raw_leaves_out_nothing(outrig, store):
    said(store, ("terminal", HOSTILE), tty=True)
    _, said_ = events(outrig("export", "--raw", "--cast", "-").ok().out)
    assert [one.data for one in said_] == [HOSTILE.decode(errors="replace")]


def test_both_streams_of_a_session_without_a_terminal(outrig, store):
    said(store, ("stdout", b"1\n"), ("stderr", b"2\n"))
    _, said_ = events(outrig("export", "--cast", "-").ok().out)
    assert [(one.at, one.data) for one in said_] == [(1_000_000, "1\r\n"), (2_000_000, "2\r\n")]


def test_nothing_was_said(outrig, store):
    records.done(store)
    assert events(outrig("export", "--cast", "-").ok().out)[1] == []


def test_what_is_exported_can_be_replayed(outrig, store, tmp_path):
    said(store, ("terminal", b"$ ls\r\n"), ("terminal", b"a b\r\n"), tty=True)
    outrig("export", "--cast", tmp_path / "x.cast").ok()
    played = outrig("replay", "--cast", tmp_path / "x.cast", "--speed", "1000").ok().out
    assert played == outrig("replay", "--speed", "1000").ok().out == "$ ls\r\na b\r\n"


def test_a_record_of_another_tool(outrig, store):
    foreign = records.adopt_rust_record(store, "20260718T091502-a41c")
    (foreign / "logs").mkdir()
    (foreign / "logs/db.stderr").write_bytes(b"ready\n")
    header, said_ = events(outrig("export", "20260718T091502-a41c", "--cast", "-").ok().out)
    assert header.title == "20260718T091502-a41c"
    assert said_ == [cast.Event(0, "o", "ready\r\n")]


def test_the_player_of_asciinema_takes_it(outrig, store, tmp_path):
    session = records.done(store)
    ticks = iter(range(0, 10**10, 10**7))
    with Recorder(
        store.directory(session.id), tty=True, started=records.NOON, clock=lambda: next(ticks)
    ) as recorder:
        recorder.resize(50, 132)
        recorder.write("terminal", HOSTILE)
        recorder.resize(24, 80)
        recorder.write("terminal", b"done\r\n")
    outrig("export", "--cast", tmp_path / "x.cast").ok()
    for command in ("cat", "play"):
        asciinema = [sys.executable, "-m", "asciinema", command, tmp_path / "x.cast"]
        done = subprocess.run(asciinema, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        assert done.stdout.decode() == "\x1b[31mred \u00e4\ufffd\r\ndone\r\n"
        assert done.stderr == b""


# ---------------------------------------------------------------- page


def test_a_page(outrig, store, tmp_path):
    said(store, ("stdout", b"1 < 2\n"), name="greet")
    files = ("--html", tmp_path / "x.html", "--cast", tmp_path / "x.cast")
    done = outrig("export", "greet", *files).ok()
    assert [line.split()[-1] for line in done.err.splitlines()] == [
        str(tmp_path / "x.cast"),
        str(tmp_path / "x.html"),
    ]
    page = (tmp_path / "x.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "1 &lt; 2" in page
    assert page.endswith("</html>\n")
    assert outrig("export", "--html", "-").ok().out.startswith("<!DOCTYPE html>")


# ---------------------------------------------------------------- files


def test_a_file_is_not_overwritten(outrig, store, tmp_path):
    said(store, ("stdout", b"1\n"))
    (tmp_path / "x").write_text("mine")
    done = outrig("export", "--cast", tmp_path / "x")
    assert done.code == 1
    assert "exists already" in done.err
    assert "--force" in done.err
    assert (tmp_path / "x").read_text() == "mine"
    outrig("export", "--force", "--cast", tmp_path / "x").ok()
    assert json.loads((tmp_path / "x").read_text().splitlines()[0])["version"] == 2


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        ((), 2, "export needs a file to write"),
        (("nope", "--cast", "x"), 1, 'no session matching "nope"'),
        (("--cast", "absent/x"), 1, "cannot write absent/x: No such file"),
    ],
)
def test_what_is_refused(outrig, store, args, code, words):
    records.done(store)
    done = outrig("export", *args)
    assert (done.code, words in done.err) == (code, True), done.err
    assert os.listdir(outrig.cwd) == []
