"""What the record says of a pause, also when the engine refuses it."""

from __future__ import annotations

import pytest

from outrig.core.pause import is_paused
from outrig.core.session import with_fields
from outrig.errors import EngineError, SessionNotRunningError, StoreError
from outrig.runner.pause import pause, unpause
from outrig.store import finding
from outrig.store.sessions import SessionStore
from tests import records
from tests.fakes import FakeEngine, Script
from tests.test_fakes import CONTAINER


@pytest.fixture
def engine():
    made = FakeEngine()
    yield made
    made.close()


@pytest.fixture
def found(engine, session_root):
    """A session that runs on the fake engine, attended by this process."""
    ref = engine.prepare(CONTAINER, {})
    engine.start(ref)
    resources = [{"kind": "container", "role": "agent", "ref": ref.id, "attempt": "a"}]
    store = SessionStore(session_root)
    with records.begin(store, resources=resources) as held:
        yield finding.open_session(store, held.id)


def test_what_runs_on_another_machine_is_left_alone(engine, found) -> None:
    found.store.update(found.session.id, lambda one: with_fields(one, machine="another"))
    with pytest.raises(StoreError, match="belongs to another machine"):
        pause(found, lambda _: engine)
    assert next(iter(engine.containers.values())).state == "running"


def test_there_and_back(engine, found) -> None:
    session = pause(found, lambda _: engine)
    assert is_paused(session)
    assert session.status == "running"
    assert next(iter(engine.containers.values())).state == "paused"
    session = unpause(found, lambda _: engine)
    assert not is_paused(session)
    assert session.fields["paused_seconds"] >= 0
    assert next(iter(engine.containers.values())).state == "running"


def test_paused_twice_the_first_moment_counts(engine, found) -> None:
    first = pause(found, lambda _: engine).fields["paused_at"]
    assert pause(found, lambda _: engine).fields["paused_at"] == first


def test_a_refusal_leaves_it_running(engine, found) -> None:
    engine.script = Script(refuses_pause=EngineError("no freezer"))
    with pytest.raises(EngineError, match="no freezer"):
        pause(found, lambda _: engine)
    assert not is_paused(found.store.load(found.session.id))


@pytest.mark.parametrize(("before", "least"), [(None, 0), (5, 5), (2.5, 2.5), ("many", 0)])
def test_what_earlier_pauses_took_is_added(engine, found, before, least) -> None:
    found.store.update(
        found.session.id,
        lambda one: with_fields(one, paused_seconds=before, paused_at="2026-05-01T12:00:00Z"),
    )
    seconds = unpause(found, lambda _: engine).fields["paused_seconds"]
    assert seconds > least
    assert isinstance(seconds, float)


def test_what_has_ended_cannot(engine, found) -> None:
    found.store.update(found.session.id, lambda one: with_fields(one, status="stopped"))
    for verb in (pause, unpause):
        with pytest.raises(SessionNotRunningError, match="has ended"):
            verb(found, lambda _: engine)
