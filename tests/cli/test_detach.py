"""Let go of a session and come back: -d, detach keys, a closed terminal, attach."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import until

if TYPE_CHECKING:
    from tests.cli.conftest import Run

pytestmark = pytest.mark.docker

DETACH = b"\x10\x11"  # ctrl-p ctrl-q
READER = ("sh", "-c", 'while read -r line; do echo "got $line"; done; exit 5')
COUNTER = ("sh", "-c", "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.2; done; exit 7")
COUNTED = b"".join(b"%d\n" % number for number in range(1, 9))


@pytest.fixture(autouse=True)
def followed_to_the_end(run: Run):
    """A supervisor removes the container after its record has ended."""
    yield
    names = [session.name for session in run.sessions()]
    until(lambda: not any(map(supervisors, names)), "the supervisors to end")


def supervisors(session: str) -> list[int]:
    """The processes that hold the attend lock of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            links = [os.readlink(one) for one in (entry / "fd").iterdir()]
        except OSError:
            continue
        if any(link.endswith(f"{session}.attend") for link in links):
            found.append(int(entry.name))
    return found


def detached(run: Run, *args: str) -> str:
    """Start it with -d; the id that was printed."""
    done = run("-d", *args).ok()
    session = done.stdout.decode().strip()
    assert run.session.name == session
    return session


def test_a_detached_session_is_followed_to_its_end(run: Run):
    session = detached(run, *COUNTER)
    assert run.record()["status"] == "running"
    assert run.outrig("wait", session).code == 7
    assert run.ending(7) == (7, "failed", "exit")
    assert run.log("stdout.log") == COUNTED
    assert run.outrig("logs", session).ok().stdout == COUNTED
    until(lambda: not supervisors(session), "its supervisor to end with it")


def test_a_detached_session_keeps_its_limits(run: Run):
    session = detached(run, "--timeout", "1s", "sleep", "60")
    assert run.outrig("wait", session).code == 124
    assert run.ending(124) == (124, "timeout", "wall-timeout")


def test_a_detached_command_that_does_not_exist(run: Run):
    session = detached(run, "no-such-command")  # init finds out after the start
    assert run.outrig("wait", session).code == 127
    assert run.ending(127) == (127, "failed", "start-failed")


def test_attach_feeds_and_shows(run: Run):
    session = detached(run, "-i", *READER)
    done = run.outrig("attach", session, stdin=b"one\ntwo\n")
    assert (done.code, done.stdout) == (5, b"got one\ngot two\n")
    assert run.ending(5) == (5, "failed", "exit")


def test_any_number_may_attach(run: Run):
    session = detached(run, "-i", *READER)
    lookers = [
        run.outrig.start(
            *("attach", "--no-stdin", session), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        for _ in range(3)
    ]
    until(lambda: len(control_clients(run, session)) == len(lookers), "all to be attached")
    assert run.outrig("attach", session, stdin=b"word\n").code == 5
    for looker in lookers:
        said, _ = looker.communicate(timeout=30)
        assert (looker.returncode, said) == (5, b"got word\n")


def control_clients(run: Run, session: str) -> list[str]:
    """The connections to a session's control socket."""
    found = supervisors(session)
    if not found:  # it has not taken its name yet
        return []
    (pid,) = found
    sockets = Path("/proc/net/unix").read_text().splitlines()
    bound = {line.split()[6] for line in sockets if line.endswith(f"/{session}")}
    held = {os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir()}
    return [one for one in held if one[8:-1] in bound and one.startswith("socket:")][1:]


def test_attach_to_what_has_ended(run: Run):
    run("true").ok()
    done = run.outrig("attach", run.session.name)
    assert done.code == 125
    assert b"has ended" in done.stderr
    assert b"outrig logs" in done.stderr


def test_ctrl_c_lets_go_of_an_attached_session_and_ends_nothing(run: Run):
    session = detached(run, "-i", *READER)
    looker = run.outrig.start(
        *("attach", session),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert looker.stdin
    assert looker.stdout
    looker.stdin.write(b"one\n")
    looker.stdin.flush()
    assert looker.stdout.readline() == b"got one\n"
    looker.send_signal(signal.SIGINT)
    assert looker.wait(timeout=30) == 0
    assert run.record()["status"] == "running"
    looker.communicate()
    assert run.outrig("attach", session, stdin=b"two\n").code == 5


def test_detach_keys_let_go_and_attach_comes_back(run: Run, screen):
    shown = screen("sh", "-c", 'stty -echo; echo ready; read -r word; echo "got $word"; exit 4')
    shown.until(b"ready")
    shown.type(DETACH)
    assert shown.wait() == 0
    assert b"detached" in shown.said
    assert run.record()["status"] == "running"
    assert run.outrig("attach", run.session.name, stdin=b"it\n").code == 4
    assert b"got it" in run.log("terminal.log")


def test_a_lone_detach_key_reaches_the_session(run: Run, screen):
    shown = screen("sh", "-c", "stty raw -echo; echo ready; dd bs=1 count=1 2>/dev/null | od -tx1")
    shown.until(b"ready")
    shown.type(DETACH[:1])
    shown.until(b"10")
    assert shown.wait() == 0


def test_a_closed_terminal_lets_go(run: Run):
    running = run.start(*COUNTER, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run.until_said(b"2\n")
    running.send_signal(signal.SIGHUP)
    assert running.wait(timeout=30) == 0
    assert run.outrig("wait", run.session.name).code == 7
    assert run.ending(7) == (7, "failed", "exit")
    assert run.log("stdout.log") == COUNTED


def test_a_pipe_goes_on_being_fed_after_its_terminal_closed(run: Run):
    running = run.start(
        *READER, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    assert running.stdin
    running.stdin.write(b"one\n")
    running.stdin.flush()
    run.until_said(b"got one\n")
    running.send_signal(signal.SIGHUP)
    assert running.wait(timeout=30) == 0
    running.stdin.write(b"two\n")
    running.stdin.close()
    assert run.outrig("wait", run.session.name).code == 5
    assert run.log("stdout.log") == b"got one\ngot two\n"


def test_logs_follow_across_a_change_of_hands(run: Run):
    running = run.start(*COUNTER, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run.until_said(b"1\n")
    looker = run.outrig.start("logs", "-f", run.session.name, stdout=subprocess.PIPE)
    running.send_signal(signal.SIGHUP)
    said, _ = looker.communicate(timeout=30)
    assert said == COUNTED
    running.wait(timeout=30)
