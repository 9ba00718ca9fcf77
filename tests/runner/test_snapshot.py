"""Whatever becomes of a session, its record says what its workspace held, or why it does not."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from outrig.core.frozen import replace
from outrig.core.session import with_workspace
from outrig.runner import snapshot
from outrig.runner.console import Silent
from outrig.runner.follow import follow
from outrig.runner.snapshot import Checkpoints
from outrig.store.sessions import SessionStore
from outrig.workspace.snapshots import END, START
from tests import records, repositories
from tests.fakes import FakeEngine, Script
from tests.runner.orders import launched, order, record

if TYPE_CHECKING:
    from pathlib import Path

    from outrig.store.creation import Held
    from tests.conftest import Home


@pytest.fixture
def work(home: Home) -> Path:
    """The workspace of orders(), as a repository."""
    return repositories.made(home.path / "work", file="1\n")


@pytest.fixture
def held(home: Home, work: Path) -> Held:
    """A running session that this process attends, with its start snapshot."""
    one = records.begin(SessionStore(home.sessions), workspace={"path": str(work)})
    said = snapshot.begin(order(home), one.directory, None).outcome()
    one.update(lambda session: with_workspace(session, **said))
    return one


def test_start_and_end_are_in_the_record(home: Home, work: Path) -> None:
    engine = FakeEngine(Script(says=[("stdout", b"x")]))
    run = launched(home, engine, order(home))
    started = record(home)["workspace"]
    (work / "file").write_text("2\n")
    (work / "new").write_text("")
    follow(run, Silent(None, keeps_input=False))
    run.held.close()
    engine.close()
    found = record(home)["workspace"]
    snapshots = snapshot.of(run.held.directory)
    assert started["start"] == found["start"] == snapshots.tree(START)
    assert found["end"] == snapshots.tree(END)
    names = snapshots.git("diff-tree", "-r", "--name-status", found["start"], found["end"])
    assert names == b"M\tfile\nA\tnew\n"


def test_one_that_fails_changes_no_ending(
    home: Home, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = FakeEngine(Script())
    run = launched(home, engine, order(home))
    (run.held.directory / "snapshots.git/index").write_bytes(b"nonsense")
    follow(run, Silent(None, keeps_input=False))
    run.held.close()
    engine.close()
    said = record(home)
    assert (said["status"], said["exit_code"]) == ("completed", 0)
    assert said["workspace"]["snapshot_error"].startswith("end: git ")
    assert "end" not in said["workspace"]


def test_without_git_a_session_runs_all_the_same(home: Home, work: Path, tmp_path: Path) -> None:
    without = replace(order(home), host_env={"PATH": str(tmp_path)})
    said = snapshot.begin(without, tmp_path, None).outcome()
    assert said["snapshot_error"].startswith("start: git is needed")


def test_a_session_that_nobody_followed_has_its_end(home: Home, work: Path, held: Held) -> None:
    (work / "new").write_text("")
    said = snapshot.end(held.directory, held.session)
    assert said["end"] == snapshot.of(held.directory).tree(END) != held.session.workspace["start"]
    held.close()


def test_without_a_start_there_is_nothing_to_say_of_an_end(home: Home, work: Path) -> None:
    one = records.begin(SessionStore(home.sessions), workspace={"path": str(work)})
    assert snapshot.end(one.directory, one.session) == {}
    one.close()


def test_what_is_left_out_is_named_and_bounded(
    home: Home, work: Path, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "_NAMED", 1)
    for name in (b".GIT\xff", b"x"):
        (work / os.fsdecode(name)).mkdir()
        (work / os.fsdecode(name) / ".GIT").write_text("")
    said = snapshot.end(held.directory, held.session)
    assert [one["path"] for one in said["skipped"]] == [".GIT\ufffd/.GIT", "..."]
    held.close()


def test_the_tree_that_is_the_sessions_own_comes_first(home: Home, held: Held) -> None:
    session = with_workspace(held.session, tree="/somewhere/tree")
    assert str(snapshot.tree_of(session)) == "/somewhere/tree"
    assert snapshot.tree_of(with_workspace(held.session, path=None)) is None
    held.close()


def test_checkpoints(home: Home, work: Path, held: Held) -> None:
    held.update(lambda session: with_workspace(session, checkpoint=0.01))
    run = launched_like(held)
    checkpoints = Checkpoints(run)
    for text in ("2", "3"):
        (work / "file").write_text(text)
        time.sleep(0.02)
        checkpoints.keep()
        checkpoints.close()
    snapshots = snapshot.of(held.directory)
    noted = snapshot.noted(held.session)
    assert [one["tree"] for one in noted] == [snapshots.tree(f"checkpoint/{n}") for n in (1, 2)]
    assert [snapshots.git("cat-file", "blob", f"{one['tree']}:file") for one in noted] == [
        b"2",
        b"3",
    ]
    held.close()


def test_a_checkpoint_that_fails_is_said(home: Home, work: Path, held: Held) -> None:
    held.update(lambda session: with_workspace(session, checkpoint=0.01))
    checkpoints = Checkpoints(launched_like(held))
    (held.directory / "snapshots.git/index").write_bytes(b"nonsense")
    time.sleep(0.02)
    checkpoints.keep()
    checkpoints.close()
    assert held.session.workspace["snapshot_error"].startswith("checkpoint: git ")
    assert snapshot.noted(held.session) == []
    held.close()


def test_no_checkpoints_unless_asked_for(home: Home, held: Held) -> None:
    assert Checkpoints(launched_like(held)).due is None
    held.close()


def launched_like(held: Held):
    """As much of a Launched as checkpoints need."""
    return type("Run", (), {"held": held})()
