"""A workspace is made ready on a fake engine: what is noted, mounted, and taken back."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from outrig.errors import EngineError, WorkspaceError
from outrig.runner.discard import Discarder, doomed_by_id
from outrig.store.sessions import SessionStore
from tests.fakes import FakeEngine, Script
from tests.runner.orders import launched, order, record

if TYPE_CHECKING:
    from pathlib import Path

    from outrig.runner.launched import Launched
    from tests.conftest import Home


@pytest.fixture
def repository(home: Home) -> Path:
    top = home.path / "work"
    top.mkdir()
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    (top / "file").write_text("1")
    (top / ".envrc").write_text("x")
    for argv in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "first")):
        subprocess.run(["git", *identity, *argv], cwd=top, check=True)
    return top


@pytest.fixture
def engine():
    one = FakeEngine()
    yield one
    one.close()


def let_go(run: Launched) -> None:
    run.recorder.close()
    run.output.close()
    run.held.close()


def pins(repository: Path) -> str:
    argv = ["git", "for-each-ref", "--format=%(refname)", "refs/outrig"]
    return subprocess.run(argv, cwd=repository, capture_output=True, check=True, text=True).stdout


def asked(home: Home, mode: str):
    return order(home, flags={"workspace.mode": mode})


def test_the_users_tree_has_another_git_over_its_own(home, repository, engine):
    let_go(launched(home, engine, asked(home, "bind")))
    mounts = {mount.target: mount for mount in engine.prepared[0].mounts}
    own = f"{record(home)['session_dir']}/workspace/git"
    assert (mounts["/workspace"].source, mounts["/workspace"].writable) == (str(repository), True)
    assert (mounts["/workspace/.git"].source, mounts["/workspace/.git"].writable) == (own, True)
    objects = mounts["/run/outrig/git/objects/0"]
    assert (objects.source, objects.writable) == (f"{repository}/.git/objects", False)
    assert not mounts["/workspace/.envrc"].writable
    assert record(home)["workspace"]["protected"] == [".envrc"]


def test_a_worktree_is_noted_pinned_and_goes_with_the_session(home, repository, engine):
    run = launched(home, engine, asked(home, "worktree"))
    said = record(home)
    pin = f"refs/outrig/keep/{said['id']}"
    assert pins(repository) == f"{pin}\n"
    assert pin in [item["ref"] for item in said["resources"]]
    assert said["workspace"]["session_branch"] == f"outrig/run/{said['id']}"
    let_go(run)
    engine.remove(run.ref)
    store = SessionStore(home.sessions)
    Discarder(connect=lambda _: engine, notice=pytest.fail).discard(doomed_by_id(store, said["id"]))
    assert pins(repository) == ""


def test_a_start_that_fails_takes_back_pin_and_tree(home, repository, engine):
    engine.script = Script(refuses_start=EngineError("no"))
    with pytest.raises(EngineError):
        launched(home, engine, asked(home, "worktree"))
    assert pins(repository) == ""
    said = record(home)
    assert said["resources"] == []
    assert not (home.sessions / said["id"] / "workspace").exists()


def test_an_overlay_that_the_engine_cannot_mount_is_refused_by_name(home, repository, engine):
    words = "error while mounting volume: failed to mount local volume: mount overlay: invalid"
    engine.script = Script(refuses_start=EngineError(words))
    with pytest.raises(WorkspaceError, match="the engine cannot mount one here"):
        launched(home, engine, asked(home, "overlay"))
    assert engine.made_volumes == {}
    assert record(home)["resources"] == []
    assert record(home)["reason"] == "workspace-failed"


def test_objects_that_are_borrowed_further_are_not_mounted(home, repository, engine):
    """A session could have written that file, and named anybody's directory in it."""
    (repository / ".git/objects/info/alternates").write_text("/somebody/.git/objects\n")
    said: list[str] = []
    let_go(launched(home, engine, asked(home, "bind"), said=said))
    assert all("/somebody" not in mount.source for mount in engine.prepared[0].mounts)
    assert any("-v /somebody/.git/objects:/somebody/.git/objects adds them" in one for one in said)
