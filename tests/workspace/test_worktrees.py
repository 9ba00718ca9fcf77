"""Who has a branch checked out, read from files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outrig.workspace.worktrees import text, worktrees
from tests.workspace.repositories import made

if TYPE_CHECKING:
    from pathlib import Path


def test_the_main_one_and_the_linked_ones(tmp_path: Path) -> None:
    tree = made(tmp_path / "repo")
    tree.commit(a="1")
    tree.git("worktree", "add", "-q", "-b", "feature/x", tmp_path / "other place")
    tree.git("worktree", "add", "-q", "--detach", tmp_path / "third")
    found = worktrees(tree.git_dir)
    assert [(one.path, one.ref) for one in found] == [
        (tree.path, "refs/heads/main"),
        (tmp_path / "other place", "refs/heads/feature/x"),
        (tmp_path / "third", None),
    ]
    assert found[1].git_dir == tree.git_dir / "worktrees/other-place"


def test_a_branch_that_is_being_rebased_is_checked_out(tmp_path: Path) -> None:
    tree = made(tmp_path / "repo")
    tree.commit(a="1")
    (tree.git_dir / "rebase-merge").mkdir()
    (tree.git_dir / "rebase-merge/head-name").write_text("refs/heads/work\n")
    tree.git("checkout", "-q", "--detach")
    (found,) = worktrees(tree.git_dir)
    assert (found.ref, found.under_way) == ("refs/heads/work", "a rebase")


def test_a_merge_is_under_way(tmp_path: Path) -> None:
    tree = made(tmp_path / "repo")
    tree.commit(a="1")
    (tree.git_dir / "MERGE_HEAD").write_text("x")
    assert worktrees(tree.git_dir)[0].under_way == "a merge"


def test_what_is_no_small_file_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "directory").mkdir()
    assert [text(tmp_path / name) for name in ("link", "directory", "nothing")] == ["", "", ""]
