"""`outrig exec` and `shell`: a command beside the agent, as a user meets it."""

from __future__ import annotations

import signal
import termios
from typing import TYPE_CHECKING

import pytest

from outrig.store.sessions import SessionStore
from tests import records
from tests.cli.conftest import Screen

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.cli.conftest import Run

AGENT = "echo ready; until [ -e end ]; do sleep 0.05; done"
EVERY_BYTE = bytes(range(256)) * 3 + b"\r\n\n\x00no newline at the end"


@pytest.fixture
def store(session_root):
    return SessionStore(session_root)


@pytest.mark.parametrize(
    "args",
    [
        ["exec"],
        ["exec", "nosuch", "true"],
        ["exec", "-t", "-T", "x", "true"],
        ["exec", "--nosuch", "x", "true"],
        ["shell", "nosuch"],
        ["shell", "a", "b"],
    ],
)
def test_failures_of_ours_are_125(outrig, args):
    assert outrig(*args).code == 125


def test_one_that_has_ended_has_no_room_for_commands(outrig, store):
    session = records.done(store)
    for args in (["exec", session.id, "true"], ["shell", session.id]):
        done = outrig(*args)
        assert done.code == 125
        assert f"session {session.id} has ended" in done.err
        assert f"hint: outrig logs {session.id}" in done.err


def test_misplaced_options_are_not_run(outrig, store):
    session = records.done(store)
    done = outrig("exec", session.id, "-it", "sh")
    assert done.code == 125
    assert f"hint: outrig exec -it {session.id} COMMAND" in done.err


def test_no_command(outrig, store):
    session = records.done(store)
    done = outrig("exec", session.id)
    assert done.code == 125
    assert f"outrig shell {session.id}" in done.err


# ---------------------------------------------------------------- on the real engine


@pytest.fixture
def agent(run: Run) -> Iterator[subprocess.Popen[bytes]]:
    """A session without a terminal that runs until the test is over."""
    process = run.start("--name", "agent", "-e", "GREETING=hello", "sh", "-c", AGENT)
    run.until_said(b"ready")
    yield process
    (run.work / "end").touch()
    assert process.wait() == 0
    assert run.log("stdout.log") == b"ready\n"


@pytest.mark.docker
@pytest.mark.parametrize("code", [0, 1, 2, 42, 124, 125, 126, 127, 128, 130, 137, 143, 255])
def test_exit_codes_pass_through(agent, outrig, code):
    assert outrig("exec", "agent", "sh", "-c", f"exit {code}").code == code


@pytest.mark.docker
def test_killed_inside(agent, outrig):
    assert outrig("exec", "agent", "sh", "-c", "kill -KILL $$").code == 137
    assert outrig("exec", "agent", "sh", "-c", "kill -SEGV $$").code == 139


@pytest.mark.docker
def test_what_cannot_run(agent, outrig):
    for args, code, words in [
        (["agent", "nosuch"], 127, "command not found in the image: nosuch"),
        (["agent", "/bin"], 126, "cannot execute /bin"),
        (["-w", "/nope", "agent", "true"], 125, "cannot work in /nope"),
        (["-u", "ada", "agent", "true"], 125, "neither caller, root, nor"),
        (["-e", "A-B=c", "agent", "true"], 125, "-e takes NAME=VALUE"),
    ]:
        done = outrig("exec", *args)
        assert (done.code, done.stdout) == (code, b"")
        assert words in done.err


@pytest.mark.docker
def test_it_is_the_sessions_user_there_and_then(agent, run: Run, outrig):
    show = "echo $(id -u):$(id -g) $PWD $GREETING $MORE"
    user = run.record()["user"]
    done = outrig("exec", "-e", "MORE=more", "agent", "--", "sh", "-c", show).ok()
    assert (done.out, done.err) == (f"{user} /workspace hello more\n", "")
    (run.work / "sub").mkdir()
    done = outrig("exec", "-u", "1234", "-w", "sub", "agent", "sh", "-c", show).ok()
    assert done.out == "1234:1234 /workspace/sub hello\n"


@pytest.mark.docker
def test_streams_are_apart_byte_for_byte_and_not_recorded(agent, run: Run, outrig):
    (run.work / "bytes").write_bytes(EVERY_BYTE)
    done = outrig("exec", "agent", "sh", "-c", "cat bytes; cat bytes bytes >&2").ok()
    assert (done.stdout, done.stderr) == (EVERY_BYTE, EVERY_BYTE * 2)
    assert outrig("exec", "agent", "cat", stdin=EVERY_BYTE).ok().stdout == EVERY_BYTE
    large = EVERY_BYTE * 5000
    assert outrig("exec", "agent", "cat", stdin=large).ok().stdout == large
    assert outrig("exec", "--no-stdin", "agent", "cat", stdin=b"x").ok().stdout == b""
    assert run.log("stderr.log") == b""


@pytest.mark.docker
def test_a_reader_that_goes_away_ends_the_command(agent, outrig):
    process = outrig.start("exec", "agent", "yes")
    assert process.stdout.readline() == b"y\n"
    process.stdout.close()
    assert process.wait() == 141
    assert b"the command is ended" in process.stderr.read()
    process.stderr.close()
    process.stdin.close()
    assert outrig("exec", "agent", "pidof", "yes").code == 1


@pytest.mark.docker
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_reaches_the_command(agent, outrig, number, code):
    script = f"trap 'echo got it; exit 3' {int(number)}; echo on; while :; do sleep 0.1; done"
    process = outrig.start("exec", "agent", "sh", "-c", script)
    assert process.stdout.readline() == b"on\n"
    process.send_signal(number)
    assert process.communicate()[0] == b"got it\n"
    assert process.returncode == code


@pytest.mark.docker
def test_the_second_ctrl_c_kills(agent, outrig):
    script = "trap 'echo no' INT; echo on; while :; do sleep 0.1; done"
    process = outrig.start("exec", "agent", "sh", "-c", script)
    assert process.stdout.readline() == b"on\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == b"no\n"
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 130


@pytest.mark.docker
def test_it_ends_with_its_session(run: Run, outrig):
    process = run.start("sh", "-c", AGENT)
    run.until_said(b"ready")
    beside = outrig.start("exec", "@last", "sh", "-c", "echo on; sleep 600")
    assert beside.stdout.readline() == b"on\n"
    (run.work / "end").touch()
    assert process.wait() == 0
    beside.communicate()
    assert beside.returncode == 137


@pytest.mark.docker
def test_a_shell_reads_what_it_is_fed(agent, outrig):
    done = outrig("shell", "agent", stdin=b"echo in $PWD; exit 3\n")
    assert (done.code, done.stdout) == (3, b"in /workspace\n")


@pytest.mark.docker
def test_a_shell_on_a_terminal(agent, outrig):
    shown = Screen(outrig, "shell", "agent")
    shown.type(b"stty size; echo $((6*7)); tty\r")
    shown.until(b"42\r\n")
    shown.until(b"24 80\r\n")
    shown.until(b"/dev/pts/")
    assert termios.tcgetattr(shown.theirs)[3] & (termios.ECHO | termios.ISIG) == 0
    termios.tcsetwinsize(shown.own, (40, 132))
    shown.process.send_signal(signal.SIGWINCH)
    shown.type(b"echo zzz; sleep 600\r")
    shown.until(b"zzz\r\n")
    shown.type(b"\x03")  # a key, which ends the sleep and not outrig
    shown.type(b"stty size\r")
    shown.until(b"40 132\r\n")
    shown.type(b"exit 7\r")
    assert shown.wait() == 7
    assert termios.tcgetattr(shown.theirs) == shown.before
    shown.close()


@pytest.mark.docker
def test_a_command_in_a_session_that_has_a_terminal(run: Run, screen, outrig):
    shown = screen("sh", "-c", "echo ready; read line; echo got $line")
    shown.until(b"ready")
    done = outrig("exec", "@last", "sh", "-c", "echo out; echo err >&2; tty")
    assert (done.code, done.stdout) == (1, b"out\nnot a tty\n")
    assert done.stderr == b"err\n"
    beside = Screen(outrig, "exec", "@last", "sh", "-c", "read line; echo beside $line")
    beside.type(b"words\r")
    beside.until(b"beside words")
    assert beside.wait() == 0
    beside.close()
    shown.type(b"mine\r")
    assert shown.wait() == 0
    assert b"got mine" in shown.said
    assert b"beside" not in run.log("terminal.log")


@pytest.mark.docker
def test_by_directory(run: Run, outrig, tmp_path):
    process = run.start("--session-dir", tmp_path / "kept", "sh", "-c", AGENT)
    run.until_said(b"ready")
    done = outrig("exec", "--session-dir", tmp_path / "kept", "echo", "-n", "hi").ok()
    assert done.stdout == b"hi"
    (run.work / "end").touch()
    assert process.wait() == 0
