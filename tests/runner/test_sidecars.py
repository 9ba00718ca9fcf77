"""Sidecars on a fake engine: noted before they are made, healthy before the agent, gone after."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from outrig.core.engine import Link, Ref
from outrig.core.naming import LABEL_ROLE
from outrig.core.redact import Redaction
from outrig.core.request import Request
from outrig.errors import EngineError, ImageMissingError, SidecarError
from outrig.runner import chronicle, preflight, reconcile
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


def test_what_its_health_command_said_before_time_ran_out_is_told(
    home: Home, engine, left, monkeypatch
):
    scripts = iter([Script(ends=exited(1), says=[("stderr", b"no\n")])])
    really = engine.exec

    def execute(*how: Any) -> Any:
        engine.exec_script = next(scripts, Script(runs_until="9"))
        return really(*how)

    monkeypatch.setattr(engine, "exec", execute)
    with pytest.raises(SidecarError, match=r"sidecar db is not healthy after 0\.3 s: 1 no"):
        start(home, engine, left, "open", DB + "health-timeout = '300ms'\n")


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


def test_an_image_of_the_configuration(home: Home, engine, left):
    config = "[sidecars.db]\nimage = 'mine'\n[images.mine]\nimage-name = 'far:1'\n"
    start(home, engine, left, "bridge", config)
    assert engine.prepared[1].image == "sha256:far:1"
    assert record(home)["sidecars"]["db"]["image"] == "mine"


def test_the_image_of_this_machine_stands_beside_nobody(home: Home, engine, left):
    with pytest.raises(SidecarError, match="this machine's own system") as caught:
        start(home, engine, left, "bridge", "[sidecars.db]\nimage = 'host'\n")
    assert "--sidecar db=IMAGE: a configured or built-in name" in str(caught.value.hint)
    assert engine.prepared == []


def test_an_image_without_a_command(home: Home, engine, left):
    refused = EngineError("the engine refused to create the container: No command specified")
    engine.scripts["db"] = Script(refuses_create=refused)
    with pytest.raises(SidecarError, match=r"sidecar db: .* No command") as caught:
        start(home, engine, left, "bridge", "[sidecars.db]\nimage = 'fake:1'\n")
    assert caught.value.hint == "command = [...] in [sidecars.db]"


def test_an_image_that_cannot_be_had(home: Home, engine, left, monkeypatch):
    def refuse(reference, show):
        raise ImageMissingError(f"no {reference}")

    monkeypatch.setattr(engine, "pull", refuse)
    with pytest.raises(ImageMissingError, match="sidecar db: no far:1"):
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
    (run.held.directory / "logs/db.log").unlink()
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
    (run.held.directory / "logs/db.log").unlink()
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


# ------------------------------------------------------------------ what they say meanwhile


def until(condition) -> None:
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


def logged(run: Launched, text: bytes) -> bool:
    """Whether the log of the only sidecar becomes this."""
    log, end = run.held.directory / "logs/db.log", time.monotonic() + 20
    while log.read_bytes() != text and time.monotonic() < end:
        time.sleep(0.01)
    return log.read_bytes() == text


def written(run: Launched, redaction: Redaction | None = None) -> chronicle.Chronicle:
    made = chronicle.of_record(run.engine, run.held.session, run.held.directory, redaction)
    assert made
    return made


def keep(run: Launched, redaction: Redaction | None = None) -> None:
    (item,) = (one for one in record_of(run)["resources"] if one["role"] == "sidecar")
    ref = Ref(engine="docker", endpoint=run.engine.endpoint, id=item["ref"])
    chronicle.keep_log(run.engine, ref, run.held.directory, "db", redaction)


def record_of(run: Launched):
    return run.held.session.fields


def test_its_log_grows_while_it_runs_and_is_whole_at_the_end(home: Home, engine, left):
    secret = Redaction({"key": "secret-word"})
    run = start(home, engine, left, "bridge")
    assert logged(run, b"ready\n")  # while its health was awaited
    with contextlib.closing(written(run, secret)):
        *_, saying = engine.sayings
        saying.more(("stderr", b"no room: sec"), ("stdout", b"x\n"))
        assert logged(run, b"ready\nno room: x\n")  # it could still become a secret
        saying.more(("stderr", b"ret-word\n"))
        assert logged(run, b"ready\nno room: x\n[REDACTED:key]\n")
    assert all(one.closed for one in engine.sayings)
    said = [("stdout", b"ready\n"), ("stderr", b"no room: sec"), ("stdout", b"x\n")]
    engine.script.says = [*said, ("stderr", b"ret-word\n"), ("stdout", b"bye")]
    for _ in range(2):
        keep(run, secret)
        assert logged(run, b"ready\nno room: x\n[REDACTED:key]\nbye")


def test_whoever_takes_it_up_goes_on_where_it_ended(home: Home, engine, left):
    run = start(home, engine, left, "bridge")
    log = run.held.directory / "logs/db.log"
    log.write_bytes(b"ready\nand th")  # somebody was killed
    engine.script.says = [("stdout", b"ready\n"), ("stdout", b"and then\n")]
    with contextlib.closing(written(run)):
        assert logged(run, b"ready\nand then\n")


@pytest.mark.parametrize(
    ("there", "said", "kept"),
    [
        (b"", b"all", b"all"),
        (b"one\ntwo\n", b"two\nthree\n", b"one\ntwo\nthree\n"),  # the engine forgot the first
        (b"other", b"all", b"all"),
        (b"one\n" * 9, b"two\n", b"two\n"),  # more than one is kept of
    ],
)
def test_what_the_file_lacks_is_added_at_the_end(  # noqa: PLR0917 - three of a row
    home: Home, engine, left, monkeypatch, there, said, kept
):
    run = start(home, engine, left, "bridge")
    monkeypatch.setattr(chronicle, "_TAIL", 4)
    monkeypatch.setattr(chronicle, "MOST_BYTES", 32)
    log = run.held.directory / "logs/db.log"
    log.write_bytes(there)
    engine.script.says = [("stdout", said)]
    keep(run)
    assert log.read_bytes() == kept


def test_a_log_that_floods_is_bounded(home: Home, engine, left, monkeypatch):
    run = start(home, engine, left, "bridge")
    monkeypatch.setattr(chronicle, "MOST_BYTES", 10)
    with contextlib.closing(written(run)):
        *_, saying = engine.sayings
        saying.more(("stdout", b"12345\n"))
        assert logged(run, b"ready\n12345\n")
        until(lambda: saying.closed)
    keep(run)
    assert logged(run, b"ready\n")  # what the engine has takes its place


def test_one_whose_log_cannot_be_opened_is_let_run(home: Home, engine, left):
    run = start(home, engine, left, "bridge")
    (run.held.directory / "logs/db.log").unlink()
    (run.held.directory / "logs/db.log").mkdir()
    with contextlib.closing(written(run)):
        assert engine.sayings[-1].closed


def test_without_sidecars_there_is_none(home: Home, engine, left):
    run = start(home, engine, left, "bridge", config="")
    made = chronicle.of_record(engine, run.held.session, run.held.directory, None)
    assert made is None
