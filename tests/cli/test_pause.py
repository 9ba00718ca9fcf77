"""`outrig pause` and `unpause`: nothing runs, and the record says so."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from outrig.store.sessions import SessionStore
from tests import records

if TYPE_CHECKING:
    from tests.cli.conftest import Run


@pytest.fixture
def store(session_root):
    return SessionStore(session_root)


@pytest.mark.parametrize("verb", ["pause", "unpause"])
def test_one_that_has_ended_cannot(outrig, store, verb):
    session = records.done(store)
    done = outrig(verb, session.id)
    assert done.code == 1
    assert f"outrig logs {session.id}" in done.err


def test_one_that_has_not_started_cannot(outrig, store):
    held = records.begin(store)  # no container is noted
    done = outrig("pause", held.id)
    assert done.code == 1
    assert "has not started" in done.err
    assert "paused_at" not in store.load(held.id).fields
    held.close()


@pytest.mark.docker
def test_it_stands_still_and_goes_on(run: Run, outrig, engine_client):
    process = run.start("sh", "-c", "while [ ! -e end ]; do echo x; sleep 0.05; done; exit 4")
    run.until_said(b"x")
    session = run.record()["id"]
    assert outrig("pause", "@last").ok().out == f"{session}\n"
    container = engine_client.containers.get(run.record()["container_name"])
    assert container.status == "paused"
    assert run.record()["paused_at"].endswith("Z")
    assert run.record()["status"] == "running"
    assert "is paused already" in outrig("pause", "@last").ok().err
    refused = outrig("exec", "@last", "true")
    assert refused.code == 125
    assert f"outrig unpause {session}" in refused.err
    (run.work / "end").touch()
    time.sleep(0.3)
    assert process.poll() is None
    assert outrig("unpause", "@last").ok().out == f"{session}\n"
    assert process.wait() == 4
    record = run.record()
    assert "paused_at" not in record
    assert record["paused_seconds"] > 0.3


@pytest.mark.docker
def test_a_pause_of_dockers_own_is_undone_as_well(run: Run, outrig, engine_client):
    process = run.start("sh", "-c", "echo ready; until [ -e end ]; do sleep 0.05; done")
    run.until_said(b"ready")
    container = engine_client.containers.get(run.record()["container_name"])
    container.pause()
    assert "was not paused" in outrig("unpause", "@last").ok().err
    (run.work / "end").touch()
    assert process.wait() == 0


@pytest.mark.docker
def test_pauses_add_up(run: Run, outrig):
    process = run.start("sh", "-c", "echo ready; until [ -e end ]; do sleep 0.05; done")
    run.until_said(b"ready")
    taken = []
    for _ in range(2):
        outrig("pause", "@last").ok()
        outrig("unpause", "@last").ok()
        taken.append(run.record()["paused_seconds"])
    assert 0 < taken[0] < taken[1]
    (run.work / "end").touch()
    assert process.wait() == 0
