"""A session whose outrig was killed: whoever looks at it gives it a supervisor; nothing is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import until
from tests.cli.test_detach import detached
from tests.cli.test_detach import supervisors as attending
from tests.conftest import leftovers

if TYPE_CHECKING:
    from tests.cli.conftest import Run

pytestmark = pytest.mark.docker

# A line now and then until it is told to go, however long those who come to look take for it.
COUNT = "i=$((i+1)); echo line $i; [ -e go ] && [ $((i % 500)) != 0 ] || sleep 0.05"
BUSY = ("sh", "-c", f"echo begun; i=0; while [ $i -lt 40000 ]; do {COUNT}; done")
BUSY_SAID = b"begun\n" + b"".join(b"line %d\n" % (number + 1) for number in range(40000))
WAITING = (
    "sh",
    "-c",
    "echo begun; until [ -e go ]; do sleep 0.1; done; printf the; echo end; exit 5",
)


@pytest.fixture(autouse=True)
def followed_to_the_end(run: Run):
    """A supervisor removes the container after its record has ended."""
    yield
    names = [session.name for session in run.sessions()]
    until(lambda: not any(map(attending, names)), "the supervisors to end")


def supervisors(session: str) -> list[int]:
    """The processes that took a session up; not those that only look whether one does."""
    found = []
    for pid in attending(session):
        with contextlib.suppress(OSError):
            if b"unattended" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def killed(run: Run, *words: str, said: bytes = b"begun\n", **how: Any) -> str:
    """A session whose outrig was killed once it had said something; its id."""
    process = run.start(
        *words, **{"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **how}
    )
    run.until_said(said, "terminal.log" if "-t" in words else "stdout.log")
    process.send_signal(signal.SIGKILL)
    process.wait()
    return str(run.record()["id"])


def looking(run: Run, *words: str, **how: Any) -> subprocess.Popen[bytes]:
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    run.started.append(run.outrig.start(*words, **{**pipes, **how}))
    return run.started[-1]


def following(run: Run, session: str, file: Path) -> subprocess.Popen[bytes]:
    """`logs -f` into a file, which is never full."""
    with file.open("wb") as out:
        return looking(run, "logs", "-f", session, stdout=out)


def attaching(run: Run, session: str, file: Path) -> subprocess.Popen[bytes]:
    """`attach`, once it has begun to show something."""
    with file.open("wb") as out:
        one = looking(run, "attach", "--no-stdin", session, stdout=out)
    until(lambda: file.stat().st_size, "the first bytes")
    return one


@pytest.mark.parametrize("verb", [["logs", "-f"], ["wait"], ["attach", "--no-stdin"]])
def test_whoever_looks_gives_it_a_supervisor(run: Run, engine_client, verb):
    session = killed(run, *WAITING)
    looker = looking(run, *verb, session)
    until(lambda: supervisors(session), "a supervisor")
    (run.work / "go").touch()
    said, complaint = looker.communicate(timeout=30)
    assert said == {"logs": b"begun\ntheend\n", "wait": b"", "attach": b"theend\n"}[verb[0]]
    assert complaint == b""
    assert looker.returncode == (0 if verb[0] == "logs" else 5)
    assert run.ending(5) == (5, "failed", "exit")
    assert run.log("stdout.log") == b"begun\ntheend\n"
    until(lambda: not attending(session), "its supervisor to end with it")
    assert leftovers(engine_client, run.root) == []


def test_all_who_look_see_every_byte_once_across_a_crash(run: Run, tmp_path: Path):
    process = run.start(*BUSY, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    run.until_said(b"line 10\n")
    session = run.session.name
    lookers = [following(run, session, tmp_path / f"seen{number}") for number in range(3)]
    attached = [attaching(run, session, tmp_path / f"attached{number}") for number in range(2)]
    waiter = looking(run, "wait", session)
    (run.work / "go").touch()
    run.until_said(b"line 5000\n")
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: supervisors(session), "a supervisor")
    for number, one in enumerate(lookers):
        assert one.wait(timeout=60) == 0
        assert (tmp_path / f"seen{number}").read_bytes() == BUSY_SAID
    for number, one in enumerate(attached):
        assert one.wait(timeout=60) == 0
        shown = (tmp_path / f"attached{number}").read_bytes()  # from where it came in
        assert shown.startswith(b"line ")
        assert BUSY_SAID.endswith(b"\n" + shown)
    waiter.communicate(timeout=60)
    assert waiter.returncode == 0
    assert run.log("stdout.log") == BUSY_SAID
    assert "logs_incomplete" not in run.record()
    assert run.outrig("logs", session).ok().stdout == BUSY_SAID


def test_a_supervisor_that_is_killed_is_replaced(run: Run, tmp_path: Path):
    session = killed(run, *BUSY, said=b"line 10\n")
    looker = following(run, session, tmp_path / "seen")
    (run.work / "go").touch()
    for seen in (b"line 4000\n", b"line 8000\n"):
        run.until_said(seen)
        for pid in supervisors(session):
            os.kill(pid, signal.SIGKILL)
    assert looker.wait(timeout=60) == 0
    assert (tmp_path / "seen").read_bytes() == BUSY_SAID
    assert run.log("stdout.log") == BUSY_SAID


def test_a_terminal_is_typed_into_again(run: Run):
    script = 'echo begun; while read -r word; do echo "got $word"; done'
    session = detached(run, "-t", "-i", "sh", "-c", script)
    run.until_said(b"begun", "terminal.log")
    for pid in attending(session):
        os.kill(pid, signal.SIGKILL)
    typing = looking(run, "attach", session, stdin=subprocess.PIPE)
    assert typing.stdin
    assert typing.stdout
    shown = b""
    for word in (b"one", b"two"):
        typing.stdin.write(word + b"\n")
        typing.stdin.flush()
        while b"got " + word not in shown:
            shown += os.read(typing.stdout.fileno(), 65536)
    typing.communicate(timeout=30)  # ctrl-d
    said = run.log("terminal.log")
    assert said == b"begun\r\none\r\ngot one\r\ntwo\r\ngot two\r\n"
    assert run.record()["status"] == "completed"


@pytest.mark.parametrize("verb", [["logs", "-f"], ["wait"], ["attach", "--no-stdin"]])
def test_one_that_is_paused_goes_on_once_it_may(run: Run, verb: list[str]):
    session = killed(run, *WAITING)
    run.outrig("pause", session).ok()
    looker = looking(run, *verb, session)
    until(lambda: supervisors(session), "a supervisor")
    assert "paused" in run.outrig("ls").ok().out
    (run.work / "go").touch()
    with pytest.raises(subprocess.TimeoutExpired):
        looker.wait(timeout=1)
    run.outrig("unpause", session).ok()
    out, err = looker.communicate(timeout=60)
    assert looker.returncode == (0 if "logs" in verb else 5)
    if "wait" not in verb:
        assert out.endswith(b"theend\n")
    assert (f"outrig unpause {session}".encode() in err) == ("attach" in verb)
    assert run.log("stdout.log") == b"begun\ntheend\n"


def test_its_deadline_is_kept(run: Run):
    script = "echo begun; sleep 60"
    session = killed(run, "--timeout", "4s", "--", "sh", "-c", script)
    assert run.outrig("wait", session).code == 124
    assert run.ending(124) == (124, "timeout", "wall-timeout")


def test_an_input_that_was_cut_short_is_the_reason(run: Run):
    script = "echo begun; cat; until [ -e go ]; do sleep 0.1; done; exit 4"
    session = killed(run, "--", "sh", "-c", script, stdin=subprocess.PIPE)
    waiter = looking(run, "wait", session)
    until(lambda: supervisors(session), "a supervisor")
    (run.work / "go").touch()
    waiter.communicate(timeout=30)
    assert run.ending(4) == (4, "failed", "stdin-lost")
