"""Commits come home from a .git that an agent could write, checked, and nothing of it runs."""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING

import pytest

from outrig.errors import WorkspaceError
from outrig.workspace import objects
from outrig.workspace.repository import Repository
from tests.workspace.repositories import Tree, made

if TYPE_CHECKING:
    from pathlib import Path

    from outrig.workspace.refs import Refs


@pytest.fixture
def user(tmp_path: Path) -> Tree:
    tree = made(tmp_path / "user")
    tree.commit("base", file="1")
    return tree


@pytest.fixture
def agent(user: Tree, tmp_path: Path) -> Tree:
    """A repository that borrows the user's objects, and has two commits and a branch."""
    tree = made(tmp_path / "agent")
    (tree.git_dir / "objects/info/alternates").write_text(f"{user.git_dir}/objects\n")
    tree.git("reset", "-q", "--hard", user.git("rev-parse", "HEAD"))
    tree.git("checkout", "-q", "-b", "side")
    tree.commit("side", side="1")
    tree.git("checkout", "-q", "main")
    tree.commit("one", file="2", new="n" * 10_000)
    tree.commit("two", file="3")
    return tree


@pytest.fixture
def ours(user: Tree, tmp_path: Path) -> Repository:
    tree = Tree(tmp_path)
    tree.git("init", "-q", "--bare", "ours.git")
    git_dir = tmp_path / "ours.git"
    (git_dir / "objects/info/alternates").write_text(f"{user.git_dir}/objects\n")
    return Repository(git_dir=git_dir, env=os.environ)


def bring(agent: Tree, ours: Repository, user: Tree) -> Refs:
    scratch = ours.git_dir.parent / "scratch"
    known = [user.git("rev-parse", "HEAD")]
    refs = objects.bring_home(agent.git_dir, ours, scratch, known=known)
    assert not scratch.exists()
    return refs


def listed(ours: Repository) -> dict[str, str]:
    said = ours.run("for-each-ref", "--format=%(refname) %(objectname)").decode()
    return dict(line.split(" ") for line in said.splitlines())


@pytest.mark.parametrize("packed", [False, True])
def test_commits_and_branches_come_home(
    agent: Tree,
    ours: Repository,
    user: Tree,
    packed: bool,  # noqa: FBT001
) -> None:
    if packed:
        agent.git("gc", "-q")
        agent.git("pack-refs", "--all")
    refs = bring(agent, ours, user)
    main, side = agent.git("rev-parse", "main", "side").split()
    assert (refs.head, refs.branch) == (main, "refs/heads/main")
    assert listed(ours) == {
        "refs/session/HEAD": main,
        "refs/session/heads/main": main,
        "refs/session/heads/side": side,
    }
    ours.run("fsck", "--strict", "--no-dangling")
    assert ours.run("cat-file", "blob", f"{main}:new") == b"n" * 10_000


def test_only_what_is_the_agents_own_comes(agent: Tree, ours: Repository, user: Tree) -> None:
    bring(agent, ours, user)
    packed = ours.run("count-objects", "-v").decode()
    assert "in-pack: 9" in packed  # 3 commits, 3 trees, 3 files


def test_again_after_more_has_happened(agent: Tree, ours: Repository, user: Tree) -> None:
    bring(agent, ours, user)
    agent.git("branch", "-D", "side")
    agent.git("branch", "side/way")
    agent.commit("three", file="4")
    refs = bring(agent, ours, user)
    assert refs.head == agent.git("rev-parse", "main")
    assert set(listed(ours)) == {
        "refs/session/HEAD",
        "refs/session/heads/main",
        "refs/session/heads/side/way",
    }


def test_nothing_new_is_fine(agent: Tree, ours: Repository, user: Tree) -> None:
    agent.git("reset", "-q", "--hard", user.git("rev-parse", "HEAD"))
    agent.git("branch", "-D", "side")
    assert bring(agent, ours, user).head == user.git("rev-parse", "HEAD")


def test_a_detached_head(agent: Tree, ours: Repository, user: Tree) -> None:
    agent.git("checkout", "-q", "--detach")
    commit = agent.commit("detached", file="5")
    refs = bring(agent, ours, user)
    assert (refs.head, refs.branch) == (commit, None)


# ---------------------------------------------------------------- hostile


def test_no_setting_hook_or_alternate_of_it_counts(
    agent: Tree, ours: Repository, user: Tree, tmp_path: Path
) -> None:
    program = f"touch {tmp_path}/ran"
    for key in ("uploadpack.packObjectsHook", "core.fsmonitor", "core.alternateRefsCommand"):
        agent.git("config", key, program)
    agent.git("config", "core.hooksPath", tmp_path)
    agent.git("config", "include.path", tmp_path / "more")
    (agent.git_dir / "commondir").write_text("/etc\n")
    (agent.git_dir / "objects/info/alternates").write_text("/etc\n")
    refs = objects.bring_home(
        agent.git_dir, ours, tmp_path / "scratch", known=[user.git("rev-parse", "HEAD")]
    )
    assert refs.head is not None
    assert not (tmp_path / "ran").exists()


def test_a_damaged_object_is_refused(agent: Tree, ours: Repository, user: Tree) -> None:
    blob = agent.git("rev-parse", "main:file")
    path = agent.git_dir / "objects" / blob[:2] / blob[2:]
    path.chmod(0o644)
    path.write_bytes(zlib.compress(b"blob 5\0other"))
    with pytest.raises(WorkspaceError):
        bring(agent, ours, user)
    assert listed(ours) == {}


def test_a_commit_without_its_tree_is_refused(agent: Tree, ours: Repository, user: Tree) -> None:
    tree = agent.git("rev-parse", "main^{tree}")
    (agent.git_dir / "objects" / tree[:2] / tree[2:]).unlink()
    with pytest.raises(WorkspaceError):
        bring(agent, ours, user)


@pytest.mark.parametrize("name", [".git", "..", "."])
def test_a_tree_that_would_leave_its_place_is_refused(
    agent: Tree, ours: Repository, user: Tree, name: str
) -> None:
    blob = bytes.fromhex(agent.git("rev-parse", "main:file"))
    raw = b"100644 " + name.encode() + b"\0" + blob
    (agent.path / "raw").write_bytes(raw)
    tree = agent.git("hash-object", "--literally", "-t", "tree", "-w", agent.path / "raw")
    commit = agent.git("commit-tree", tree, "-m", "x", "-p", "main")
    agent.git("update-ref", "refs/heads/main", commit)
    with pytest.raises(WorkspaceError):
        bring(agent, ours, user)


@pytest.mark.parametrize(
    "text",
    ["ref: refs/heads/../../x", "ref: /etc/passwd", "ref: refs/heads/no", "x" * 5000, ""],
)
def test_a_head_that_means_nothing(agent: Tree, ours: Repository, user: Tree, text: str) -> None:
    (agent.git_dir / "HEAD").write_text(text)
    assert bring(agent, ours, user).head is None


def test_a_head_that_names_no_commit_is_refused(agent: Tree, ours: Repository, user: Tree) -> None:
    (agent.git_dir / "HEAD").write_text("0" * 40)
    with pytest.raises(WorkspaceError, match="no such commit"):
        bring(agent, ours, user)


def test_files_that_are_none(agent: Tree, ours: Repository, user: Tree, tmp_path: Path) -> None:
    (agent.git_dir / "HEAD").unlink()
    os.mkfifo(agent.git_dir / "HEAD")
    (agent.git_dir / "refs/heads/link").symlink_to(agent.git_dir / "refs/heads/main")
    (agent.git_dir / "refs/heads/dir").symlink_to(tmp_path)
    os.mkfifo(agent.git_dir / "refs/heads/fifo")
    (agent.git_dir / "packed-refs").symlink_to("/etc/passwd")
    (agent.git_dir / "objects/00").mkdir(exist_ok=True)
    (agent.git_dir / "objects/00" / ("0" * 38)).symlink_to("/etc/passwd")
    os.mkfifo(agent.git_dir / "objects/pack" / f"pack-{'0' * 40}.pack")
    refs = bring(agent, ours, user)
    assert refs.head is None
    assert set(refs.heads) == {"refs/heads/main", "refs/heads/side"}


def test_names_of_branches_that_are_hostile(agent: Tree, ours: Repository, user: Tree) -> None:
    main = agent.git("rev-parse", "main")
    for name in ("-x", "a.lock", ".hidden", "a@{b", "new\nline", "\udcff", "fine"):
        (agent.git_dir / "refs/heads" / name).write_text(f"{main}\n")
    bring(agent, ours, user)
    assert set(listed(ours)) == {
        "refs/session/HEAD",
        *(f"refs/session/heads/{name}" for name in ("main", "side", "-x", "fine")),
    }


def test_too_many_are_refused(
    agent: Tree, ours: Repository, user: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "MOST_FILES", 3)
    with pytest.raises(WorkspaceError, match="more than 3 objects"):
        bring(agent, ours, user)
    assert listed(ours) == {}


def test_a_tree_that_unfolds_into_a_billion_files_is_refused(
    agent: Tree, ours: Repository, user: Tree
) -> None:
    blob = agent.git("hash-object", "-w", "--stdin", stdin="x")
    lines = "".join(f"100644 blob {blob}\t{number}\n" for number in range(10))
    for _ in range(9):
        tree = agent.git("mktree", stdin=lines)
        lines = "".join(f"040000 tree {tree}\t{number}\n" for number in range(10))
    commit = agent.git("commit-tree", "-m", "bomb", "-p", "HEAD", agent.git("mktree", stdin=lines))
    agent.git("update-ref", "HEAD", commit)
    with pytest.raises(WorkspaceError, match="more than 1,000,000 files"):
        bring(agent, ours, user)
    assert listed(ours) == {}
