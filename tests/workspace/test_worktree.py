"""A checkout of the session's own, made on the host from real repositories."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from outrig.core import ignore
from outrig.errors import WorkspaceError
from outrig.workspace import shadow, worktree
from outrig.workspace.checkout import look
from tests.workspace.test_shadow import everything, git, made

if TYPE_CHECKING:
    from pathlib import Path


def checked_out(root: Path, tree: Path, **how) -> worktree.Made:
    found = look(root, uid=os.getuid())
    assert found
    usual = {
        "root": root,
        "source": shadow.Source(found.git_dir, found.common_dir),
        "base": found.head,
        "branch": "outrig/run/x",
        "include": (),
        "exclude": ignore.rules(()),
        "changes": False,
        "settings": {},
        "ignored": b"",
        "env": os.environ,
        "given_away": False,
    }
    tree.mkdir()
    return worktree.make(worktree.Wanted(**{**usual, **how}), tree)


def inside(tree: Path, one: worktree.Made, *args: str) -> str:
    """What git says in the tree, with objects where the container would see them."""
    for (alternates, _), borrowed in zip(one.shadow.links, one.shadow.borrowed, strict=True):
        alternates.write_text(f"{borrowed.host}\n")
    return git(tree, *args)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    top = made(tmp_path / "r")
    (top / ".gitignore").write_text("*.log\nnode_modules/\n")
    (top / "script").write_text("#!/bin/sh\n")
    (top / "script").chmod(0o755)
    (top / "link").symlink_to("file")
    git(top, "add", ".")
    git(top, "commit", "-q", "-m", "second")
    return top


def test_head_on_a_branch_of_its_own(repository, tmp_path):
    (repository / "file").write_text("changed\n")
    before = everything(repository)
    one = checked_out(repository, tmp_path / "t")
    tree = tmp_path / "t"
    assert inside(tree, one, "status", "--porcelain", "--branch") == "## outrig/run/x"
    assert (tree / "file").read_text() == "1\n"
    assert os.access(tree / "script", os.X_OK)
    assert os.readlink(tree / "link") == "file"
    inside(tree, one, "commit", "-q", "--allow-empty", "-m", "third")
    assert everything(repository) == before


def test_another_commit(repository, tmp_path):
    source = shadow.Source(repository / ".git", repository / ".git")
    base = worktree.resolve(source, "HEAD~1", os.environ)
    checked_out(repository, tmp_path / "t", base=base)
    assert not (tmp_path / "t/script").exists()
    for wrong in ("nowhere", "--all", "HEAD:file"):
        with pytest.raises(WorkspaceError, match="names no commit"):
            worktree.resolve(source, wrong, os.environ)


def test_a_repository_without_a_commit(tmp_path):
    empty = tmp_path / "r"
    empty.mkdir()
    git(empty, "init", "-q")
    (empty / "new").write_text("x")
    one = checked_out(empty, tmp_path / "t", changes=True)
    assert inside(tmp_path / "t", one, "status", "--porcelain") == "?? new"


def test_uncommitted_changes_come_along_as_they_are(repository, tmp_path):
    (repository / "file").write_text("staged\n")
    git(repository, "add", "file")
    (repository / "file").write_text("staged, and more\n")
    (repository / "script").unlink()
    (repository / "deep").mkdir()
    (repository / "deep/new\n").write_text("new")
    (repository / "out").symlink_to("/etc/passwd")
    (repository / "x.log").write_text("ignored")
    os.mkfifo(repository / "fifo")
    asked = ("status", "--porcelain", "-z")
    expected = git(repository, *asked)
    one = checked_out(repository, tmp_path / "t", changes=True)
    tree = tmp_path / "t"
    assert inside(tree, one, *asked) == expected
    assert inside(tree, one, "show", ":file") == "staged"
    assert (tree / "file").read_text() == "staged, and more\n"
    assert os.readlink(tree / "out") == "/etc/passwd"
    assert not (tree / "x.log").exists()
    assert not (tree / "fifo").exists()


def test_unmerged_files_cannot_come_along(repository, tmp_path):
    git(repository, "checkout", "-q", "-b", "side")
    (repository / "file").write_text("side\n")
    git(repository, "commit", "-q", "-a", "-m", "side")
    git(repository, "checkout", "-q", "main")
    (repository / "file").write_text("main\n")
    git(repository, "stash", "-q")
    (repository / "file").write_text("other\n")
    git(repository, "commit", "-q", "-a", "-m", "other")
    git(repository, "merge", "--no-commit", "-s", "ours", "side")
    git(repository, "merge", "--abort")
    git(repository, "read-tree", "-m", "HEAD~1", "HEAD", "side")
    with pytest.raises(WorkspaceError, match="unmerged"):
        checked_out(repository, tmp_path / "t", changes=True)


def test_ignored_files_come_along_by_name(repository, tmp_path):
    (repository / "node_modules/a").mkdir(parents=True)
    (repository / "node_modules/a/index.js").write_text("1")
    (repository / ".outriginclude").write_text("# builds need it\n/x.log\n")
    for name in ("x.log", "y.log"):
        (repository / name).write_text(name)
    (repository / "node_modules/out").symlink_to("/etc")
    checked_out(repository, tmp_path / "t", include=("node_modules/",))
    tree = tmp_path / "t"
    assert (tree / "node_modules/a/index.js").read_text() == "1"
    assert os.readlink(tree / "node_modules/out") == "/etc"
    assert (tree / "x.log").exists()
    assert not (tree / "y.log").exists()


def test_what_is_excluded_is_not_there_and_not_missed(repository, tmp_path):
    out = ignore.rules(["script", "*.log"])
    (repository / "x.log").write_text("x")
    one = checked_out(repository, tmp_path / "t", exclude=out, include=("*.log",))
    assert inside(tmp_path / "t", one, "status", "--porcelain") == ""
    assert not (tmp_path / "t/script").exists()
    assert not (tmp_path / "t/x.log").exists()


def test_a_linked_worktree_as_source(repository, tmp_path):
    git(repository, "worktree", "add", "-q", "-b", "side", tmp_path / "linked")
    (tmp_path / "linked/file").write_text("linked\n")
    git(tmp_path / "linked", "commit", "-q", "-a", "-m", "linked")
    one = checked_out(tmp_path / "linked", tmp_path / "t")
    assert (tmp_path / "t/file").read_text() == "linked\n"
    assert inside(tmp_path / "t", one, "log", "-1", "--format=%s") == "linked"


def test_submodules_that_are_checked_out(repository, tmp_path):
    inner = made(tmp_path / "inner")
    git(repository, "submodule", "add", "-q", inner, "mods/one")
    git(repository, "commit", "-q", "-m", "sub")
    one = checked_out(repository, tmp_path / "t")
    assert (tmp_path / "t/mods/one/file").read_text() == "1\n"
    assert inside(tmp_path / "t", one, "submodule", "status")[0] not in "-+U"
    assert inside(tmp_path / "t", one, "status", "--porcelain") == ""


def test_a_pin_outlives_gc_and_goes(repository):
    source = shadow.Source(repository / ".git", repository / ".git")
    commit = git(repository, "rev-parse", "HEAD")
    worktree.pin(source, "x", commit, os.environ)
    git(repository, "reset", "-q", "--hard", "HEAD~1")
    git(repository, "reflog", "expire", "--expire=all", "--all")
    git(repository, "gc", "-q", "--prune=now")
    assert git(repository, "cat-file", "-t", commit) == "commit"
    worktree.unpin(repository / ".git", "x", os.environ)
    assert git(repository, "for-each-ref", "refs/outrig") == ""
    worktree.unpin(repository / ".git", "x", os.environ)
