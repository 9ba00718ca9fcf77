"""The order of the steps of a launch, and what is left when one of them fails."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import tomllib
from typing import TYPE_CHECKING

import pytest

from outrig.core.frozen import replace
from outrig.core.request import Request
from outrig.errors import (
    CommandNotExecutableError,
    CommandNotFoundError,
    ContainerGoneError,
    EngineError,
    EngineUnreachableError,
    ImageMissingError,
    MountError,
    OutrigError,
    StoreError,
)
from outrig.runner.cancel import CancelledError
from outrig.runner.console import Silent
from outrig.runner.follow import follow
from outrig.store import file
from outrig.store.sessions import SessionStore
from tests.fakes import ENDPOINT, FACTS, FakeEngine, Script
from tests.runner.orders import FAKE, launched, order, record

if TYPE_CHECKING:
    from tests.conftest import Home


@pytest.fixture
def engine():
    made: list[FakeEngine] = []

    def make(script: Script | None = None, **how) -> FakeEngine:
        made.append(FakeEngine(script, **how))
        return made[-1]

    yield make
    for one in made:
        one.close()


def let_go(run) -> None:
    run.recorder.close()
    run.output.close()
    run.held.close()


class CancelAt:
    """A user who changes their mind at the nth look; at none, in the middle of a slow step."""

    def __init__(self, look: int) -> None:
        self.looks = look

    def check(self) -> None:
        self.looks -= 1
        if self.looks == 0:
            raise CancelledError(15)

    def interruptible(self) -> contextlib.AbstractContextManager[None]:
        if self.looks == 0:
            raise CancelledError(2)
        return contextlib.nullcontext()


# ---------------------------------------------------------------- what a start leaves behind


def test_a_started_session_is_on_disk_with_everything_known(home: Home, engine):
    run = launched(home, engine())
    found = record(home)
    assert found["status"] == "running"
    assert found["engine"] == ENDPOINT
    assert (found["image_tag"], found["image_config_name"]) == ("fake:1", "fake:1")
    assert found["image_id"] == "sha256:fake"
    assert (found["platform"], found["engine_version"]) == ("linux/amd64", "20.10.24")
    assert found["limits"]["memory"] == FACTS.memory * 8 // 10
    assert found["resources"] == [
        {"kind": "container", "role": "agent", "ref": run.ref.id, "attempt": run.attempt}
    ]
    kept = tomllib.loads((run.held.directory / "config.toml").read_text())
    assert kept["default-image"] == "host"
    let_go(run)


def test_the_container_says_whose_it_is(home: Home, engine):
    made = engine()
    run = launched(home, made)
    (container,) = made.prepared
    found = record(home)
    assert container.name == found["container_name"] == f"outrig-{found['id']}"
    assert container.labels["org.outrig.session"] == found["id"]
    assert container.labels["org.outrig.root"] == found["root_id"]
    assert container.labels["org.outrig.attempt"] == run.attempt
    let_go(run)


def test_values_reach_the_container_and_nothing_else(home: Home, engine):
    made = engine()
    run = launched(home, made, order(home, env=("TOKEN=t0ken",)))
    (container,) = made.containers.values()
    assert container.env["TOKEN"] == "t0ken"
    assert container.env["PATH"].endswith("/.local/bin:/bin")
    kept = [path for path in home.sessions.rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if b"t0ken" in path.read_bytes()]
    assert "t0ken" not in str(container.container)
    let_go(run)


def test_a_resource_is_noted_before_it_is_made(home: Home, engine):
    made = engine()
    noted = []
    prepare = made.prepare

    def looking(container, env):
        noted.extend(record(home)["resources"])
        return prepare(container, env)

    made.prepare = looking
    run = launched(home, made)
    assert [(one["kind"], one["ref"], one["attempt"]) for one in noted] == [
        ("container", None, run.attempt)
    ]
    let_go(run)


def test_the_session_is_attended_from_its_first_record_on(home: Home, engine):
    run = launched(home, engine())
    assert (home.sessions / ".open" / run.held.id).exists()
    assert SessionStore(home.sessions).attended(run.held.id)
    let_go(run)


# ---------------------------------------------------------------- refused before the first record


def test_an_engine_that_is_elsewhere(home: Home, engine):
    with pytest.raises(EngineError, match="cannot mount the workspace: a fake says so"):
        launched(home, engine(local=False))
    assert not list(home.sessions.glob("2*"))


@pytest.mark.parametrize("linked", [False, True])
def test_a_workspace_that_holds_the_engines_socket(home: Home, engine, linked):
    made = engine()
    listens = home.path / "work/engine.sock"
    made.endpoint = f"unix://{listens}"
    if linked:
        (home.path / "elsewhere.sock").symlink_to(listens)
        made.endpoint = f"unix://{home.path}/elsewhere.sock"
    with pytest.raises(MountError, match="holds the engine's socket"):
        launched(home, made)
    assert not list(home.sessions.glob("2*"))


@pytest.mark.parametrize(
    "where", ["work/podman.sock", "data/docker.sock", ".docker/run/docker.sock"]
)
def test_a_directory_that_holds_the_socket_of_another_engine(home: Home, engine, where):
    place = home.path / where
    place.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(place.parent), socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place.name)
    volumes = {"data": (f"{home.path}/data:/x",), ".docker": (f"{home.path}/.docker:/x",)}
    seen = order(home, replace(FAKE, volumes=volumes.get(where.partition("/")[0], ())))
    with pytest.raises(MountError, match="holds the engine's socket"):
        launched(home, engine(), seen)


def test_a_socket_that_only_the_engine_may_look_at_is_not_mounted_either(
    home: Home, engine, monkeypatch
):
    """Of a runtime directory of another user's; the engine, which is root, would mount it."""
    hidden = home.path / "data/docker.sock"
    really = os.stat

    def stat(path, *rest, **options):
        if str(path) == str(hidden):
            raise PermissionError(13, "Permission denied", path)
        return really(path, *rest, **options)

    hidden.parent.mkdir()
    monkeypatch.setattr("outrig.runner.refusals.usual_sockets", lambda *_: [str(hidden)])
    monkeypatch.setattr("outrig.runner.refusals.os.stat", stat)
    let_go(launched(home, engine(), order(home, FAKE)))  # in the way of no other session
    seen = order(home, replace(FAKE, volumes=(f"{home.path}/data:/x",)))
    with pytest.raises(MountError, match="holds the engine's socket"):
        launched(home, engine(), seen)


@pytest.mark.parametrize(
    ("source", "refused"),
    [("lib", True), ("lib/docker/x", True), (".", True), ("lib/docker/volumes/v/_data", False)],
)
def test_where_the_engine_keeps_containers(home: Home, engine, source, refused):
    root = home.path / "data/lib/docker"
    for name in ("x", "volumes/v/_data"):
        (root / name).mkdir(parents=True)
    seen = order(home, replace(FAKE, volumes=(f"{home.path}/data/{source}:/x",)))
    made = engine(facts=replace(FACTS, root_directory=str(root)))
    if not refused:
        launched(home, made, seen).held.close()
        return
    with pytest.raises(MountError, match="is where the engine keeps every container"):
        launched(home, made, seen)


@pytest.mark.parametrize("kept", [".local/state/outrig", ".config/outrig", ".cache/outrig"])
def test_no_session_writes_what_was_approved_or_configured(home: Home, engine, kept):
    (home.path / kept).mkdir(parents=True)
    above = (home.path / kept).parent
    seen = order(home, replace(FAKE, volumes=(f"{above}:/x:ro",)))
    launched(home, engine(), seen).held.close()
    with pytest.raises(MountError, match="where outrig keeps what you approved"):
        launched(home, engine(), order(home, replace(FAKE, volumes=(f"{above}:/x:rw",))))


# ---------------------------------------------------------------- failures afterwards


@pytest.mark.parametrize(
    ("script", "images", "error", "code", "reason"),
    [
        (Script(), (), ImageMissingError, 125, "image-missing"),
        (Script(refuses_create=EngineError("no")), None, EngineError, 125, "start-failed"),
        (Script(refuses_start=EngineError("no")), None, EngineError, 125, "start-failed"),
        (
            Script(refuses_start=CommandNotFoundError("no")),
            *(None, CommandNotFoundError, 127, "start-failed"),
        ),
        (
            Script(refuses_start=CommandNotExecutableError("no")),
            *(None, CommandNotExecutableError, 126, "start-failed"),
        ),
        (
            Script(refuses_create=EngineUnreachableError("gone")),
            *(None, EngineUnreachableError, 125, "start-failed"),
        ),
    ],
)
def test_each_failure_ends_the_record_and_removes_what_was_made(
    *, home: Home, engine, script, images, error, code, reason
):
    made = engine(script) if images is None else engine(script, images=images)
    with pytest.raises(error) as failed:
        launched(home, made)
    found = record(home)
    assert (found["status"], found["reason"], found["exit_code"]) == ("failed", reason, code)
    assert failed.value.record == found
    assert found["ended_at"]
    assert (home.sessions / found["id"] / "config.toml").exists()
    assert made.containers == {}
    left = [found["id"]] if found["resources"] else []  # what may be on an engine is looked for
    assert SessionStore(home.sessions).unattended() == left
    assert not SessionStore(home.sessions).attended(found["id"])
    if not isinstance(script.refuses_create, EngineUnreachableError):
        assert found["resources"] == []


def test_what_an_unreachable_engine_may_have_made_stays_noted(home: Home, engine):
    with pytest.raises(EngineUnreachableError):
        launched(home, engine(Script(refuses_create=EngineUnreachableError("gone"))))
    assert [one["ref"] for one in record(home)["resources"]] == [None]


def test_a_container_that_cannot_be_removed_hides_no_reason(home: Home, engine):
    script = Script(refuses_start=CommandNotFoundError("no"), refuses_remove=EngineError("stuck"))
    with pytest.raises(CommandNotFoundError):
        launched(home, engine(script))
    found = record(home)
    assert (found["exit_code"], found["reason"]) == (127, "start-failed")
    assert len(found["resources"]) == 1


def test_a_record_that_cannot_be_ended_hides_no_failure(home: Home, engine, monkeypatch):
    """The next command finds that it never ran, and finishes it."""
    made = engine(Script(refuses_start=CommandNotFoundError("no")))
    really = SessionStore.update

    def update(store, session, change):
        if change(store.load(session)).ended:
            raise StoreError("cannot write session.json: Permission denied")
        return really(store, session, change)

    monkeypatch.setattr(SessionStore, "update", update)
    with pytest.raises(CommandNotFoundError):
        launched(home, made)
    found = record(home)
    assert found["status"] == "preparing"
    assert made.containers == {}
    assert SessionStore(home.sessions).unattended() == [found["id"]]


def test_a_session_that_runs_is_followed_whether_the_record_says_so_or_not(
    home: Home, engine, monkeypatch
):
    made = engine(Script(says=[("stdout", b"said")]))
    really = SessionStore.update

    def update(store, session, change):
        if change(store.load(session)).status == "running":
            raise StoreError("cannot write session.json: Permission denied")
        return really(store, session, change)

    monkeypatch.setattr(SessionStore, "update", update)
    run = launched(home, made)
    assert record(home)["status"] == "preparing"
    found = follow(run, Silent(None, keeps_input=False)).session
    assert (found.status, found.reason) == ("completed", "exit")
    assert (run.held.directory / "logs/stdout.log").read_bytes() == b"said"
    run.held.close()


def test_a_config_that_cannot_be_kept_is_said_in_a_line(home: Home, engine, monkeypatch):
    really = file.replace

    def full(path: str, data: bytes) -> None:
        if path.endswith("config.toml"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        really(path, data)

    monkeypatch.setattr(file, "replace", full)
    made = engine()
    with pytest.raises(StoreError, match=r"cannot write .*/config.toml: No space left on device"):
        launched(home, made)
    assert record(home)["reason"] == "start-failed"
    assert made.containers == {}


def test_a_container_that_vanished_before_its_start_never_started(home: Home, engine):
    with pytest.raises(ContainerGoneError):
        launched(home, engine(Script(refuses_start=ContainerGoneError("no such container"))))
    assert (record(home)["status"], record(home)["reason"]) == ("failed", "start-failed")


def test_a_fault_of_ours_ends_the_record_too(home: Home, engine):
    made = engine()

    def broken():
        raise ZeroDivisionError

    made.facts = broken
    with pytest.raises(ZeroDivisionError):
        launched(home, made)
    assert record(home)["status"] == "failed"
    assert record(home)["exit_code"] == 125


@pytest.mark.parametrize("look", [1, 2])
def test_a_user_who_changes_their_mind(home: Home, engine, look):
    made = engine()
    with pytest.raises(CancelledError) as stop:
        launched(home, made, cancel=CancelAt(look))
    found = record(home)
    assert (found["status"], found["reason"], found["exit_code"]) == ("stopped", "interrupted", 143)
    assert stop.value.record == found
    assert made.containers == {}
    assert found["resources"] == []


def test_a_build_that_is_broken_off(home: Home, engine):
    config = '[images.mine]\nimage-name = "x:1"\n'
    wanted = order(home, Request(words=("true",), image="mine"), config=config)
    with pytest.raises(CancelledError):
        launched(home, engine(), wanted, cancel=CancelAt(0))
    assert record(home)["exit_code"] == 130


def test_what_happens_is_said(home: Home, engine):
    said: list[str] = []
    wanted = order(home, Request(words=("true",), image="fake:1"), flags={"run.user": "root"})
    let_go(launched(home, engine(), wanted, said=said))
    assert said[0].startswith("image fake:1")
    assert "the session is root with CHOWN" in said[1]


def test_every_failure_of_ours_has_a_reason_or_gets_one(home: Home, engine):
    class OddError(OutrigError):
        pass

    with pytest.raises(OddError):
        launched(home, engine(Script(refuses_create=OddError("?"))))
    assert record(home)["reason"] == "start-failed"
    assert json.dumps(record(home))
