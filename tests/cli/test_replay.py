from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from outrig.store.sessions import SessionStore
from tests import records
from tests.cli import terminals
from tests.cli.conftest import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Outrig

HOSTILE = b"\x1b]0;owned\x07\x1b]52;c;eA==\x07\x1b[6n\x1b[?1000h\x1b[?1049h\x1b[?25l\x1b[31mX"
FAST = ("--speed", "1000")


@pytest.fixture
def store(session_root):
    return SessionStore(session_root)


def said(store, *chunks, tty=False):
    session = records.done(store)
    records.say(store.directory(session.id), *chunks, tty=tty)
    return session.id


def test_both_streams_in_order(outrig, store):
    said(store, ("stdout", b"1\n"), ("stderr", b"2\n"), ("stdout", b"3\n"))
    assert outrig("replay", *FAST).ok().out == "1\n2\n3\n"


def test_a_terminal_session_paints_and_is_put_right(outrig, store):
    said(store, ("terminal", b"$ vim\r\n"), ("terminal", HOSTILE), tty=True)
    assert outrig("replay", *FAST).ok().out == (
        "$ vim\r\n\x1b[?1049h\x1b[?25l\x1b[31mX\x1b[?1049l\x1b[?25h\x1b[0m\n"
    )


def test_a_session_without_a_terminal_moves_no_cursor(outrig, store):
    said(store, ("stdout", HOSTILE + b"\rY\n"))
    shown = terminals.screen(outrig, "replay", *FAST)
    assert shown == "\x1b[31mX\nY\n\x1b[0m"


def test_pace(outrig, store):
    chunks = [("stdout", b"%d\n" % number) for number in range(5)]
    session = said(store, *chunks)  # a second each
    shown = outrig("replay", session, "--idle-limit", "1ms").ok()
    assert shown.out == "0\n1\n2\n3\n4\n"
    process = outrig.start("replay", session, "--speed", "0.01")
    until(lambda: catches(process.pid, signal.SIGTERM), "a player that can be ended")
    with pytest.raises(TimeoutError):
        ready(process)
    process.terminate()
    assert process.communicate()[0] == b""
    assert process.returncode == 143


def catches(process: int, number: int) -> bool:
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    (caught,) = re.findall(r"^SigCgt:\s+(\w+)$", status, re.MULTILINE)
    return bool(int(caught, 16) >> (number - 1) & 1)


def ready(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout
    if not select.select([process.stdout], [], [], 1)[0]:
        raise TimeoutError


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--speed", "0"), "--speed 0: a number above 0"),
        (("--speed", "nan"), "--speed nan"),
        (("--speed", "-2"), "--speed -2"),
        (("--idle-limit", "soon"), '"soon" is not a time'),
        (("--cast", "x.cast", "@last"), "give one of them"),
    ],
)
def test_wrong_usage(outrig, store, args, words):
    said(store)
    done = outrig("replay", *args)
    assert done.code == 2
    assert words in done.err


def test_a_size_that_does_not_fit_is_announced(outrig, store, tmp_path):
    (tmp_path / "x.cast").write_text('{"version": 2, "width": 300, "height": 80}\n')
    shown = terminals.screen(outrig, "replay", "--cast", tmp_path / "x.cast")
    assert "recorded on 300x80, and this terminal has 200x24" in shown
    said(store, ("stdout", b"x"))
    assert "recorded on" not in terminals.screen(outrig, "replay", *FAST)


def test_of_a_picture_that_does_not_fit_a_part_shows(outrig, tmp_path):
    rows = "\\r\\n".join(f"row {number} {'x' * 280} end" for number in range(60))
    text = f'[0, "o", "\\u001b[?1049h{rows}"]\n[0.1, "o", "\\u001b[?1049ldone\\r\\n"]\n'
    (tmp_path / "x.cast").write_text('{"version": 2, "width": 300, "height": 60}\n' + text)
    shown = terminals.screen(outrig, "replay", "--cast", tmp_path / "x.cast")
    assert "row 59" not in shown  # its end does, where the cursor is
    assert shown.count(" end\x1b[0m\x1b[K") == 24
    assert shown.endswith("\x1b[?1049l\x1b[0mdone\r\n")


def test_ends_with_its_reader(outrig, store):
    said(store, *[("stdout", b"x" * 100_000)] * 20)
    process = outrig.start("replay", *FAST)
    assert process.stdout.read(1) == b"x"
    process.stdout.close()
    assert process.wait(PATIENCE) == 141
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
    process.stdin.close()


# ---------------------------------------------------------------- asciicasts


def test_an_asciicast_of_anybody(outrig, tmp_path):
    lines = [
        '{"version": 2, "width": 80, "height": 24}',
        '[0.1, "o", "a\\u001b]52;c;eA==\\u0007b\\ud800"]',
        '[0.2, "i", "keys"]',
        "",
        '[0.3, "r", "100x30"]',
        '[0.4, "o", "c\\r\\n"]',
    ]
    (tmp_path / "x.cast").write_text("\n".join(lines) + "\n")
    assert outrig("replay", *FAST, "--cast", tmp_path / "x.cast").ok().out == "ab?c\r\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "No such file"),
        ("", "Expecting value"),
        ('{"version": 3}\n', "not an asciicast of version 2"),
        ('{"version": 2}\n[0.0, "o", "shown"]\nrubbish\n', "Expecting value"),
        ('{"version": 2}\n{}\n', "not an event"),
    ],
)
def test_what_is_no_asciicast(outrig, tmp_path, text, words):
    if text is not None:
        (tmp_path / "x.cast").write_text(text)
    done = outrig("replay", "--cast", tmp_path / "x.cast")
    assert done.code == 1
    assert f"cannot play {tmp_path}/x.cast" in done.err
    assert words in done.err
    assert ("shown" in done.out) == ("shown" in (text or ""))


# ---------------------------------------------------------------- at the keyboard


@dataclasses.dataclass
class Stage:
    """A replay in the foreground of a terminal, of which we hold the other end."""

    process: subprocess.Popen[bytes]
    ours: int
    theirs: int
    seen: bytes = b""

    def until_seen(self, text: bytes) -> None:
        def look() -> bool:
            if select.select([self.ours], [], [], 0.1)[0]:
                self.seen += os.read(self.ours, 1 << 16)
            return text in self.seen

        until(look, repr(text))

    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.theirs)[3] & termios.ECHO)

    def code(self) -> int:
        return self.process.wait(PATIENCE)


@pytest.fixture
def stage(outrig: Outrig, tmp_path: Path) -> Iterator[Stage]:
    """One that has shown its first words and waits a long time for the next."""
    cast = tmp_path / "long.cast"
    events = '[0, "o", "\\u001b[?1049hfirst"]\n[1000, "o", "second"]\n'
    cast.write_text('{"version": 2, "width": 80, "height": 24}\n' + events)
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    alone = dataclasses.replace(outrig, argv=("setsid", "--ctty", *outrig.argv))
    process = alone.start("replay", "--cast", cast, stdin=theirs, stdout=theirs, stderr=theirs)
    made = Stage(process, ours, theirs)
    made.until_seen(b"\x1b[?1049hfirst")
    yield made
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    process.wait()
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize(
    ("typed", "code"), [(b"q", 0), (b"\x03", 130), (b"\x1b[24;80R", None), (b" q", 0), (b" ", None)]
)
def test_keys(stage, typed, code):
    assert not stage.echoes()
    os.write(stage.ours, typed)
    if code is None:
        with pytest.raises(subprocess.TimeoutExpired):
            stage.process.wait(0.5)
        os.write(stage.ours, b"q")
    assert stage.code() == (code or 0)
    assert stage.echoes()
    assert b"24;80R" not in stage.seen


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_the_terminal_as_it_was(stage, number):
    stage.process.send_signal(number)
    assert stage.code() == 128 + number
    assert stage.echoes()
    stage.until_seen(b"first\x1b[?1049l")
