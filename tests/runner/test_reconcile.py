from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from outrig.core.ending import Intent
from outrig.core.engine import Exit, Measured, Ref, Seen
from outrig.core.frozen import replace
from outrig.core.moment import time_text
from outrig.core.session import Session, preparing, with_fields, with_resource
from outrig.core.transcript import Said
from outrig.errors import ContainerGoneError, EngineError, EngineUnreachableError
from outrig.runner.reconcile import settle
from outrig.store import file, intents, places
from outrig.store.creation import create
from outrig.store.sessions import SessionStore
from tests import records
from tests.fakes import exited

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from outrig.errors import OutrigError
    from outrig.store.creation import Held

ENDPOINT = "unix:///e.sock"


class Daemon:
    """The calls that reconciling makes; a real engine's are tested through the command line."""

    def __init__(self) -> None:
        self.containers: list[Seen] = []
        self.how: Exit | None = exited()
        self.says: list[Said] = []
        self.asked: list[str | None] = []
        self.listed = 0
        self.signals: list[str] = []
        self.ends_on = "TERM"
        self.silent: OutrigError | None = None
        self.breaks: OutrigError | None = None

    def connect(self, endpoint: str | None) -> Any:
        self.asked.append(endpoint)
        if self.silent:
            raise self.silent
        return self

    def add(self, store: SessionStore, session: str, state: str) -> None:
        ref = Ref(engine="docker", endpoint=ENDPOINT, id=session)
        root = store.root_id()
        self.containers.append(
            Seen(
                ref=ref, name="", session=session, root=root, attempt="a", role="agent", state=state
            )
        )

    def seen(self, root: str) -> list[Seen]:
        self.listed += 1
        return [one for one in self.containers if one.root == root]

    def exit(self, ref: Ref) -> Exit | None:
        if self.breaks:
            raise self.breaks
        return self.how

    def said(self, ref: Ref, *, tty: bool) -> Iterator[Said]:
        return iter(self.says)

    def measured(self, ref: Ref, *, ask: bool) -> Measured:
        return Measured()

    def signal(self, ref: Ref, name: str) -> None:
        self.signals.append(name)

    def ended(self, ref: Ref, seconds: float) -> bool:
        return self.ends_on in self.signals

    def remove(self, ref: Ref) -> None:
        if isinstance(self.breaks, EngineError):
            raise self.breaks
        self.containers = [one for one in self.containers if one.ref != ref]


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


@pytest.fixture
def store(session_root: Path) -> SessionStore:
    return SessionStore(session_root)


def noted(held: Held) -> Session:
    return held.update(
        lambda one: with_resource(one, kind="container", role="agent", ref="x", attempt="a")
    )


def left_running(store: SessionStore, **fields: Any) -> str:
    """A session whose outrig was killed: unfinished, unattended, its container noted."""
    held = records.begin(store, engine=ENDPOINT, **fields)
    noted(held)
    held.close()
    return held.id


def put_right(store: SessionStore, daemon: Daemon) -> tuple[set[str], set[str]]:
    """Those of which nothing is known, and those where something went wrong."""
    found = settle(store, store.unattended(), connect=daemon.connect)
    return set(found.unknown), set(found.failed)


def ends(store: SessionStore, session: str) -> tuple[str, str | None, int | None]:
    found = store.load(session)
    return found.status, found.reason, found.exit_code


@pytest.mark.parametrize(
    ("how", "intent", "ends_as"),
    [
        (exited(0), None, ("completed", "exit", 0)),
        (exited(3), None, ("failed", "exit", 3)),
        (exited(137, oom=True), None, ("failed", "oom", 137)),
        (exited(143, engine_died=True), None, ("failed", "engine-lost", 143)),
        (exited(143), Intent(kind="stop"), ("stopped", "stopped", 143)),
        (exited(137), Intent(kind="signal", signal=15), ("stopped", "interrupted", 143)),
        (exited(137), Intent(kind="wall"), ("timeout", "wall-timeout", 124)),
        (replace(exited(0), started=False), None, ("failed", "start-failed", 125)),
    ],
)
def test_one_that_has_ended_is_finished_from_the_engine(store, daemon, how, intent, ends_as):
    session = left_running(store)
    if intent:
        intents.write(store.directory(session), intent)
    daemon.add(store, session, "exited")
    daemon.how = how
    assert put_right(store, daemon) == (set(), set())
    assert ends(store, session) == ends_as
    assert daemon.containers == []
    record = store.load(session)
    assert record.resources == []
    assert record.ended_at
    assert not store.is_open(session)
    assert not store.attended(session)
    if how.started:
        assert record.ended_at == datetime(2026, 5, 1, 13, 44, 12, tzinfo=UTC)


def test_what_it_said_meanwhile_is_recovered_once(store, daemon):
    session = left_running(store)
    records.say(store.directory(session), ("stdout", b"one\n"))
    daemon.add(store, session, "exited")
    daemon.says = [Said(at=records.NOON, stream="stdout", data=b"one\ntwo\n")]
    daemon.says.append(Said(at=None, stream="stdout", data=b"", doubtful=True))
    put_right(store, daemon)
    log = store.directory(session) / "logs/stdout.log"
    assert log.read_bytes() == b"one\ntwo\n"
    assert "newline" in store.load(session).text("logs_incomplete")


def test_inits_complaint_in_the_recovered_output_counts(store, daemon):
    session = left_running(store)
    daemon.add(store, session, "exited")
    words = b"[FATAL tini (7)] exec nosuch failed: No such file or directory\n"
    daemon.says = [Said(at=records.NOON, stream="stderr", data=words)]
    daemon.how = exited(127)
    put_right(store, daemon)
    assert ends(store, session) == ("failed", "start-failed", 127)


def test_one_that_runs_is_left_alone(store, daemon):
    session = left_running(store)
    daemon.add(store, session, "running")
    before = store.load(session)
    put_right(store, daemon)
    assert store.load(session) == before
    assert (daemon.signals, len(daemon.containers)) == ([], 1)


@pytest.mark.parametrize(("ends_on", "signals"), [("TERM", ["TERM"]), ("KILL", ["TERM", "KILL"])])
def test_past_its_deadline_it_is_stopped(store, daemon, ends_on, signals):
    past = time_text(datetime.now(UTC) - timedelta(hours=1))
    session = left_running(store, deadline=past, grace=0.01)
    daemon.add(store, session, "running")
    daemon.ends_on = ends_on
    soon = datetime.now(UTC) + timedelta(seconds=30)  # after it was told to
    daemon.how = replace(exited(143), finished_at=time_text(soon))
    put_right(store, daemon)
    assert daemon.signals == signals
    assert ends(store, session) == ("timeout", "wall-timeout", 124)
    assert daemon.containers == []


def test_started_but_not_written_down_is_adopted(store, daemon):
    held = create(store, now=records.NOON, build=lambda one, _: records.first_record(one))
    held.update(lambda one: with_fields(preparing(one), engine=ENDPOINT))
    noted(held)
    held.close()
    daemon.add(store, held.id, "running")
    put_right(store, daemon)
    assert store.load(held.id).status == "running"


@pytest.mark.parametrize("state", ["created", None])
def test_its_runner_died_before_it_started(store, daemon, state):
    held = create(store, now=records.NOON, build=lambda one, _: records.first_record(one))
    held.update(lambda one: with_fields(preparing(one), engine=ENDPOINT))
    noted(held)
    held.close()
    if state:
        daemon.add(store, held.id, state)
    put_right(store, daemon)
    assert ends(store, held.id) == ("failed", "start-failed", 125)
    assert (daemon.containers, store.load(held.id).resources) == ([], [])


def test_nothing_made_needs_no_engine(store, daemon):
    held = create(store, now=records.NOON, build=lambda one, _: records.first_record(one))
    held.close()
    put_right(store, daemon)
    assert ends(store, held.id) == ("failed", "start-failed", 125)
    assert daemon.asked == []


def test_gone_without_a_trace(store, daemon):
    session = left_running(store)
    put_right(store, daemon)
    assert ends(store, session) == ("lost", "container-gone", None)
    assert not store.is_open(session)
    assert "usage" not in store.load(session).fields


def test_what_its_gateway_wrote_down_is_known_all_the_same(store, daemon):
    session = left_running(store)
    folder = store.directory(session) / places.GATEWAY
    folder.mkdir(parents=True)
    (folder / places.USAGE).write_text('{"requests": 3, "tokens": 400, "refused": 0}')
    (folder / places.NETWORK_LOG).write_text('{"sent": 5, "received": 70}\n' * 2)
    put_right(store, daemon)
    assert ends(store, session) == ("lost", "container-gone", None)
    assert store.load(session).fields["usage"] == {
        "model_requests": 3,
        "model_tokens": 400,
        "sent": 10,
        "received": 140,
    }


def test_gone_between_two_looks(store, daemon):
    session = left_running(store)
    daemon.add(store, session, "exited")
    daemon.breaks = ContainerGoneError("gone")
    _, failed = put_right(store, daemon)
    assert store.load(session).status == "lost"
    assert failed == {session}  # the fake refuses to remove it, too


def test_a_silent_engine_leaves_the_question_open(store, daemon):
    session = left_running(store)
    daemon.silent = EngineUnreachableError("no engine answers")
    assert put_right(store, daemon) == ({session}, set())
    assert store.load(session).status == "running"
    assert store.is_open(session)


def test_an_engine_that_dies_halfway_leaves_the_rest_for_later(store, daemon):
    session = left_running(store)
    daemon.add(store, session, "exited")
    daemon.breaks = EngineUnreachableError("gone")
    assert put_right(store, daemon) == ({session}, set())
    daemon.breaks = None
    put_right(store, daemon)
    assert store.load(session).status == "completed"


def test_one_listing_for_all(store, daemon):
    sessions = [
        left_running(store, at=records.NOON + timedelta(minutes=minute)) for minute in range(5)
    ]
    for session in sessions:
        daemon.add(store, session, "exited")
    put_right(store, daemon)
    assert (daemon.asked, daemon.listed) == ([ENDPOINT], 1)
    assert {store.load(session).status for session in sessions} == {"completed"}


def test_whoever_attends_it_is_not_disturbed(store, daemon):
    held = records.begin(store, engine=ENDPOINT)
    noted(held)
    daemon.add(store, held.id, "exited")
    settle(store, [held.id], connect=daemon.connect)
    assert store.load(held.id).status == "running"
    held.close()


def test_whoever_was_quicker_is_right(store, daemon):
    session = left_running(store)
    daemon.add(store, session, "exited")
    really = daemon.seen

    def seen(root):
        store.update(session, lambda one: with_fields(one, name="changed"))
        return really(root)

    daemon.seen = seen
    put_right(store, daemon)
    assert store.load(session).status == "running"


@pytest.mark.parametrize(
    "fields", [{"machine": "another"}, {"root_id": "another"}, {"schema": None}]
)
def test_another_machines_roots_or_tools_session_is_not_touched(store, daemon, fields):
    session = left_running(store)
    path = f"{store.directory(session)}/session.json"
    record = {**store.load(session).fields, **fields}
    file.write_object(path, {name: value for name, value in record.items() if value is not None})
    daemon.add(store, session, "exited")
    before = file.read(path)
    put_right(store, daemon)
    assert file.read(path) == before
    assert len(daemon.containers) == 1


@pytest.mark.parametrize("fields", [{"machine": "another"}, {"root_id": "another"}])
def test_what_others_look_after_is_unknown_here_so_that_nobody_waits_for_ever(
    store, daemon, fields
):
    session = left_running(store)
    store.update(session, lambda one: with_fields(one, **fields))
    found = settle(store, [session], connect=daemon.connect)
    assert "another machine" in found.unknown[session].message
    assert found.failed == {}


def test_a_copied_root_is_not_the_one(store, daemon, tmp_path):
    session = left_running(store)
    daemon.add(store, session, "exited")
    copy = SessionStore(tmp_path / "copy")
    shutil.copytree(store.root, copy.root)
    put_right(copy, daemon)
    assert copy.load(session).status == "running"
    shutil.rmtree(store.root)  # then it was moved, in effect
    put_right(copy, daemon)
    assert copy.load(session).status == "completed"
