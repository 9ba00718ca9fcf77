"""What no accept does: refusals change no byte, and nothing that a session planted runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from outrig.core.outcome import OutcomeError
from outrig.core.session import with_fields
from outrig.errors import OutrigError, SessionBusyError, WorkspaceError
from outrig.workspace.landing import OverlapError
from outrig.workspace.merge import ConflictError, DivergedError
from outrig.workspace.packs import RefusedError
from tests.runner.accepts import accept, refused, work
from tests.runner.works import Worked, bound, own_tree
from tests.workspace.repositories import Tree, everything, made

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from outrig.store.sessions import SessionStore


# ---------------------------------------------------------------- what is refused


def test_twice_is_refused_naming_the_commit(store: SessionStore, user: Tree) -> None:
    worked = own_tree(store, user)
    work(worked)
    done = accept(worked)
    error = refused(worked, user, OutcomeError)
    assert f"is accepted into main as {done.commit}" in error.message


def test_a_running_session_is_refused(store: SessionStore, user: Tree) -> None:
    worked = own_tree(store, user)
    refused(worked, user, SessionBusyError)
    worked.held.close()
    refused(worked, user, SessionBusyError)


def test_a_conflict_lists_its_files(store: SessionStore, user: Tree) -> None:
    worked = own_tree(store, user)
    work(worked)
    user.commit("theirs", change="other", gone="changed")
    error = refused(worked, user, ConflictError)
    assert error.paths == (b"change", b"gone")
    assert "--resolve" in (error.hint or "")
    assert "outcome" not in worked.found().session.fields


def test_an_overlap_lists_its_files(store: SessionStore, user: Tree) -> None:
    worked = own_tree(store, user)
    work(worked)
    user.write(change="mine", late="mine", keep="mine")
    error = refused(worked, user, OverlapError)
    assert [(one.path, one.why) for one in error.overlaps] == [
        (b"change", "changed"),
        (b"late", "untracked"),
    ]


def test_a_fast_forward_that_cannot_be(store: SessionStore, user: Tree) -> None:
    worked = own_tree(store, user)
    work(worked)
    user.commit("theirs", theirs="1")
    refused(worked, user, DivergedError, how="ff")


def test_a_branch_that_is_none(store: SessionStore, user: Tree) -> None:
    worked = own_tree(store, user)
    work(worked)
    for name in ("-x", "a..b", "no such", "@{-1}", "HEAD", "none"):
        refused(worked, user, WorkspaceError, into=name)


def test_a_branch_of_another_working_tree(store: SessionStore, user: Tree, tmp_path: Path) -> None:
    user.git("worktree", "add", "-q", "-b", "theirs", tmp_path / "elsewhere")
    worked = own_tree(store, user)
    work(worked)
    assert "elsewhere" in refused(worked, user, WorkspaceError, into="theirs").message


def test_a_checkout_that_is_another_now(store: SessionStore, user: Tree) -> None:
    worked = own_tree(store, user)
    work(worked)
    user.path.rename(user.path.with_name("moved"))
    made(user.path.parent / "other").path.rename(user.path)
    user.commit("x", x="1")
    with pytest.raises(OutrigError):
        accept(worked)


def test_a_dry_run_changes_nothing_and_says_what(store: SessionStore, user: Tree) -> None:
    worked = own_tree(store, user)
    work(worked)
    user.git("status")
    before = everything(user.path)
    done = accept(worked, dry_run=True)
    assert everything(user.path) == before
    assert {one.path for one in done.changes} == {b"change", b"gone", b"late", b"new"}
    assert "outcome" not in worked.found().session.fields


MODULES = '[submodule "x"]\n\tpath = x\n\turl = u\n\tupdate = !touch /tmp/x\n'


@pytest.mark.parametrize("committed", [True, False])
def test_what_git_takes_from_nobody_is_named_in_a_dry_run_too(
    store: SessionStore, user: Tree, *, committed: bool
) -> None:
    worked = own_tree(store, user)
    worked.tree.write(_gitmodules=MODULES, fine="1")
    if committed:
        worked.commit("agent")
    worked.end()
    ways = [refused(worked, user, RefusedError, dry_run=dry) for dry in (True, False)]
    why = "gitmodulesUpdate: disallowed submodule update setting: !touch /tmp/x"
    assert {one.message for one in ways} == {f"git takes .gitmodules from nobody: {why}"}
    if not committed:
        accept(worked, paths=(b"fine",))
        assert user.text("fine") == "1"


# ---------------------------------------------------------------- hostile


def _hooks(git_dir: Path, program: str) -> None:
    for name in ("post-checkout", "reference-transaction", "post-index-change", "pre-commit"):
        hook = git_dir / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{program}\n")
        hook.chmod(0o755)


@pytest.mark.parametrize("make", [own_tree, bound])
def test_nothing_that_a_session_planted_runs(
    store: SessionStore, user: Tree, tmp_path: Path, make: Callable[..., Worked]
) -> None:
    program = f"touch {tmp_path}/ran; cat"
    worked = make(store, user)
    worked.commit("agent", _gitattributes="* filter=x diff=x merge=x\n", change="2")
    for key in (
        *("filter.x.clean", "filter.x.smudge", "filter.x.process", "core.fsmonitor"),
        *("diff.external", "diff.x.textconv", "merge.x.driver", "core.sshCommand"),
        *("uploadpack.packObjectsHook", "core.alternateRefsCommand", "gpg.program", "core.pager"),
    ):
        worked.tree.git("config", "-f", str(worked.git_dir / "config"), key, program)
    _hooks(worked.git_dir, program)
    (worked.git_dir / "commondir").write_text(f"{tmp_path}\n")
    nested = made(worked.tree.path / "nested")
    nested.git("config", "core.fsmonitor", program)
    nested.git("config", "filter.x.clean", program)
    _hooks(nested.git_dir, program)
    worked.tree.write(late="l")
    worked.end()
    (tmp_path / "ran").unlink(missing_ok=True)
    user.git("branch", "other")
    accept(worked, into="other")
    assert not (tmp_path / "ran").exists()
    assert user.text("late", "other") == "l"


def test_damaged_commits_are_refused(store: SessionStore, user: Tree) -> None:
    worked = own_tree(store, user)
    head = work(worked)
    path = worked.git_dir / "objects" / head[:2] / head[2:]
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    refused(worked, user, WorkspaceError)


def test_a_record_of_another_tool_is_left_alone(store: SessionStore, user: Tree) -> None:
    worked = own_tree(store, user)
    work(worked)
    store.update(worked.id, lambda session: with_fields(session, schema=None))
    refused(worked, user, OutrigError)
