"""A session's work arrives on a branch: every mode, every way, and refusals that change no byte."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from outrig.core.outcome import OutcomeError
from outrig.core.session import with_fields
from outrig.errors import OutrigError, SessionBusyError, WorkspaceError
from outrig.runner import accept as accepting
from outrig.runner import work as works
from outrig.runner.accepted import Wish
from outrig.runner.discard import Discarder, doomed_by_id
from outrig.store.sessions import SessionStore
from outrig.workspace import landing
from outrig.workspace.landing import OverlapError
from outrig.workspace.merge import ConflictError, DivergedError
from outrig.workspace.packs import RefusedError
from tests.runner.works import SIGNATURE, Worked, bound, copied, own_tree
from tests.workspace.repositories import Tree, everything, made

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from outrig.runner.accepted import Accepted


@pytest.fixture
def store(tmp_path: Path) -> SessionStore:
    return SessionStore(tmp_path / "sessions")


@pytest.fixture
def everybodys() -> Iterator[Path]:
    """A directory that others can enter: pytest's own one is root's, and any pytest closes it."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture
def user(tmp_path: Path) -> Tree:
    return users(tmp_path)


def users(top: Path) -> Tree:
    tree = made(top / "repo")
    tree.write(_gitignore="*.log\n", keep="k", change="1", gone="1", sub__x="1")
    tree.commit("base")
    return tree


def accept(worked: Worked, **wish: Any) -> Accepted:
    return accepting.accept(worked.found(), Wish(**wish), signature=SIGNATURE, env=os.environ)


def refused(worked: Worked, user: Tree, kind: type[OutrigError], **wish: Any) -> Any:
    """It is, and not a byte of the user's has changed."""
    before = everything(user.path)
    with pytest.raises(kind) as caught:
        accept(worked, **wish)
    assert everything(user.path) == before
    return caught.value


def work(worked: Worked) -> str:
    """Two commits, and an edit, a new file and a removal that are in none."""
    worked.commit("one", change="2")
    head = worked.commit("two", new="n")
    worked.tree.write(change="3", late="l", gone=None, noise_log="ignored")
    worked.end()
    return head


def subjects(user: Tree, ref: str = "main") -> list[str]:
    return user.git("log", "--format=%s", ref).splitlines()


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


# ---------------------------------------------------------------- conflicts resolved


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


# ---------------------------------------------------------------- who dies in between


def test_what_had_landed_is_accepted(
    store: SessionStore, user: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked = own_tree(store, user)
    work(worked)

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(works, "moved", dies)
        with pytest.raises(KeyboardInterrupt):
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

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(landing, "land", dies)
        with pytest.raises(KeyboardInterrupt):
            accept(worked)
    assert subjects(user) == ["base"]
    accept(worked)
    assert subjects(user)[0] == "Do the thing"


# ---------------------------------------------------------------- without git


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "plain"
    (path / "sub").mkdir(parents=True)
    for name in ("change", "gone", "keep", "sub/x"):
        (path / name).write_text("1")
    return path


def test_a_directory_gets_the_changes(store: SessionStore, plain: Path) -> None:
    worked = copied(store, plain)
    worked.tree.write(change="2", gone=None, deep__new="n")
    worked.end()
    done = accept(worked)
    assert (plain / "change").read_text() == "2"
    assert not (plain / "gone").exists()
    assert (plain / "deep/new").read_text() == "n"
    assert (done.commit, done.into) == (None, str(plain))
    assert worked.found().session.fields["outcome"]["state"] == "accepted"


def test_some_paths_of_a_directory(store: SessionStore, plain: Path) -> None:
    worked = copied(store, plain)
    worked.tree.write(change="2", new="n")
    worked.end()
    assert accept(worked, paths=(b"new",)).open
    assert (plain / "change").read_text() == "1"
    assert not accept(worked, paths=(b"change",)).open
    assert (plain / "change").read_text() == "2"
    assert worked.found().session.fields["outcome"]["state"] == "accepted"


def test_a_directory_that_was_changed_since(store: SessionStore, plain: Path) -> None:
    worked = copied(store, plain)
    worked.tree.write(change="2", new="n")
    worked.end()
    (plain / "change").write_text("mine")
    (plain / "new").write_text("mine")
    before = everything(plain)
    with pytest.raises(OverlapError) as caught:
        accept(worked)
    assert [one.path for one in caught.value.overlaps] == [b"change", b"new"]
    assert everything(plain) == before


def test_a_directory_has_no_branch(store: SessionStore, plain: Path) -> None:
    worked = copied(store, plain).end()
    with pytest.raises(WorkspaceError, match="no branch"):
        accept(worked, into="main")


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
