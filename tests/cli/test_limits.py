"""Limits in time: what says and does nothing is idle, what works in silence is not."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import until
from tests.conftest import leftovers

if TYPE_CHECKING:
    from docker import DockerClient

    from tests.cli.conftest import Run

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
