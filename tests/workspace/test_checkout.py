"""Where the user stands, with real repositories and with hostile ones."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from outrig.errors import WorkspaceError
from outrig.workspace.checkout import Checkout, look

if TYPE_CHECKING:
    from pathlib import Path

UID = os.getuid()


def git(directory: Path, *args: str | Path) -> str:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    argv = ["git", *identity, "-c", "init.defaultBranch=main", *map(str, args)]
    done = subprocess.run(argv, cwd=directory, capture_output=True, check=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    top = tmp_path / "repository"
    top.mkdir()
    git(top, "init", "-q")
    git(top, "commit", "-q", "--allow-empty", "-m", "first")
    return top


def found(root: Path, *, head: str | None, branch: str | None) -> Checkout:
    git = root / ".git"
    return Checkout(root=root, git_dir=git, common_dir=git, head=head, branch=branch)


def head(directory: Path) -> str:
    return git(directory, "rev-parse", "HEAD")


# ---------------------------------------------------------------- what git makes


def test_the_top_from_anywhere_below(repository):
    below = repository / "a/b"
    below.mkdir(parents=True)
    expected = found(repository, head=head(repository), branch="main")
    assert look(repository, uid=UID) == look(below, uid=UID) == expected


def test_no_checkout(tmp_path):
    (tmp_path / ".git").mkdir()  # some tools leave an empty one; git does not mind it either
    assert look(tmp_path, uid=UID) is None


def test_a_detached_head(repository):
    git(repository, "checkout", "-q", "--detach")
    assert look(repository, uid=UID) == found(repository, head=head(repository), branch=None)


def test_a_branch_that_is_not_born(tmp_path):
    git(tmp_path, "init", "-q")
    assert look(tmp_path, uid=UID) == found(tmp_path, head=None, branch="main")


def test_packed_refs(repository):
    git(repository, "checkout", "-q", "-b", "feature/deep/one")
    git(repository, "tag", "-a", "-m", "x", "v1")  # brings a ^{} line along
    git(repository, "pack-refs", "--all")
    assert not (repository / ".git/refs/heads/feature").exists()
    assert look(repository, uid=UID) == found(
        repository, head=head(repository), branch="feature/deep/one"
    )


def test_a_loose_ref_wins_over_a_packed_one(repository):
    git(repository, "pack-refs", "--all")
    git(repository, "commit", "-q", "--allow-empty", "-m", "second")
    found = look(repository, uid=UID)
    assert found
    assert found.head == head(repository)


def test_the_nearest_repository_counts(repository):
    inner = repository / "inner"
    inner.mkdir()
    git(inner, "init", "-q")
    found = look(inner, uid=UID)
    assert found
    assert found.root == inner


def test_a_linked_worktree(repository, tmp_path):
    linked = tmp_path / "linked"
    git(repository, "worktree", "add", "-q", "-b", "side", linked)
    git(linked, "commit", "-q", "--allow-empty", "-m", "second")
    assert look(linked, uid=UID) == Checkout(
        root=linked,
        git_dir=repository / ".git/worktrees/linked",
        common_dir=repository / ".git",
        head=head(linked),
        branch="side",
    )


def test_a_submodule(repository, tmp_path):
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "-q")
    git(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", repository, "sub")
    module = outer / ".git/modules/sub"
    assert look(outer / "sub", uid=UID) == Checkout(
        root=outer / "sub",
        git_dir=module,
        common_dir=module,
        head=head(repository),
        branch="main",
    )
    assert look(outer, uid=UID)


def test_a_git_file_that_leads_to_a_repository_which_does_not_know_it(repository, tmp_path):
    """A session could have written it, to have the next one see another repository."""
    planted = tmp_path / "planted"
    planted.mkdir()
    (planted / ".git").write_text(f"gitdir: {repository}/.git\n")
    with pytest.raises(WorkspaceError, match=f"knows nothing of {planted}"):
        look(planted, uid=UID)
    assert look(planted, uid=UID, trusted=True)


def test_a_git_file_that_leads_to_a_worktree_of_somebody_elses_making(repository, tmp_path):
    """It says that it is registered, in a directory that the session wrote itself."""
    planted = tmp_path / "planted"
    fake = planted / "worktrees/fake"
    fake.mkdir(parents=True)
    (planted / ".git").write_text(f"gitdir: {fake}\n")
    (fake / "gitdir").write_text(f"{planted}/.git\n")
    (fake / "commondir").write_text(f"{repository}/.git\n")
    (fake / "HEAD").write_text("ref: refs/heads/main\n")
    with pytest.raises(WorkspaceError, match="knows nothing of"):
        look(planted, uid=UID)


@pytest.mark.parametrize("said", ["", "gitdir: /nowhere", "\0", "gitdir: ."])
def test_a_git_file_that_leads_nowhere(tmp_path, said):
    (tmp_path / ".git").write_text(said)
    with pytest.raises(WorkspaceError, match="there is no repository"):
        look(tmp_path, uid=UID)


# ---------------------------------------------------------------- what a session could leave


def fifo(path: Path) -> None:
    os.mkfifo(path)


def link(path: Path) -> None:
    outside = path.parents[1] / "outside"
    outside.write_text("ref: refs/heads/main\n")
    path.symlink_to(outside)


def directory(path: Path) -> None:
    path.mkdir()


def giant(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10 * 1024**3)


def nothing(path: Path) -> None:
    assert not path.exists()


HOSTILE = [fifo, link, directory, giant, nothing]


@pytest.mark.parametrize("plant", HOSTILE)
def test_a_head_that_is_no_plain_file_is_refused(repository, plant):
    """To go on upward would show the next session more than this one saw."""
    inner = repository / "inner"
    inner.mkdir()
    git(inner, "init", "-q")
    (inner / ".git/HEAD").unlink()
    plant(inner / ".git/HEAD")
    with pytest.raises(WorkspaceError, match=r"inner/\.git is damaged"):
        look(inner, uid=UID)


@pytest.mark.parametrize("plant", HOSTILE)
@pytest.mark.parametrize("name", ["refs/heads/main", "packed-refs"])
def test_refs_that_are_no_plain_files_are_not_read(repository, plant, name):
    path = repository / ".git" / name
    (repository / ".git/refs/heads/main").unlink()
    plant(path)
    assert look(repository, uid=UID) == found(repository, head=None, branch="main")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\0\xff\xfe",
        b"ref: ",
        b"ref: refs/../../../etc/passwd",
        b"ref: /etc/passwd",
        b"ref: refs/heads/a b",
        b"ref: refs/heads/x\x1b[31m",
        b"ref:refs/heads/main",
        b"0123456789" * 3,
    ],
)
def test_a_head_that_says_nothing_sensible(repository, text):
    (repository / ".git/HEAD").write_bytes(text)
    assert look(repository, uid=UID) == found(repository, head=None, branch=None)


@pytest.mark.parametrize("text", ["x", "z" * 40, "0" * 39, "ref: refs/heads/other", "0" * 41])
def test_a_ref_that_is_no_commit(repository, text):
    (repository / ".git/refs/heads/main").write_text(text)
    (repository / ".git/packed-refs").write_text(f"{text} refs/heads/main\n")
    assert look(repository, uid=UID) == found(repository, head=None, branch="main")


def test_a_ref_outside_of_heads_is_no_branch(repository):
    (repository / ".git/HEAD").write_text("ref: refs/remotes/origin/main\n")
    assert look(repository, uid=UID) == found(repository, head=None, branch=None)


def test_a_linked_git_directory_is_refused(repository, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / ".git").symlink_to(repository / ".git")
    with pytest.raises(WorkspaceError, match="is a symlink; outrig does not follow it"):
        look(other, uid=UID)


# ---------------------------------------------------------------- whose it is


@pytest.mark.skipif(UID != 0, reason="only root gives files away")
@pytest.mark.parametrize(
    ("git_owner", "directory_owner", "caller", "accepted"),
    [
        (1000, 1000, 1000, True),
        (0, 1000, 1000, True),
        (1001, 1000, 1000, False),
        (1001, 1001, 0, True),  # root works for the owner of the directory
        (1001, 1000, 0, False),
        (1001, 0, 0, False),
    ],
)
def test_a_repository_of_somebody_else(*, repository, git_owner, directory_owner, caller, accepted):
    below = repository / "below"
    below.mkdir()
    os.chown(below, directory_owner, directory_owner)
    os.chown(repository / ".git", git_owner, git_owner)
    if accepted:
        assert look(below, uid=caller)
        return
    with pytest.raises(WorkspaceError, match=f"belongs to uid {git_owner}, not to you") as refused:
        look(below, uid=caller)
    assert "[workspace] path" in str(refused.value.hint)
    assert look(below, uid=caller, trusted=True)
