"""Limits in time: what says and does nothing is idle, what works in silence is not."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.bridge import this_machine
from tests.cli.conftest import until
from tests.conftest import leftovers
from tests.model_server import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient

    from tests.cli.conftest import Run
    from tests.conftest import Home, Outrig
    from tests.model_server import ModelServer

pytestmark = pytest.mark.docker


@pytest.fixture(autouse=True)
def left_alone(run: Run, engine_client: DockerClient):
    """A supervisor removes the container after its record has ended."""
    yield
    until(lambda: not leftovers(engine_client, run.root), "its container to be removed")


TIMED_OUT = (124, "timeout", "idle-timeout")


def test_a_detached_session_can_be_idle(run: Run):
    session = run("-d", "--idle-timeout", "1s", "sleep", "60").ok().stdout.decode().strip()
    assert run.outrig("wait", session).code == 124
    assert run.ending(124) == TIMED_OUT


def test_a_paused_sessions_clocks_stand_still(run: Run):
    limits = ("--timeout", "3s", "--idle-timeout", "3s")
    session = run("-d", *limits, "sleep", "60").ok().stdout.decode().strip()
    run.outrig("pause", session).ok()
    time.sleep(5)
    assert run.record()["status"] == "running"
    run.outrig("unpause", session).ok()
    assert run.outrig("wait", session).code == 124
    assert run.record()["status"] == "timeout"


def test_a_paused_session_can_be_ended_by_a_signal(run: Run):
    running = run.start("sleep", "60", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run.until_status("running")
    run.outrig("pause", run.session.name).ok()
    running.terminate()
    assert run.ending(running.wait(timeout=30)) == (143, "stopped", "interrupted")


def test_a_workspace_that_grows_too_much_ends_the_session(run: Run):
    run.work.joinpath("before").write_bytes(b"x" * 30_000_000)
    script = "dd if=/dev/zero of=big bs=1M count=20; sleep 60"
    assert run.ending(run("--disk", "10m", "sh", "-c", script)) == (124, "stopped", "disk-limit")
    (hit,) = run.record()["limits_hit"]
    assert hit["limit"] == "disk"
    assert "limits.disk is 10m" in hit["evidence"]


CALL = """
for n in 1 2 3; do
    curl -s -H 'content-type: application/json' "$MODEL_BASE_URL/v1/messages" \\
        -d '{"model": "m", "messages": [{"role": "user", "content": "hi"}]}'
done
sleep ${1:-0}
"""


@pytest.fixture
def model(home: Home, engine_client: DockerClient) -> Iterator[ModelServer]:
    """One whose key, $KEY, a broker has."""
    with serving(host=this_machine(engine_client)) as model:
        file = home.config / "outrig/config.toml"
        file.parent.mkdir(parents=True)
        file.write_text(f'[secrets.model]\nfrom = "env:KEY"\nupstream = "{model.url}"\n')
        yield model


@pytest.mark.parametrize("patient", ["60", "0"])
def test_models_that_are_used_up_end_the_session(
    outrig: Outrig, model: ModelServer, run: Run, patient: str
):
    """Also where it ends before anybody has seen it."""
    done = outrig(
        *("run", "--network", "filter", "--model-requests", "2"),
        *("--", "sh", "-c", CALL, "sh", patient),
        env={**run.env, "KEY": "k" * 30},
    )
    assert done.out.count("The file is written and it ran.") == 2
    assert "limits.model-requests = 2 is used up (2)" in done.out
    assert len(model.requests) == 2
    assert run.ending(done) == (124, "stopped", "budget")
    (hit,) = run.record()["limits_hit"]
    assert (hit["limit"], hit["evidence"].partition(";")[0]) == (
        "model_requests",
        "2 requests of models, and limits.model-requests is 2",
    )
    assert "more with --model-requests" in done.err


def test_a_killed_outrig_leaves_what_was_used_to_whoever_comes_next(
    outrig: Outrig, model: ModelServer, run: Run
):
    script = f"until [ -e go ]; do sleep 0.1; done\n{CALL}"
    process = outrig.start(
        *("run", "--network", "filter", "--model-requests", "2", "--", "sh", "-c", script),
        env={**run.env, "KEY": "k" * 30},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    run.started.append(process)
    run.until_status("running")
    process.kill()
    process.wait()
    (run.work / "go").touch()
    until(lambda: len(model.requests) == 2, "the model to be asked")
    until(lambda: (outrig("ls").ok(), "ended_at" in run.record())[1], "its end")
    record = run.record()
    assert (record["status"], record["reason"]) == ("stopped", "budget")
    assert record["exit_code"] == 124
    (hit,) = record["limits_hit"]
    assert hit["limit"] == "model_requests"
    assert (record["usage"]["model_requests"], record["usage"]["model_tokens"]) == (2, 240)
    assert record["usage"]["sent"] > 100
    assert "model requests: 2 of 2" in outrig("show").ok().out


def test_what_a_session_used_is_in_its_record(run: Run):
    script = "head -c 30000000 /dev/urandom | tail -c 20000000 >/dev/null; echo done; sleep 1.5"
    run("-m", "1g", "sh", "-c", script).ok()
    used = run.record()["usage"]
    assert 1 << 20 < used["memory"] < 1 << 30
    assert 0 < used["cpu_seconds"] < 60
    assert "received" not in used
    assert "at most of 1g" in run.outrig("show").ok().out


@pytest.mark.parametrize("mode", ["bridge", "open", "filter"])
def test_bytes_of_each_network_are_counted(run: Run, engine_client: DockerClient, mode: str):
    here = this_machine(engine_client)
    with serving(host=here) as model:
        done = run.outrig(
            *("run", "--network", mode),
            *(() if mode == "bridge" else ("--allow", f"{here}:{model.port}")),
            *("--", "sh", "-c", f"curl -s {model.url}/{'x' * 2000}; sleep 2"),
            env=run.env,
        ).ok()
    assert "not_found_error" in done.out
    used = run.record()["usage"]
    assert used["sent"] > 2000
    assert used["received"] > 100
