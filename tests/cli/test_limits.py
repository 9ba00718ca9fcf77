"""Limits in time: what says and does nothing is idle, what works in silence is not."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Run

pytestmark = pytest.mark.docker

TIMED_OUT = (124, "timeout", "idle-timeout")


def test_a_sleeping_session_is_idle(run: Run):
    done = run("--idle-timeout", "2s", "sh", "-c", "echo working; exec sleep 60")
    assert run.ending(done) == TIMED_OUT
    assert run.log("stdout.log") == b"working\n"


def test_a_silent_session_that_works_is_not_idle(run: Run):
    busy = "end=$(($(date +%s) + 5)); while [ $(date +%s) -lt $end ]; do :; done"
    done = run("--idle-timeout", "2s", "sh", "-c", busy)
    assert run.ending(done) == (0, "completed", "exit")


def test_a_session_that_says_something_now_and_then_is_not_idle(run: Run):
    talk = "for i in 1 2 3 4 5; do sleep 1; echo $i; done"
    done = run("--idle-timeout", "2s", "sh", "-c", talk)
    assert run.ending(done) == (0, "completed", "exit")


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
