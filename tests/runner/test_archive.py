"""What is archived is one ref; what is reopened can be accepted; a branch is a branch."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from outrig.core.outcome import OutcomeError
from outrig.errors import SessionBusyError, WorkspaceError
from outrig.runner import accept as accepting
from outrig.runner import archive as archiving
from outrig.runner.accepted import Wish
from outrig.runner.branch import branch
from outrig.runner.diff import difference
from tests.runner.works import SIGNATURE, Worked, bound, copied, own_tree
from tests.workspace.repositories import Tree, everything, made

if TYPE_CHECKING:
    from pathlib import Path
    from typing import NoReturn

    from outrig.store.sessions import SessionStore
    from outrig.workspace.changes import Change


@pytest.fixture
def user(tmp_path: Path) -> Tree:
    tree = made(tmp_path / "repo")
    tree.commit("base", change="1", gone="1")
    return tree


def work(worked: Worked) -> Worked:
    worked.commit("agent", change="2")
    worked.tree.write(late="l", gone=None)
    return worked.end()


def no_engine(_: str | None) -> NoReturn:
    raise AssertionError("nothing needs an engine")


def archive(worked: Worked) -> archiving.Archived:
    return archiving.archive(worked.found(), signature=SIGNATURE, env=os.environ, connect=no_engine)


def test_the_result_is_a_ref_and_the_rest_is_gone(store: SessionStore, user: Tree) -> None:
    worked = work(own_tree(store, user))
    user.git("update-ref", f"refs/outrig/keep/{worked.id}", "main")
    done = archive(worked)
    assert done.ref == f"refs/outrig/archive/{worked.id}"
    assert user.git("rev-parse", done.ref) == done.commit
    assert user.git("log", "--format=%s", done.ref).splitlines() == [
        "Do the thing",
        "agent",
        "base",
    ]
    assert user.git("for-each-ref", "refs/outrig/keep") == ""
    assert user.status() == []
    directory = worked.held.directory
    assert not [name for name in ("workspace", "snapshots.git") if (directory / name).exists()]
    assert worked.found().session.fields["outcome"]["state"] == "archived"
    with pytest.raises(OutcomeError):
        accepting.accept(worked.found(), Wish(), signature=SIGNATURE, env=os.environ)


@pytest.mark.parametrize("make", [own_tree, bound])
def test_reopened_it_can_be_accepted(store: SessionStore, user: Tree, make: type) -> None:
    user.git("branch", "other")
    worked = work(make(store, user))
    commit = archive(worked).commit
    archiving.reopen(worked.found())
    done = accepting.accept(worked.found(), Wish(into="other"), signature=SIGNATURE, env=os.environ)
    assert (done.commit, user.git("rev-parse", "other")) == (commit, commit)
    assert not (worked.held.directory / "workspace/home").exists()


@pytest.mark.parametrize("make", [own_tree, bound])
def test_its_difference_can_still_be_told(store: SessionStore, user: Tree, make: type) -> None:
    worked = work(make(store, user))
    told, before = _difference(worked)
    archive(worked)
    after, later = _difference(worked)
    assert after == told
    assert before is None
    assert later == f"session {worked.id} is archived; this is what was kept of it"


def _difference(worked: Worked) -> tuple[list[Change], str | None]:
    said = difference(worked.found().session, worked.found().directory)
    return said.changes.listed(), said.notice


def test_again_only_frees_what_is_left(store: SessionStore, user: Tree) -> None:
    worked = work(own_tree(store, user))
    first = archive(worked)
    (worked.held.directory / "home/cache").mkdir(parents=True)
    again = archive(worked)
    assert (again.ref, again.commit) == (first.ref, first.commit)
    assert not (worked.held.directory / "home").exists()


def test_without_git_the_snapshots_stay(store: SessionStore, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    worked = copied(store, plain)
    worked.tree.write(new="n")
    worked.end()
    assert archive(worked).ref is None
    assert not (worked.held.directory / "workspace").exists()
    archiving.reopen(worked.found())
    accepting.accept(worked.found(), Wish(), signature=SIGNATURE, env=os.environ)
    assert (plain / "new").read_text() == "n"


def test_a_running_session_is_refused(store: SessionStore, user: Tree) -> None:
    with pytest.raises(SessionBusyError):
        archive(own_tree(store, user))


# ---------------------------------------------------------------- branch


def test_a_branch_holds_everything_and_nothing_else_moves(store: SessionStore, user: Tree) -> None:
    worked = work(own_tree(store, user))
    user.git("status")
    before = everything(user.path)
    commit = branch(worked.found(), "topic/x", signature=SIGNATURE, env=os.environ)
    assert user.git("rev-parse", "topic/x") == commit
    assert user.text("late", "topic/x") == "l"
    after = everything(user.path)
    changed = {name for name in after if before.get(name) != after[name]}
    aside = tuple(f"{user.git_dir}/{name}" for name in ("refs", "logs", "objects"))
    assert all(name.startswith(aside) for name in changed)
    assert "outcome" not in worked.found().session.fields


def test_a_branch_that_there_is_stays(store: SessionStore, user: Tree) -> None:
    worked = work(own_tree(store, user))
    before = everything(user.path)
    for name in ("main", "-x", "a b"):
        with pytest.raises(WorkspaceError):
            branch(worked.found(), name, signature=SIGNATURE, env=os.environ)
    assert everything(user.path) == before
