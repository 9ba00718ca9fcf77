"""Signals to outrig: the session ends or goes on as promised, and its record says so."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run
    from tests.conftest import Home

pytestmark = pytest.mark.docker

TERM, INT, HUP = signal.SIGTERM, signal.SIGINT, signal.SIGHUP
DEAF = "trap '' TERM INT HUP; echo ready; while :; do sleep 0.2; done"


def intent(run: Run) -> dict[str, object]:
    found: dict[str, object] = json.loads((run.session / "intent.json").read_bytes())
    return found


@pytest.mark.parametrize(("number", "code"), [(TERM, 143), (INT, 130)])
def test_a_signal_ends_the_session(run: Run, number, code):
    process = run.start("sh", "-c", "echo ready; sleep 100; echo not reached")
    run.until_said(b"ready")
    process.send_signal(number)
    assert run.ending(process.wait()) == (code, "stopped", "interrupted")
    assert intent(run)["signal"] == number
    assert run.record()["resources"] == []


def test_the_agent_may_say_goodbye(run: Run):
    script = "trap 'echo goodbye; exit 5' TERM INT; echo ready; while :; do sleep 0.1; done"
    process = run.start("sh", "-c", script)
    run.until_said(b"ready")
    process.send_signal(TERM)
    assert run.ending(process.wait()) == (143, "stopped", "interrupted")
    assert run.record()["agent_exit_code"] == 5
    assert run.log("stdout.log") == b"ready\ngoodbye\n"


def test_the_whole_process_group_hears_it(run: Run):
    child = "trap 'echo child; exit' TERM; echo ready; while :; do sleep 0.1; done"
    script = f"trap : TERM; ({child}) & wait; wait"
    process = run.start("sh", "-c", script)
    run.until_said(b"ready")
    process.send_signal(TERM)
    assert process.wait() == 143
    assert b"child" in run.log("stdout.log")


def test_a_program_that_reads_the_record_gets_it_then_too(run: Run, tmp_path: Path):
    process = run.start(
        "--json", "--result", tmp_path / "result", "sh", "-c", "echo ready; sleep 9"
    )
    run.until_said(b"ready")
    process.send_signal(TERM)
    out, _ = process.communicate()
    assert json.loads(out) == json.loads((tmp_path / "result").read_bytes()) == run.record()
    assert process.returncode == run.record()["exit_code"] == 143


def test_a_signal_that_was_ignored_before_stays_ignored(run: Run):
    process = run.start(
        *("sh", "-c", "echo ready; read line; echo $line"),
        preexec_fn=lambda: signal.signal(HUP, signal.SIG_IGN),
    )
    run.until_said(b"ready")
    process.send_signal(HUP)
    assert process.communicate(b"go on\n")[0] == b"ready\ngo on\n"
    assert run.ending(process.returncode) == (0, "completed", "exit")


def test_a_signal_while_an_image_is_built(run: Run, home: Home, engine_client):
    (run.work / "Dockerfile").write_text(f"FROM {run.image}\nRUN sleep 50\nRUN true\n")
    config = home.config / "outrig/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'[images.slow-test]\ndockerfile = "{run.work}/Dockerfile"\n')
    process = run.start("--json", "--image", "slow-test", "true")
    log = until(lambda: next(iter(run.root.glob("2*/logs/build.log")), None), "a build log")
    until(lambda: b"sleep 50" in log.read_bytes(), "the slow step")
    process.send_signal(TERM)
    out, _ = process.communicate()
    assert run.ending(process.returncode) == (143, "stopped", "interrupted")
    assert json.loads(out) == run.record()
    assert engine_client.images.list(name="outrig/slow-test") == []


def test_a_killed_outrig_leaves_a_session_that_can_be_found_and_discarded(run: Run, engine_client):
    process = run.start("sh", "-c", "echo ready; sleep 100", stdin=None)
    run.until_said(b"ready")
    process.kill()
    process.wait()
    record = run.record()
    assert record["status"] == "running"
    listed = run.outrig("ls", env=run.env).ok()
    (line,) = [line for line in listed.out.splitlines() if record["id"] in line]
    assert "unattended" in line
    refused = run.outrig("discard", "-y", record["id"], env=run.env)
    assert refused.code == 1
    assert "--force" in refused.err
    run.outrig("discard", "-y", "--force", record["id"], env=run.env).ok()
    assert run.sessions() == []
    assert not engine_client.containers.list(all=True, filters={"name": record["container_name"]})


def test_signals_before_the_container_is_there(run: Run):
    """Whenever it comes: no container, and a record, if there is one, that has ended."""
    for _ in range(3):
        process = run.start("sh", "-c", "sleep 100")
        until(lambda: len(run.sessions()) == len(run.started), "a session")
        process.send_signal(TERM)
        assert process.wait() == 143
    for session in run.sessions():
        record = json.loads((session / "session.json").read_bytes())
        assert (record["status"], record["reason"]) == ("stopped", "interrupted")
        assert (record["exit_code"], record["resources"]) == (143, [])
