"""Sidecars on a fake engine: noted before they are made, healthy before the agent, gone after."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import pytest

from outrig.core.engine import Link
from outrig.core.naming import LABEL_ROLE
from outrig.core.redact import Redaction
from outrig.core.request import Request
from outrig.errors import EngineError, ImageMissingError, SidecarError
from outrig.runner import preflight, reconcile, sidecars
from outrig.runner.network import Leaving
from outrig.store import network, removal
from outrig.store.sessions import SessionStore
from tests.fakes import FakeEngine, Script, exited
from tests.runner.orders import FAKE, launched, order, record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outrig.runner.launched import Launched
    from tests.conftest import Home

DB = "[sidecars.db]\nimage = 'fake:1'\nhealth = ['ready']\nenv = { A = 'b' }\nmemory = '64m'\n"
CACHE = "[sidecars.cache]\nimage = 'fake:1'\nuser = '5:5'\ncapabilities = ['CHOWN']\n"


@pytest.fixture
def left() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def engine(left: contextlib.ExitStack) -> FakeEngine:
    made = FakeEngine(Script(says=[("stdout", b"ready\n")], runs_until="KILL"))
    made.remember(preflight.SUBJECT, preflight.SHUT)
    left.callback(made.close)
    return made


def start(
    home: Home,
    engine: FakeEngine,
    left: contextlib.ExitStack,
    mode: str,
    config: str = DB,
    *,
    asked: Request = FAKE,
) -> Launched:
    run = launched(home, engine, order(home, asked, config=config, flags={"network.mode": mode}))
    for each in (run.recorder, run.output, run.held):
        left.callback(each.close)
    return run


@pytest.mark.parametrize("mode", ["filter", "audit", "open", "bridge"])
def test_it_is_there_before_the_agent(home: Home, engine, left, mode: str):
    run = start(home, engine, left, mode)
    *_, held, db, agent = engine.prepared
    said = record(home)
    assert said["sidecar_container_names"] == [db.name] == [f"{agent.name}-db"]
    assert (held.network.kind, held.network.to) == ("inner", next(iter(engine.made_networks)))
    assert held.network.address == said["sidecars"]["db"]["address"]
    holding = next(who for who, one in engine.containers.items() if one.container is held)
    assert db.network == Link(kind="joined", to=holding)
    assert b"4-A OUTPUT -j REJECT" in engine.containers[holding].output.heard
    assert (db.memory, db.mounts, db.security.capabilities) == (64 << 20, (), ())
    made = next(one for one in engine.containers.values() if one.container is db)
    assert made.env == {"A": "b"}
    assert made.state == "running"
    assert [one.command.argv for one, _ in engine.executed] == [("ready",)]
    noted = {(one["kind"], one["role"]): one for one in said["resources"]}
    assert noted["container", "sidecar"]["attempt"] == said["sidecars"]["db"]["attempt"]
    assert "b" not in json.dumps(said["sidecars"]["db"]["image"])
    assert run.held.session.status == "running"


def test_how_the_agent_knows_it(home: Home, engine, left):
    run = start(home, engine, left, "filter", f"{DB}[network]\nallow = ['192.0.2.1']\n")
    address = record(home)["sidecars"]["db"]["address"]
    assert network.policy(run.held.directory)["hosts"] == {"db": address}
    agent = next(made for made in engine.containers.values() if "NO_PROXY" in made.env)
    assert f",db,{address}" in agent.env["NO_PROXY"]


def test_how_the_agent_of_a_bridge_knows_it(home: Home, engine, left):
    run = start(home, engine, left, "bridge")
    address = record(home)["sidecars"]["db"]["address"]
    assert engine.prepared[-1].network.hosts == {"db": address}
    ((made, who, _),) = engine.joined
    assert (made, who) == (next(iter(engine.made_networks)), run.ref.id)


def test_how_the_holder_knows_it(home: Home, engine, left):
    start(home, engine, left, "open")
    address = record(home)["sidecars"]["db"]["address"]
    holder = next(iter(engine.containers.values()))
    assert holder.container.network.hosts == {"db": address}
    lines = bytes(holder.output.heard).decode().splitlines()
    passes = lines.index(f"4-A OUTPUT -d {address}/32  -j ACCEPT")
    assert passes < lines.index("4-A OUTPUT -d 100.64.0.0/10  -j REJECT")


def test_two_know_each_other(home: Home, engine, left):
    start(home, engine, left, "bridge", DB + CACHE)
    of_cache, cache, of_db, _, _ = engine.prepared
    assert of_db.network.hosts == {"cache": of_cache.network.address}
    assert (cache.user, cache.security.capabilities) == ("5:5", ("CHOWN",))


def test_none_has_none(home: Home, engine, left):
    start(home, engine, left, "none")
    assert len(engine.prepared) == 1
    assert "sidecar_container_names" not in record(home)


@pytest.mark.parametrize("mode", ["filter", "open", "bridge"])
@pytest.mark.parametrize(
    ("health", "why"),
    [
        (Script(ends=exited(1), says=[("stderr", b"no\n")]), "is not healthy after 0.1 s: 1 no"),
        (Script(runs_until="9"), "is not healthy after 0.1 s: its health command does not end"),
    ],
)
def test_one_that_is_never_healthy(
    home: Home, engine, left, *, mode: str, health: Script, why: str
):
    engine.exec_script = health
    with pytest.raises(SidecarError, match=f"sidecar db {why}"):
        start(home, engine, left, mode, DB + "health-timeout = '100ms'\n" + CACHE)
    said = record(home)
    assert (said["status"], said["reason"], said["resources"]) == ("failed", "start-failed", [])
    assert why in said["sidecars"]["db"]["failed"]
    assert "failed" not in said["sidecars"]["cache"]
    assert engine.containers == {}
    assert engine.made_networks == {}
    (session,) = SessionStore(home.sessions).ids()
    assert (home.sessions / session / "logs/db.log").read_bytes() == b"ready\n"


def test_one_that_the_engine_does_not_start(home: Home, engine, left, monkeypatch):
    usual = engine.start

    def refuse(ref, meanwhile=None):
        if engine.containers[ref.id].container.labels[LABEL_ROLE] == "sidecar":
            raise EngineError("no such user")
        return usual(ref, meanwhile)

    monkeypatch.setattr(engine, "start", refuse)
    with pytest.raises(SidecarError, match="sidecar db: no such user"):
        start(home, engine, left, "bridge")
    assert record(home)["sidecars"]["db"]["failed"] == "sidecar db: no such user"
    assert engine.containers == {}


def test_an_image_that_is_missing_is_pulled(home: Home, engine, left):
    start(home, engine, left, "bridge", "[sidecars.db]\nimage = 'far:1'\n")
    assert engine.prepared[1].image == "sha256:far:1"


def test_an_image_that_cannot_be_had(home: Home, engine, left, monkeypatch):
    def refuse(reference, show):
        raise ImageMissingError(f"no {reference}")

    monkeypatch.setattr(engine, "pull", refuse)
    with pytest.raises(ImageMissingError, match="far:1"):
        start(home, engine, left, "open", "[sidecars.db]\nimage = 'far:1'\n")
    assert record(home)["reason"] == "image-missing"
    assert engine.prepared == []


def test_by_flag(home: Home, engine, left):
    asked = Request(words=("true",), image="fake:1", sidecars=("db=fake:1",))
    start(home, engine, left, "bridge", "", asked=asked)
    assert engine.prepared[1].command == ()
    assert record(home)["sidecars"]["db"]["image"] == "fake:1"


# ------------------------------------------------------------------ the end


def test_it_goes_with_the_session_and_its_words_stay(home: Home, engine, left):
    run = start(home, engine, left, "bridge")
    engine.script.says = [("stdout", b"the word "), ("stdout", b"secret-word\n")]
    leaving = Leaving(engine, run.held, Redaction({"key": "secret-word"}))
    engine.remove(run.ref)
    leaving.over()
    assert engine.containers == {}
    assert engine.made_networks == {}
    log = run.held.directory / "logs/db.log"
    assert log.read_bytes() == b"the word [REDACTED:key]\n"
    assert log.stat().st_mode & 0o777 == 0o600
    assert [one["role"] for one in record(home)["resources"]] == ["agent"]
    assert "failed" not in record(home)["sidecars"]["db"]


def test_one_that_ended_before_is_told_of(home: Home, engine, left):
    run = start(home, engine, left, "bridge")
    for made in engine.containers.values():
        made.state = "exited"
    engine.script.ends = exited(0)
    Leaving(engine, run.held).over()
    assert record(home)["sidecars"]["db"]["failed"] == "it ended with 0 before the session did"


def test_a_log_that_cannot_be_kept_keeps_nothing_else(home: Home, engine, left):
    run = start(home, engine, left, "bridge")
    (run.held.directory / "logs/db.log").mkdir()
    leaving = Leaving(engine, run.held)
    engine.remove(run.ref)
    leaving.over()
    assert engine.containers == {}
    assert "db.log cannot be kept" in record(home)["sidecars"]["db"]["log"]


def test_whoever_comes_next_keeps_its_words(home: Home, engine, left):
    run = start(home, engine, left, "open")
    run.recorder.close()
    run.held.close()
    engine.containers[run.ref.id].state = "exited"
    store = SessionStore(home.sessions)
    settled = reconcile.settle(store, [run.held.id], connect=lambda _: engine)
    assert (settled.unknown, settled.failed) == ({}, {})
    assert record(home)["status"] == "completed"
    assert record(home)["resources"] == []
    assert engine.containers == {}
    log = run.held.directory / "logs/db.log"
    assert log.read_bytes() == b"ready\n"
    (log.parent / ".db.log.1-abcd.tmp").touch()  # of one who died before
    assert removal.remove(store, run.held.id) is None
    assert not run.held.directory.exists()


def test_words_that_are_there_are_left(home: Home, engine, left):
    run = start(home, engine, left, "bridge")
    log = run.held.directory / "logs/db.log"
    log.write_text("kept")
    (item,) = (one for one in record(home)["resources"] if one["role"] == "sidecar")
    containers = [(run.ref, item["attempt"])]
    sidecars.keep_logs(engine, run.held.session, run.held.directory, containers, lambda: None)
    assert log.read_text() == "kept"
