"""A conflict is laid out, resolved by the user, and accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from outrig.runner.discard import Discarder, doomed_by_id
from outrig.workspace.merge import ConflictError
from tests.runner.accepts import accept, subjects, work
from tests.runner.works import Worked, own_tree
from tests.workspace.repositories import Tree

if TYPE_CHECKING:
    from pathlib import Path

    from outrig.store.sessions import SessionStore


def test_a_conflict_is_laid_out_resolved_and_accepted(
    store: SessionStore, user: Tree, tmp_path: Path
) -> None:
    worked = own_tree(store, user)
    work(worked)
    user.commit("theirs", change="other")
    place = Tree(tmp_path / "resolve")
    with pytest.raises(ConflictError) as caught:
        accept(worked, resolve=place.path)
    assert str(place.path) in (caught.value.hint or "")
    assert user.status() == []
    assert subjects(user) == ["theirs", "base"]
    assert "UU change" in place.status()
    assert "<<<<<<<" in (place.path / "change").read_text()
    assert (place.path / "late").read_text() == "l"
    place.commit("resolved", change="both")
    accept(worked)
    assert subjects(user)[0] == "resolved"
    assert user.text("change") == "both"
    assert user.text("late") == "l"
    assert user.status() == []


def conflicting(store: SessionStore, user: Tree, place: Path | None = None) -> tuple[Worked, Tree]:
    """A session whose conflict is laid out, in its own directory unless told otherwise."""
    worked = own_tree(store, user)
    work(worked)
    user.commit("theirs", change="other")
    tree = Tree(place or worked.held.directory.resolve() / "workspace/resolve")
    with pytest.raises(ConflictError):
        accept(worked, resolve=tree.path)
    return worked, tree


def test_a_resolution_goes_once_it_has_landed(store: SessionStore, user: Tree) -> None:
    worked, place = conflicting(store, user)
    place.commit("resolved", change="both")
    assert accept(worked).left is None
    assert not place.path.exists()
    assert user.git("worktree", "list", "--porcelain").count("worktree ") == 1
    assert not (user.git_dir / "worktrees").exists()


def test_a_resolution_where_the_user_wanted_it_stays_and_is_named(
    store: SessionStore, user: Tree, tmp_path: Path
) -> None:
    user.git("worktree", "add", "-q", "--detach", tmp_path / "unrelated")
    worked, place = conflicting(store, user, tmp_path / "here")
    place.commit("resolved", change="both")
    assert f"git worktree remove {place.path}" in (accept(worked).left or "")
    user.git("worktree", "remove", place.path)
    assert user.git("worktree", "list", "--porcelain").count("worktree ") == 2


def test_a_resolution_goes_with_its_session(store: SessionStore, user: Tree) -> None:
    user.git("worktree", "add", "-q", "--detach", user.path.parent / "unrelated")
    worked, place = conflicting(store, user)
    assert user.git("worktree", "list", "--porcelain").count("worktree ") == 3
    Discarder(connect=lambda _: pytest.fail("no engine"), notice=pytest.fail).discard(
        doomed_by_id(store, worked.id)
    )
    assert not place.path.exists()
    assert user.git("worktree", "list", "--porcelain").count("worktree ") == 2
