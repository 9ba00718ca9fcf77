"""What a real session changed is known afterwards, whoever was there at its end."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests import repositories
from tests.cli.conftest import until

if TYPE_CHECKING:
    from tests.cli.conftest import Run

pytestmark = pytest.mark.docker
MODES = ("bind", "worktree", "copy")


@pytest.mark.parametrize("mode", MODES)
def test_what_it_changed_in_every_mode(run: Run, mode):
    repositories.made(run.work, file="1\n", gone="2\n")
    words = "echo 2 > file; rm gone; ln -s file link; echo new > new"
    run("--workspace", mode, "--", "sh", "-c", words).ok()
    shown = run.outrig("diff", "--name-only").ok()
    assert shown.out.splitlines() == ["file", "gone", "link", "new"], shown.err
    assert "+2" in run.outrig("diff", "@last", "file").ok().out


def test_a_runner_that_was_killed_leaves_an_end(run: Run):
    repositories.made(run.work, file="1\n")
    process = run.start("--", "sh", "-c", "echo 2 > file; echo ready; sleep 2")
    run.until_said(b"ready\n")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    run.outrig("wait", "@last").ok()
    assert run.record()["workspace"]["end"]
    assert "+2" in run.outrig("diff").ok().out


def test_checkpoints_go_on_when_it_is_let_go_of(run: Run):
    repositories.made(run.work, file="1\n")
    script = "echo 2 > file; echo ready; sleep 60"
    run("-d", "--checkpoint", "1s", "--", "sh", "-c", script).ok()
    until(lambda: len(run.record()["workspace"].get("checkpoints", ())) > 1, "two checkpoints")
    assert "+2" in run.outrig("diff", "--checkpoint", "2").ok().out
    run.outrig("kill", "@last").ok()
    until(lambda: not run.record()["resources"], "its container to be removed")


def test_checkpoints_of_a_session_that_runs(run: Run):
    repositories.made(run.work, file="1\n")
    process = run.start(
        "--checkpoint", "1s", "--", "sh", "-c", "echo 2 > file; echo ready; sleep 60"
    )
    run.until_said(b"ready\n")
    until(lambda: len(run.record()["workspace"].get("checkpoints", ())) > 1, "two checkpoints")
    assert "+2" in run.outrig("diff", "--checkpoint", "2").ok().out
    assert "as it is now" in run.outrig("diff", "--stat").ok().err
    run.outrig("kill", "@last").ok()
    process.wait()
