"""A killed outrig, as a user meets it afterwards: nothing is lost, and the record is true."""

from __future__ import annotations

import json
import signal
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from outrig.core.moment import time_text
from outrig.core.session import with_fields
from outrig.store.sessions import SessionStore
from tests.cli.conftest import until
from tests.conftest import leftovers

if TYPE_CHECKING:
    import docker

    from tests.cli.conftest import Run

pytestmark = pytest.mark.docker

SHORT = "echo one; read line; echo two; echo err >&2; head -c 40000 /dev/zero | tr '\\0' x; echo"


def killed(run: Run, *words: str, said: bytes, name: str = "stdout.log", **how: Any) -> str:
    """A session whose outrig was killed once it had said something; its id."""
    process = run.start(*words, **{"stdin": subprocess.DEVNULL, **how})
    run.until_said(said, name)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return str(run.record()["id"])


def until_ended(engine: docker.DockerClient, session: str) -> None:
    def look() -> bool:
        return engine.containers.get(f"outrig-{session}").status == "exited"

    until(look, "the end of the container")


def listed(run: Run) -> dict[str, Any]:
    (found,) = json.loads(run.outrig("ls", "--json").ok().out)
    return dict(found)


def test_while_it_runs_it_is_shown_running(run, outrig, engine_client):
    session = killed(run, "--", "sh", "-c", "echo hi; sleep 300", said=b"hi\n")
    assert (listed(run)["status"], listed(run)["attended"]) == ("running", False)
    assert "unknown" not in listed(run)
    assert "running (unattended)" in outrig("show", session).ok().out
    assert outrig("logs", session).ok().out == "hi\n"
    assert len(leftovers(engine_client, run.root)) == 1
    outrig("kill", session).ok()


@pytest.mark.parametrize("command", [["ls"], ["show"], ["logs"], ["doctor"], ["wait", "@last"]])
def test_the_end_and_what_was_said_come_from_the_engine(run, outrig, engine_client, command):
    script = "echo one; sleep 1; echo two; echo err >&2; exit 3"
    session = killed(run, "--", "sh", "-c", script, said=b"one\n")
    until_ended(engine_client, session)
    for _ in range(2):
        outrig(*command)
        record = run.record()
        assert (record["status"], record["reason"], record["exit_code"]) == ("failed", "exit", 3)
        assert (run.log("stdout.log"), run.log("stderr.log")) == (b"one\ntwo\n", b"err\n")
    assert run.record()["resources"] == []
    assert not (run.root / ".open" / session).exists()
    assert leftovers(engine_client, run.root) == []
    assert outrig("logs", "--timestamps", session).ok().out.count("\n") == 3


def test_every_byte_once_and_in_order(run, outrig, engine_client):
    script = "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line $i; done; seq -s, 20000; exit 0"
    session = killed(run, "--", "sh", "-c", f"echo go; {script}", said=b"go\n")
    until_ended(engine_client, session)
    outrig("ls").ok()
    lines = [f"line {number + 1}\n" for number in range(3000)]
    long = ",".join(map(str, range(1, 20001)))
    expected = ("go\n" + "".join(lines) + long).encode()
    assert run.log("stdout.log") in (expected, expected + b"\n")
    doubt = run.record().get("logs_incomplete", "")
    assert run.log("stdout.log") == expected + b"\n" or "newline" in doubt
    assert outrig("logs", session).ok().stdout == run.log("stdout.log")


def test_a_terminal_session(run, outrig, engine_client):
    session = killed(
        run, "-t", "--", "sh", "-c", "echo a; sleep 1; echo b", said=b"a", name="terminal.log"
    )
    until_ended(engine_client, session)
    outrig("ls").ok()
    assert run.log("terminal.log") == b"a\r\nb\r\n"
    assert run.record()["status"] == "completed"


def test_an_input_that_was_cut_short_is_the_reason(run, outrig, engine_client):
    session = killed(
        run, "--", "sh", "-c", "echo a; cat; exit 4", said=b"a\n", stdin=subprocess.PIPE
    )
    until_ended(engine_client, session)
    found = listed(run)
    assert (found["status"], found["reason"], found["exit_code"]) == ("failed", "stdin-lost", 4)


def test_an_input_that_was_fed_whole_is_none(run, outrig, engine_client):
    script = "cat; echo a; sleep 1; exit 4"
    with open("/etc/passwd", "rb") as words:
        session = killed(run, "--", "sh", "-c", script, said=b"a\n", stdin=words)
    until_ended(engine_client, session)
    found = listed(run)
    assert (found["status"], found["reason"], found["exit_code"]) == ("failed", "exit", 4)
    assert "stdin_open" not in found


def test_gone_without_a_trace(run, outrig, engine_client):
    session = killed(run, "--", "sh", "-c", "echo a; sleep 300", said=b"a\n")
    engine_client.containers.get(f"outrig-{session}").remove(force=True)
    assert (listed(run)["status"], listed(run)["reason"]) == ("lost", "container-gone")
    assert outrig("wait", session).code == 125


def test_killed_out_of_memory(run, outrig, engine_client):
    script = "echo a; sleep 1; tail /dev/zero"
    session = killed(run, "-m", "16m", "--", "sh", "-c", f"{script}; exit $?", said=b"a\n")
    until_ended(engine_client, session)
    found = listed(run)
    assert (found["reason"], found["exit_code"]) == ("oom", 137)


def test_past_its_deadline_it_is_stopped_by_whoever_looks(run, outrig, engine_client):
    session = killed(run, "--timeout", "1h", "--", "sh", "-c", "echo a; sleep 300", said=b"a\n")
    assert run.record()["deadline"] > time_text(datetime.now(UTC) + timedelta(minutes=59))
    past = time_text(datetime.now(UTC) - timedelta(seconds=1))
    SessionStore(run.root).update(session, lambda one: with_fields(one, deadline=past))
    found = listed(run)
    assert (found["status"], found["reason"], found["exit_code"]) == (
        "timeout",
        "wall-timeout",
        124,
    )
    assert leftovers(engine_client, run.root) == []


def test_without_an_engine_it_is_said_and_nothing_is_changed(run, outrig, engine_client, tmp_path):
    session = killed(run, "--", "sh", "-c", "echo a; sleep 300", said=b"a\n")
    store = SessionStore(run.root)
    endpoint = store.load(session).text("engine")
    store.update(session, lambda one: with_fields(one, engine=f"unix://{tmp_path}/no.sock"))
    done = outrig("ls").ok()
    assert "running (unknown)" in done.out
    assert f"cannot tell what became of {session}" in done.err
    assert "hint" not in done.err
    for looking_twice in (("logs", "-f", session), ("wait", session)):
        assert outrig(*looking_twice).err.count("cannot tell what became of") == 1
    store.update(session, lambda one: with_fields(one, engine=endpoint))
    assert listed(run)["status"] == "running"
    outrig("kill", session).ok()
