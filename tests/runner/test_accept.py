"""A session's work arrives on a branch: every mode, every way, and whoever dies in between."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from outrig.runner import work as works
from outrig.workspace import landing
from tests.runner.accepts import accept, subjects, users, work
from tests.runner.works import Worked, bound, own_tree
from tests.workspace.repositories import Tree, everything, made

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from outrig.store.sessions import SessionStore


@pytest.fixture
def everybodys() -> Iterator[Path]:
    """A directory that others can enter: pytest's own one is root's, and any pytest closes it."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        yield Path(name)


# ---------------------------------------------------------------- what arrives


def test_commits_and_uncommitted_work_arrive(store: SessionStore, user: Tree) -> None:
    worked = own_tree(store, user)
    head = work(worked)
    done = accept(worked)
    assert subjects(user) == ["Do the thing", "two", "one", "base"]
    assert user.git("rev-parse", "main^") == head
    assert user.git("diff", "--name-status", "main^", "main").splitlines() == [
        "M\tchange",
        "D\tgone",
        "A\tlate",
    ]
    assert f"Outrig-Session: {worked.id}" in user.git("log", "-1", "--format=%B")
    assert user.status() == []
    assert (user.path / "change").read_text() == "3"
    assert user.git("fsck", "--no-dangling") == ""
    assert (done.commit, done.into, done.commits) == (user.git("rev-parse", "main"), "main", 3)
    outcome = worked.found().session.fields["outcome"]
    assert (outcome["state"], outcome["commit"], outcome["into"]) == (
        "accepted",
        done.commit,
        "main",
    )
    assert "accepting" not in worked.found().session.fields


def test_in_bind_mode_what_is_uncommitted_stays_so(store: SessionStore, user: Tree) -> None:
    worked = bound(store, user)
    head = work(worked)
    assert user.git("rev-parse", "HEAD") != head
    files = {name: it for name, it in everything(user.path).items() if "/.git/" not in name}
    done = accept(worked)
    assert user.git("rev-parse", "main") == head
    assert user.status() == [" M change", " D gone", "?? late"]
    assert done.uncommitted == 3
    after = {name: it for name, it in everything(user.path).items() if "/.git/" not in name}
    assert after == files


def test_in_bind_mode_onto_another_branch_everything_arrives(
    store: SessionStore, user: Tree
) -> None:
    user.git("branch", "other")
    worked = bound(store, user)
    work(worked)
    accept(worked, into="other")
    assert subjects(user, "other") == ["Do the thing", "two", "one", "base"]
    assert subjects(user) == ["base"]
    assert user.text("late", "other") == "l"


def test_without_commits_the_rest_is_one(store: SessionStore, user: Tree) -> None:
    worked = own_tree(store, user)
    worked.tree.write(late="l")
    worked.end()
    accept(worked, message="mine\n\nto say")
    assert subjects(user) == ["mine", "base"]


def test_what_the_user_had_not_committed_stays_the_users(store: SessionStore, user: Tree) -> None:
    user.write(keep="dirty", own="untracked")
    worked = bound(store, user)
    worked.tree.write(late="l")
    worked.end()
    user.git("branch", "other")
    accept(worked, into="other")
    assert user.git("diff", "--name-only", "main", "other") == "late"


def test_a_branch_with_news_is_merged(store: SessionStore, user: Tree) -> None:
    worked = own_tree(store, user)
    work(worked)
    user.commit("theirs", theirs="1")
    done = accept(worked)
    assert subjects(user)[0] == f"Merge outrig session {worked.id}"
    assert len(user.git("log", "-1", "--format=%P").split()) == 2
    assert user.status() == []
    assert done.commits == 4


@pytest.mark.parametrize(("how", "count"), [("squash", 1), ("merge", 4), ("ff", 3)])
def test_each_way(store: SessionStore, user: Tree, how: str, count: int) -> None:
    worked = own_tree(store, user)
    work(worked)
    assert accept(worked, how=how).commits == count
    assert user.text("late") == "l"
    assert user.status() == []


def test_only_some_paths(store: SessionStore, user: Tree) -> None:
    worked = own_tree(store, user)
    work(worked)
    done = accept(worked, paths=(b"new",))
    assert [one.path for one in done.changes] == [b"new"]
    assert user.status() == []
    assert done.open
    assert "outcome" not in worked.found().session.fields
    rest = accept(worked, paths=(b"change", b"late", b"gone"))
    assert not rest.open
    assert worked.found().session.fields["outcome"]["commit"] == user.git("rev-parse", "main")
    assert user.text("late") == "l"
    assert user.status() == []


def test_the_identity_is_the_users(store: SessionStore, user: Tree) -> None:
    worked = own_tree(store, user)
    worked.tree.write(late="l")
    worked.end()
    accept(worked)
    assert user.git("log", "-1", "--format=%an %ae %cn %ce") == "A a@example.org C c@example.org"


def test_a_repository_without_a_commit_gets_its_first(store: SessionStore, tmp_path: Path) -> None:
    user = made(tmp_path / "fresh")
    workspace = {"base": None, "branch": "main"}
    user.git("symbolic-ref", "HEAD", "refs/heads/main")
    fresh = {**workspace}
    first = own_tree_of_fresh(store, user, fresh)
    first.tree.write(late="l")
    first.end()
    accept(first)
    assert subjects(user) == ["Do the thing"]
    assert user.status() == []


def own_tree_of_fresh(store: SessionStore, user: Tree, workspace: dict[str, Any]) -> Worked:
    commit = user.git("commit-tree", user.git("mktree"), "-m", "x")
    user.git("update-ref", "refs/heads/main", commit)
    worked = own_tree(store, user, workspace=workspace)
    user.git("update-ref", "-d", "refs/heads/main")
    (worked.git_dir / "refs/heads/main").unlink()
    return worked


# ---------------------------------------------------------------- who dies in between


@contextlib.contextmanager
def dying_at(monkeypatch: pytest.MonkeyPatch, module: object, step: str) -> Iterator[None]:
    """Whoever comes to this step is gone."""

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, step, dies)
        with pytest.raises(KeyboardInterrupt):
            yield


def test_what_had_landed_is_accepted(
    store: SessionStore, user: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked = own_tree(store, user)
    work(worked)
    with dying_at(monkeypatch, works, "moved"):
        accept(worked)
    landed = user.git("rev-parse", "main")
    done = accept(worked)
    assert done.already
    assert user.git("rev-parse", "main") == landed
    assert worked.found().session.fields["outcome"]["commit"] == landed


def test_what_had_not_landed_lands(
    store: SessionStore, user: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked = own_tree(store, user)
    work(worked)
    with dying_at(monkeypatch, landing, "land"):
        accept(worked)
    assert subjects(user) == ["base"]
    accept(worked)
    assert subjects(user)[0] == "Do the thing"


# ---------------------------------------------------------------- root in somebody's repository


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can work in another's repository")
@pytest.mark.parametrize("make", [own_tree, bound])
def test_what_root_makes_is_the_owners(
    everybodys: Path, store: SessionStore, make: Callable[..., Worked]
) -> None:
    user = users(everybodys)
    worked = make(store, user)
    worked.commit("agent", change="2", deep__new="n")
    worked.tree.write(late="l")
    worked.end()
    (user.git_dir / "index").touch()
    for path in (user.path, *user.path.rglob("*")):
        os.lchown(path, 1000, 1000)
    accept(worked)
    assert [path for path in user.path.rglob("*") if path.lstat().st_uid != 1000] == []
    assert (user.git_dir / "index").stat().st_mode & 0o777 == 0o644
