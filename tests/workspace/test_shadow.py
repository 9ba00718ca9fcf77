"""A .git of the session's own, from real repositories of many kinds and from hostile ones."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from outrig.errors import WorkspaceError
from outrig.workspace import shadow
from outrig.workspace.checkout import look

if TYPE_CHECKING:
    from pathlib import Path


def git(directory: Path, *args: str | Path, env: dict[str, str] | None = None) -> str:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    argv = ["git", *identity, "-c", "init.defaultBranch=main", *map(str, args)]
    argv[1:1] = ["-c", "protocol.file.allow=always"]
    done = subprocess.run(
        argv,
        cwd=directory,
        capture_output=True,
        check=True,
        text=True,
        env={**os.environ, **(env or {})},
    )
    return done.stdout.strip()


def made(top: Path, *init: str) -> Path:
    top.mkdir()
    git(top, "init", "-q", *init)
    (top / "file").write_text("1\n")
    git(top, "add", "file")
    git(top, "commit", "-q", "-m", "first")
    return top


class Seen:
    """What the session's git says: objects where the container would see them."""

    def __init__(self, root: Path, to: Path, **how) -> None:
        found = look(root, uid=os.getuid())
        assert found
        to.mkdir()
        self.root = root
        self.git_dir = to
        source = shadow.Source(found.git_dir, found.common_dir)
        self.made = shadow.make(source, to, work_tree=None, settings={}, **how)
        self.objects = ":".join(one.host for one in self.made.borrowed)

    def __call__(self, *args: str | Path) -> str:
        where = {
            "GIT_DIR": str(self.git_dir),
            "GIT_WORK_TREE": str(self.root),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": self.objects,
        }
        return git(self.root, *args, env=where)


def everything(top: Path) -> dict[str, bytes | str]:
    return {
        str(path.relative_to(top)): path.read_bytes() if path.is_file() else "directory"
        for path in sorted(top.rglob("*"))
    }


def test_it_is_the_same_to_git_and_work_in_it_reaches_nobody(tmp_path):
    repository = made(tmp_path / "r")
    (repository / "file").write_text("2\n")
    (repository / "new").write_text("new\n")
    git(repository, "stash", "list")
    before = everything(repository / ".git")
    seen = Seen(repository, tmp_path / "s")
    assert seen("status", "--porcelain") == "M file\n?? new"
    seen("checkout", "-q", "-b", "other")
    seen("commit", "-q", "-a", "-m", "second")
    seen("config", "core.hooksPath", "/x")
    seen("gc", "-q")
    seen("branch", "-D", "main")
    assert seen("log", "--format=%s") == "second\nfirst"
    seen("fsck", "--strict")
    assert everything(repository / ".git") == before


def test_nothing_that_could_run_comes_along(tmp_path):
    repository = made(tmp_path / "r")
    git(repository, "config", "core.fsmonitor", "/x")
    git(repository, "config", "alias.x", "!y")
    git(repository, "remote", "add", "o", "https://ada:secret@example.org/x")
    (repository / ".git/hooks/pre-commit").write_text("#!/bin/sh\n")
    seen = Seen(repository, tmp_path / "s")
    config = (seen.git_dir / "config").read_text()
    assert "fsmonitor" not in config
    assert "secret" not in config
    assert seen("remote", "get-url", "o") == "https://example.org/x"
    assert not (seen.git_dir / "hooks").exists()


def test_without_a_commit(tmp_path):
    repository = tmp_path / "r"
    repository.mkdir()
    git(repository, "init", "-q")
    seen = Seen(repository, tmp_path / "s")
    assert "No commits yet" in seen("status")


def test_a_repository_with_sha_256(tmp_path):
    seen = Seen(made(tmp_path / "r", "--object-format=sha256"), tmp_path / "s")
    assert len(seen("rev-parse", "HEAD")) == 64
    assert seen("status", "--porcelain") == ""


def test_packed_refs_a_tag_and_the_stash(tmp_path):
    repository = made(tmp_path / "r")
    git(repository, "tag", "-a", "v1", "-m", "v1")
    git(repository, "update-ref", "refs/outrig/keep/x", "HEAD")
    (repository / "file").write_text("stashed\n")
    git(repository, "stash", "-q")
    git(repository, "pack-refs", "--all")
    git(repository, "branch", "loose")
    seen = Seen(repository, tmp_path / "s")
    assert seen("branch", "--format=%(refname:short)") == "loose\nmain"
    assert seen("describe") == "v1"
    assert seen("stash", "list").startswith("stash@{0}")
    seen("stash", "pop", "-q")
    assert (repository / "file").read_text() == "stashed\n"


def test_a_merge_under_way(tmp_path):
    repository = made(tmp_path / "r")
    git(repository, "checkout", "-q", "-b", "side")
    (repository / "file").write_text("side\n")
    git(repository, "commit", "-q", "-a", "-m", "side")
    git(repository, "checkout", "-q", "main")
    (repository / "file").write_text("main\n")
    git(repository, "commit", "-q", "-a", "-m", "main")
    with pytest.raises(subprocess.CalledProcessError):
        git(repository, "merge", "side")
    seen = Seen(repository, tmp_path / "s")
    assert seen("status", "--porcelain") == "UU file"
    seen("add", "file")
    seen("commit", "-q", "-m", "merged")
    assert seen("rev-list", "--count", "HEAD") == "4"


def test_a_linked_worktree(tmp_path):
    repository = made(tmp_path / "r")
    git(repository, "worktree", "add", "-q", "-b", "side", tmp_path / "linked")
    (tmp_path / "linked/more").write_text("x")
    git(tmp_path / "linked", "add", "more")
    seen = Seen(tmp_path / "linked", tmp_path / "s")
    assert seen("status", "--porcelain", "--branch") == "## side\nA  more"


def test_a_sparse_checkout(tmp_path):
    repository = made(tmp_path / "r")
    for name in ("in", "out"):
        (repository / name).mkdir()
        (repository / name / "f").write_text(name)
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "more")
    git(repository, "sparse-checkout", "set", "in")
    assert not (repository / "out").exists()
    seen = Seen(repository, tmp_path / "s")
    assert seen("status", "--porcelain") == ""
    assert seen("sparse-checkout", "list") == "in"


def test_submodules_have_theirs(tmp_path):
    inner = made(tmp_path / "inner")
    repository = made(tmp_path / "r")
    git(repository, "submodule", "add", "-q", inner, "sub/mod")
    git(repository, "commit", "-q", "-m", "sub")
    seen = Seen(repository, tmp_path / "s")
    (module,) = seen.made.modules
    assert module.tree == "sub/mod"
    assert module.git == tmp_path / "s/modules/sub/mod"
    assert [one.inside for one in seen.made.borrowed] == [
        "/run/outrig/git/objects/0",
        "/run/outrig/git/objects/1",
    ]


def test_a_shallow_clone(tmp_path):
    repository = made(tmp_path / "r")
    git(repository, "commit", "-q", "--allow-empty", "-m", "second")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repository}", tmp_path / "shallow")
    seen = Seen(tmp_path / "shallow", tmp_path / "s")
    assert seen("log", "--format=%s") == "second"
    seen("fsck", "--connectivity-only")


def test_links_and_fifos_stay_behind(tmp_path):
    repository = made(tmp_path / "r")
    secret = tmp_path / "secret"
    secret.write_text("0" * 40)
    plain = repository / ".git"
    (plain / "refs/heads/link").symlink_to(secret)
    (plain / "packed-refs").symlink_to(secret)
    os.mkfifo(plain / "refs/heads/fifo")
    os.mkfifo(plain / "MERGE_MSG")
    (plain / "rebase-merge").symlink_to(tmp_path)
    seen = Seen(repository, tmp_path / "s")
    assert sorted(os.listdir(seen.git_dir / "refs/heads")) == ["main"]
    for name in ("packed-refs", "MERGE_MSG", "rebase-merge"):
        assert not os.path.lexists(seen.git_dir / name)


def test_objects_behind_a_link_are_not_borrowed(tmp_path):
    other = made(tmp_path / "other")
    planted = made(tmp_path / "planted")
    (planted / ".git/objects").rename(tmp_path / "old")
    (planted / ".git/objects").symlink_to(other / ".git/objects")
    with pytest.raises(WorkspaceError, match="no directory of its own"):
        Seen(planted, tmp_path / "s")


def test_the_users_own_ignored_files_and_line_ends(tmp_path):
    repository = made(tmp_path / "r")
    (repository / ".DS_Store").touch()
    seen = Seen(repository, tmp_path / "s", ignored=b".DS_Store\n")
    assert seen("status", "--porcelain") == ""
