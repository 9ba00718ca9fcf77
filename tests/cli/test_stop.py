"""`outrig stop` and `kill`: who ends a session decides what its record says."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from outrig.store.sessions import SessionStore
from tests import records
from tests.cli.conftest import until
from tests.conftest import leftovers

if TYPE_CHECKING:
    from tests.cli.conftest import Run

STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.1; done"
POLITE = "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.1; done"


@pytest.fixture
def store(session_root):
    return SessionStore(session_root)


@pytest.mark.parametrize("verb", ["stop", "kill"])
def test_one_that_has_ended_is_left_as_it_is(outrig, store, verb):
    session = records.done(store)
    before = (store.directory(session.id) / "session.json").read_bytes()
    done = outrig(verb, session.id).ok()
    assert done.out == ""
    assert f"{session.id} has ended already: completed" in done.err
    assert (store.directory(session.id) / "session.json").read_bytes() == before
    assert not (store.directory(session.id) / "intent.json").exists()


def foreign(store, session: str = "20260718T091502-a41c") -> str:
    """An unfinished session of another tool."""
    store.make_root()
    path = records.adopt_rust_record(store, session) / "session.json"
    record = json.loads(path.read_bytes())
    ends = ("ended_at", "exit_code")
    path.write_text(json.dumps({key: record[key] for key in record if key not in ends}))
    return session


def test_another_tools_session_is_left_alone(outrig, store):
    session = foreign(store)
    done = outrig("stop", session)
    assert done.code == 1
    assert "belongs to another tool" in done.err
    assert not (store.directory(session) / "intent.json").exists()


def test_all_of_none(outrig):
    done = outrig("stop", "--all").ok()
    assert "no session runs" in done.err


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ([], 2),
        (["--all", "x"], 2),
        (["x", "--session-dir", "y"], 2),
        (["--grace", "soon", "x"], 2),
        (["nosuch"], 1),
    ],
)
def test_what_makes_no_sense(outrig, args, code):
    assert outrig("stop", *args).code == code


def test_without_an_engine_nothing_is_declared(outrig, store):
    held = records.begin(store)
    done = outrig("stop", held.id)
    assert done.code == 1
    assert not (store.directory(held.id) / "intent.json").exists()
    held.close()


# ---------------------------------------------------------------- on the real engine


@pytest.mark.docker
def test_a_polite_one_ends_with_its_own_code(run: Run, outrig):
    process = run.start("--name", "polite", "sh", "-c", POLITE)
    run.until_said(b"ready")
    done = outrig("stop", "polite").ok()
    record = run.record()
    assert done.out == f"{record['id']}\n"
    assert run.ending(process.wait()) == (7, "stopped", "stopped")
    assert record["agent_exit_code"] == 7
    assert run.log("stdout.log") == b"ready\nbye\n"
    assert outrig("wait", "polite").code == 7


@pytest.mark.docker
def test_one_that_ignores_term_is_killed_after_the_grace(run: Run, outrig):
    process = run.start("sh", "-c", STUBBORN)
    run.until_said(b"ready")
    outrig("stop", "--grace", "0.5s", "@last").ok()
    assert run.ending(process.wait()) == (137, "stopped", "stopped")


@pytest.mark.docker
def test_kill_does_not_ask(run: Run, outrig):
    process = run.start("sh", "-c", POLITE)
    run.until_said(b"ready")
    outrig("kill", "@last").ok()
    assert run.ending(process.wait()) == (137, "stopped", "stopped")
    assert run.log("stdout.log") == b"ready\n"
    assert json.loads((run.session / "intent.json").read_bytes())["kind"] == "kill"


@pytest.mark.docker
def test_a_kill_ends_the_patience_of_a_stop(run: Run, outrig):
    process = run.start("sh", "-c", STUBBORN)
    run.until_said(b"ready")
    patient = outrig.start("stop", "--grace", "10m", "@last")
    until((run.session / "intent.json").exists, "the intent of the stop")
    outrig("kill", "@last").ok()
    assert patient.communicate()[0].decode() == f"{run.record()['id']}\n"
    assert patient.returncode == 0
    assert run.ending(process.wait()) == (137, "stopped", "stopped")
    assert json.loads((run.session / "intent.json").read_bytes())["kind"] == "stop"


@pytest.mark.docker
def test_all_at_once_share_one_grace(run: Run, outrig):
    processes = [run.start("sh", "-c", STUBBORN) for _ in range(3)]

    def all_ready() -> bool:
        logs = list(run.root.glob("*/logs/stdout.log"))
        return len(logs) == 3 and all(log.read_bytes() for log in logs)

    until(all_ready, "three that run")
    ids = sorted(path.name for path in run.sessions())
    done = outrig("stop", "--all", "--grace", "1s").ok()
    assert sorted(done.out.split()) == ids
    assert [process.wait() for process in processes] == [137, 137, 137]
    assert outrig("stop", "--all").ok().out == ""


@pytest.mark.docker
def test_one_that_fails_stops_no_other(run: Run, outrig, store):
    process = run.start("--name", "good", "sh", "-c", POLITE)
    run.until_said(b"ready")
    done = outrig("stop", foreign(store), "good", "good")
    assert done.code == 1
    assert "belongs to another tool" in done.err
    assert len(done.out.split()) == 1
    assert process.wait() == 7


@pytest.mark.docker
@pytest.mark.parametrize("verb", ["stop", "kill"])
def test_one_that_nobody_looks_after_is_finished_by_us(run: Run, outrig, engine_client, verb):
    process = run.start("sh", "-c", POLITE)
    run.until_said(b"ready")
    process.send_signal(signal.SIGKILL)
    process.wait()
    outrig(verb, "@last").ok()
    code = 7 if verb == "stop" else 137
    assert run.ending(code) == (code, "stopped", "stopped")
    assert run.log("stdout.log") == (b"ready\nbye\n" if verb == "stop" else b"ready\n")
    assert leftovers(engine_client, run.root) == []


@pytest.mark.docker
def test_without_a_grace_it_is_the_sessions_own(run: Run, outrig):
    process = run.start("sh", "-c", STUBBORN, env={"OUTRIG_RUN__GRACE": "300ms"})
    run.until_said(b"ready")
    assert run.record()["grace"] == 0.3
    outrig("stop", "@last").ok()
    assert run.ending(process.wait()) == (137, "stopped", "stopped")


@pytest.mark.docker
@pytest.mark.parametrize("verb", ["stop", "kill"])
def test_one_whose_image_is_being_built(run: Run, outrig, home, engine_client, verb):
    (run.work / "Dockerfile").write_text(f"FROM {run.image}\nRUN echo begun && sleep 600\n")
    config = home.config / "outrig/config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(f'[images.slow]\ndockerfile = "{run.work}/Dockerfile"\n')
    process = outrig.start("run", "--image", "slow", "--network", "none", "true", env=run.env)
    run.started.append(process)

    def building() -> bool:
        logs = list(run.root.glob("*/logs/build.log"))
        return bool(logs) and b"begun\n" in logs[0].read_bytes()

    until(building, "the build")
    assert outrig(verb, "@last").ok().out == f"{run.record()['id']}\n"
    assert process.wait(timeout=30) == 125
    assert b"ended by outrig stop" in process.stderr.read()
    assert run.ending(125) == (125, "stopped", "stopped")
    assert leftovers(engine_client, run.root) == []


@pytest.mark.docker
def test_a_paused_one_goes_on_to_meet_its_end(run: Run, outrig):
    process = run.start("sh", "-c", POLITE)
    run.until_said(b"ready")
    outrig("pause", "@last").ok()
    outrig("stop", "@last").ok()
    assert run.ending(process.wait()) == (7, "stopped", "stopped")


@pytest.mark.docker
def test_by_directory(run: Run, outrig, tmp_path):
    process = run.start("--session-dir", tmp_path / "kept", "sh", "-c", POLITE)
    run.until_said(b"ready")
    outrig("stop", "--session-dir", tmp_path / "kept").ok()
    assert process.wait() == 7
    assert outrig("wait", "--session-dir", tmp_path / "kept").code == 7
