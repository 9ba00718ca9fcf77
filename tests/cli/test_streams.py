"""What goes in and out of a session: byte for byte, live, and whoever stops listening."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import termios
import threading
from typing import IO, TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

pytestmark = pytest.mark.docker

EVERY_BYTE = bytes(range(256)) * 3 + b"\r\n\n\x00no newline at the end"
LARGE = 100 * 1024 * 1024


def agents_own(stderr: bytes) -> bytes:
    """stderr without outrig's own lines, which come before the agent starts."""
    lines = stderr.splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(b"[outrig] "))


# ---------------------------------------------------------------- out


def test_stdout_and_stderr_stay_apart(run: Run):
    done = run("sh", "-c", "echo one; echo two >&2; echo three; echo four >&2").ok()
    assert done.stdout == run.log("stdout.log") == b"one\nthree\n"
    assert agents_own(done.stderr) == run.log("stderr.log") == b"two\nfour\n"


def test_every_byte_comes_through_as_it_is(run: Run):
    (run.work / "bytes").write_bytes(EVERY_BYTE)
    done = run("sh", "-c", "cat bytes; cat bytes >&2").ok()
    assert done.stdout == run.log("stdout.log") == EVERY_BYTE
    assert done.stderr.endswith(EVERY_BYTE)
    assert run.log("stderr.log") == EVERY_BYTE


def test_nothing_is_nothing(run: Run):
    done = run("true").ok()
    assert done.stdout == b""
    assert run.log("stdout.log") == run.log("stderr.log") == b""


def test_output_is_live_and_in_the_log_before_it_is_shown(run: Run):
    process = run.start("sh", "-c", "echo now; read line; echo $line")
    assert process.stdout
    assert process.stdin
    assert process.stdout.readline() == b"now\n"
    assert run.log("stdout.log") == b"now\n"
    process.stdin.write(b"go on\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"go on\n"
    process.stdin.close()
    assert process.wait() == 0


def test_no_colour_no_last_line_when_nobody_is_at_a_terminal(run: Run):
    done = run("true").ok()
    assert b"\x1b" not in done.stderr
    assert b"next:" not in done.stderr


# ---------------------------------------------------------------- in


@pytest.mark.parametrize("data", [b"", b"x", EVERY_BYTE, b"line\n" * 10_000])
def test_a_pipe_reaches_a_command_to_its_end(run: Run, data):
    assert run("cat", stdin=data).ok().stdout == data


def test_a_file_reaches_a_command(run: Run, tmp_path: Path):
    (tmp_path / "in").write_bytes(EVERY_BYTE)
    with (tmp_path / "in").open("rb") as file:
        process = run.start("cat", stdin=file)
        assert process.communicate()[0] == EVERY_BYTE


def test_dev_null_reaches_a_command(run: Run):
    process = run.start("cat", stdin=subprocess.DEVNULL)
    assert process.communicate()[0] == b""
    assert process.returncode == 0


def test_a_pipe_that_nobody_closes_keeps_nothing_alive(run: Run):
    process = run.start("echo", "done")
    assert process.stdout
    assert process.stdout.read() == b"done\n"
    assert process.wait() == 0


def test_a_command_that_does_not_read_is_not_disturbed(run: Run):
    assert run("true", stdin=b"x" * 5_000_000).ok().stdout == b""


def test_no_stdin_is_dev_null(run: Run):
    assert run("--no-stdin", "cat", stdin=b"not for you").ok().stdout == b""


@pytest.mark.timeout(180)
def test_a_hundred_megabytes_there_and_back(run: Run, tmp_path: Path):
    block = os.urandom(1024 * 1024)
    sent, got = hashlib.sha256(), hashlib.sha256()
    process = run.start("cat", stderr=subprocess.DEVNULL)

    def feed(pipe: IO[bytes]) -> None:
        with pipe:
            for at in range(LARGE // len(block)):
                piece = block[at:] + block[:at]
                sent.update(piece)
                pipe.write(piece)

    assert process.stdin
    assert process.stdout
    feeder = threading.Thread(target=feed, args=(process.stdin,))
    feeder.start()
    while piece := process.stdout.read(1024 * 1024):
        got.update(piece)
    feeder.join()
    assert process.wait() == 0
    assert got.hexdigest() == sent.hexdigest()
    with (run.session / "logs/stdout.log").open("rb") as log:
        assert hashlib.file_digest(log, "sha256").hexdigest() == sent.hexdigest()


# ---------------------------------------------------------------- nobody listens


def test_a_reader_that_goes_away_does_not_stop_the_agent(run: Run):
    process = run.start("sh", "-c", "echo first; cat > /dev/null; seq 1 20000; touch ended")
    assert process.stdout
    assert process.stdin
    assert process.stdout.readline() == b"first\n"
    process.stdout.close()
    process.stdin.close()
    assert run.ending(process.wait()) == (0, "completed", "exit")
    assert run.log("stdout.log").endswith(b"19999\n20000\n")
    assert (run.work / "ended").exists()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams(run: Run, closed):
    argv = [*run.outrig.argv, "run", *run.options, "sh", "-c", "echo out; echo err >&2; cat"]
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *argv],
        cwd=run.work,
        env=run.outrig.environment(run.env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert run.ending(done.returncode) == (0, "completed", "exit")
    assert run.log("stdout.log") == b"out\n"
    assert run.log("stderr.log") == b"err\n"
    assert done.stdout == (b"" if " >&-" in f" {closed}" else b"out\n")
    assert agents_own(done.stderr) == (b"" if "2>&-" in closed else b"err\n")


def test_a_reader_that_stalls_does_not_stop_the_clock(run: Run):
    process = run.start("--timeout", "2s", "yes")
    record = run.until_status("timeout")
    assert (record["exit_code"], record["reason"]) == (124, "wall-timeout")
    process.communicate()
    assert process.returncode == 124


# ---------------------------------------------------------------- for programs


def test_json_is_the_record_alone(run: Run):
    done = run("--json", "sh", "-c", "echo out; echo err >&2; exit 3")
    record = json.loads(done.stdout)
    assert record == run.record()
    assert (done.code, record["exit_code"], record["status"]) == (3, 3, "failed")
    assert run.log("stdout.log") == b"out\n"
    assert run.log("stderr.log") == b"err\n"
    assert agents_own(done.stderr) == b""


def test_json_of_a_session_that_did_not_start(run: Run):
    done = run("--json", "no-such-command")
    record = json.loads(done.stdout)
    assert record == run.record()
    assert (done.code, record["reason"]) == (127, "start-failed")


def test_json_of_a_session_without_an_image(run: Run):
    done = run("--json", "--image", "no-such-image", "true")
    record = json.loads(done.stdout)
    assert record == run.record()
    assert (done.code, record["reason"]) == (125, "image-missing")
    assert json.loads(done.err.splitlines()[-1])["error"]["kind"] == "image-missing"


def test_json_of_a_refusal(run: Run):
    done = run("--json", "--name", "a/b", "true")
    assert (done.code, done.stdout) == (125, b"")
    error = json.loads(done.err.splitlines()[-1])["error"]
    assert error["kind"] == "usage"
    assert "a/b" in error["message"]
    assert error["hint"]


def test_result_is_written_whole_in_any_mode(run: Run, tmp_path: Path):
    result = tmp_path / "result.json"
    assert run("--result", result, "sh", "-c", "echo out; exit 3").stdout == b"out\n"
    assert json.loads(result.read_bytes()) == run.record()


def test_result_of_a_session_that_did_not_start(run: Run, tmp_path: Path):
    result = tmp_path / "result.json"
    assert run("--result", result, "no-such-command").code == 127
    assert json.loads(result.read_bytes()) == run.record()


@pytest.mark.parametrize("wrong", [["--name", "a/b"], ["--label", "x"], ["-p", ""], ["-t", "-T"]])
def test_result_of_a_refusal(run: Run, tmp_path: Path, wrong):
    result = tmp_path / "result.json"
    result.write_text("from last time")
    assert run("--result", result, *wrong, "true").code == 125
    assert json.loads(result.read_bytes())["error"]["kind"] == "usage"
    assert run.sessions() == []


def test_a_result_that_cannot_be_written_is_found_out_before(run: Run, tmp_path: Path):
    done = run("--result", tmp_path / "gone/result.json", "true")
    assert done.code == 125
    assert "--result" in done.err
    assert run.sessions() == []


# ---------------------------------------------------------------- a terminal


def test_on_a_terminal_the_session_has_one(run: Run, screen):
    # Engines before API 1.42 take the size only after the start, as `docker run` gives it.
    sized = "until [ '24 80' = \"$(stty size)\" ]; do sleep 0.01; done; stty size"
    shown = screen("sh", "-c", f"{sized}; tty; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all three")
    assert shown.wait() == 0
    assert b"24 80\r\n" in shown.said
    assert b"/dev/pts/0\r\n" in shown.said
    assert b"all three\r\n" in shown.said
    assert run.record()["tty"] is True
    assert b"24 80\r\n" in run.log("terminal.log")
    assert not (run.session / "logs/stdout.log").exists()


def test_a_last_line_says_what_to_try_next(run: Run, screen):
    shown = screen("sh", "-c", "exit 3")
    assert shown.wait() == 3
    last = shown.said.decode().splitlines()[-1]
    assert run.record()["id"] in last
    assert "failed" in last
    assert "outrig logs" in last


def test_keys_reach_the_agent_and_not_outrig(run: Run, screen):
    script = (
        "trap 'echo interrupted' INT; stty -echo; echo ready; "
        "until read line; do :; done; echo got $line; exit 7"
    )
    shown = screen("sh", "-c", script)
    shown.until(b"ready")
    assert termios.tcgetattr(shown.theirs)[3] & (termios.ECHO | termios.ISIG) == 0
    shown.type(b"\x03")
    shown.until(b"interrupted")
    shown.type(b"words\r")
    assert shown.wait() == 7
    assert run.ending(7) == (7, "failed", "exit")
    assert b"got words" in shown.said


def test_the_terminal_is_as_before_afterwards(screen):
    shown = screen("true")
    assert shown.wait() == 0
    assert termios.tcgetattr(shown.theirs) == shown.before


def test_the_terminal_is_as_before_after_a_signal(run: Run, screen):
    shown = screen("sh", "-c", "echo ready; sleep 100")
    shown.until(b"ready")
    shown.process.terminate()
    assert shown.wait() == 143
    assert termios.tcgetattr(shown.theirs) == shown.before
    assert run.ending(143) == (143, "stopped", "interrupted")


def test_a_window_that_changes(run: Run, screen):
    script = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done"
    shown = screen("sh", "-c", script)
    shown.until(b"ready")
    termios.tcsetwinsize(shown.own, (40, 132))
    shown.process.send_signal(28)
    shown.until(b"40 132")
    assert b"ROWS=40 COLS=132" in run.log("timing")
    shown.process.terminate()
    assert shown.wait() == 143


def test_no_tty_on_a_terminal(run: Run, screen):
    shown = screen("-T", "sh", "-c", "tty; echo err >&2")
    assert shown.wait() == 0
    assert run.log("stdout.log") == b"not a tty\n"
    assert run.log("stderr.log") == b"err\n"
    assert termios.tcgetattr(shown.theirs)[3] == shown.before[3]


def test_a_tty_without_a_terminal(run: Run):
    done = run("-t", "sh", "-c", "tty; echo err >&2").ok()
    assert done.stdout == run.log("terminal.log") == b"/dev/pts/0\r\nerr\r\n"


def test_a_terminal_full_of_output(run: Run, screen):
    shown = screen("seq", "1", "30000")
    assert shown.wait() == 0
    numbers = "".join(f"{number}\r\n" for number in range(1, 30001)).encode()
    assert run.log("terminal.log") == numbers
    assert numbers in shown.said


def test_a_raw_terminal_passes_every_key(run: Run, screen):
    shown = screen("sh", "-c", "stty raw -echo; echo ready; head -c 4 | od -An -tx1")
    shown.until(b"ready")
    shown.type(b"\x11\x1a\x1c\x04")  # what a cooked terminal would keep for itself
    assert shown.wait() == 0
    assert b"11 1a 1c 04" in shown.said
    assert run.record()["status"] == "completed"
