"""`outrig wait`: the recorded code, whoever records it."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from outrig.core.ending import Ending
from outrig.store.sessions import SessionStore
from tests import records
from tests.cli import terminals
from tests.conftest import leftovers

if TYPE_CHECKING:
    from tests.cli.conftest import Run

LOST = Ending(status="lost", reason="container-gone", exit_code=None)


def failed(code: int) -> Ending:
    return Ending(status="failed", reason="exit", exit_code=code, agent_exit_code=code)


@pytest.fixture
def store(session_root):
    return SessionStore(session_root)


@pytest.mark.parametrize("code", [0, 1, 2, 42, 124, 125, 126, 127, 130, 137, 143, 255])
def test_one_that_has_ended_gives_its_code_at_once(outrig, store, code):
    records.finish(records.begin(store), failed(code))
    done = outrig("wait", "@last")
    assert (done.code, done.stdout, done.stderr) == (code, b"", b"")


def test_on_a_terminal_how_it_ended_is_told(outrig, store):
    session = records.finish(records.begin(store), failed(3))
    shown = terminals.screen(outrig, "wait", "@last")
    assert f"{session.id} failed (exit, exit 3) after 1m30s; next: outrig logs" in shown


def test_one_that_was_lost(outrig, store):
    records.finish(records.begin(store), LOST)
    assert outrig("wait", "@last").code == 125


def test_several_in_the_order_given(outrig, store):
    endings = [failed(0), failed(3), LOST, failed(4)]
    ids = [
        records.finish(records.begin(store, at=records.NOON.replace(minute=n)), ending).id
        for n, ending in enumerate(endings)
    ]
    done = outrig("wait", ids[3], ids[0], ids[2], ids[3])
    assert done.out == f"{ids[3]} 4\n{ids[0]} 0\n{ids[2]} 125\n{ids[3]} 4\n"
    assert done.code == 4
    assert outrig("wait", ids[0], ids[2]).code == 125


def test_it_waits_for_whoever_attends_it(outrig, store):
    held = records.begin(store)
    waiting = outrig.start("wait", held.id)
    other = outrig.start("wait", held.id, held.id)
    records.finish(held, failed(9))
    assert waiting.communicate() == (b"", b"")
    assert other.communicate()[0].decode() == f"{held.id} 9\n" * 2
    assert (waiting.returncode, other.returncode) == (9, 9)


@pytest.mark.parametrize("args", [[], ["nosuch"], ["x", "--session-dir", "y"], ["--nosuch"]])
def test_failures_are_125(outrig, args):
    assert outrig("wait", *args).code == 125


def test_an_unknown_one_is_found_out_before_waiting(outrig, store):
    held = records.begin(store)
    assert outrig("wait", held.id, "nosuch").code == 125
    held.close()


def test_ctrl_c_ends_the_wait_alone(outrig, store):
    held = records.begin(store)
    done = records.done(store, at=records.NOON.replace(hour=13))
    waiting = outrig.start("wait", done.id, held.id)
    assert waiting.stdout.readline().decode() == f"{done.id} 0\n"
    waiting.send_signal(signal.SIGINT)
    waiting.communicate()
    assert waiting.returncode == 130
    assert not store.load(held.id).ended
    held.close()


# ---------------------------------------------------------------- on the real engine


@pytest.mark.docker
def test_one_that_nobody_looks_after(run: Run, outrig, engine_client):
    waiter = ("sh", "-c", "echo ready; until [ -e go ]; do sleep 0.1; done; exit 5")
    process = run.start(*waiter, stdin=subprocess.DEVNULL)
    run.until_said(b"ready")
    process.send_signal(signal.SIGKILL)
    process.wait()
    waiting = [outrig.start("wait", "@last") for _ in range(2)]
    (run.work / "go").touch()
    for one in waiting:
        one.communicate()
    assert [one.returncode for one in waiting] == [5, 5]
    assert run.ending(5) == (5, "failed", "exit")
    assert leftovers(engine_client, run.root) == []


@pytest.mark.docker
def test_run_and_wait_agree(run: Run, outrig):
    process = run.start("--timeout", "1s", "sleep", "60")
    run.until_status("running")
    assert outrig("wait", "@last").code == process.wait() == 124
