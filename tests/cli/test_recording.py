"""What becomes of a recording: bounded, replayed, exported, read; of real sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Run

pytestmark = pytest.mark.docker

BOUND = {"OUTRIG_LIMITS__LOG_BYTES": "64k"}
KEPT = 64 * 1024


def test_beyond_the_bound_the_agent_runs_on_and_the_record_says_how_much_is_missing(run: Run):
    done = run("sh", "-c", "head -c 100000 /dev/zero; echo oops >&2; exit 3", env=BOUND)
    assert (done.code, len(done.stdout)) == (3, 100_000)
    kept = [len(run.log(name)) for name in ("stdout.log", "stderr.log")]
    assert sum(kept) == KEPT
    (hit,) = run.record()["limits_hit"]
    assert hit["limit"] == "log_bytes"
    assert hit["dropped"] == 100_000 + len("oops\n") - KEPT
    assert hit["at"] <= run.record()["ended_at"]


def test_within_the_bound_nothing_is_said_of_it(run: Run):
    run("head", "-c", str(KEPT), "/dev/zero", env=BOUND).ok()
    assert len(run.log("stdout.log")) == KEPT
    assert "limits_hit" not in run.record()


def test_the_bound_is_said_while_the_session_still_runs(run: Run):
    process = run.start("sh", "-c", "head -c 100000 /dev/zero; cat", env=BOUND)
    assert process.stdout
    assert process.stdin
    assert len(process.stdout.read(100_000)) == 100_000
    assert run.until_status("running")["limits_hit"][0]["dropped"] > 0
    process.stdin.close()
    assert process.wait() == 0
    assert run.record()["limits_hit"][0]["dropped"] == 100_000 - KEPT
