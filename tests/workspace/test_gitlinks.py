"""What git writes into an index is read without it, whatever its version and its hash."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from outrig.workspace.gitlinks import gitlinks
from tests.workspace.repositories import Tree

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["sha1", "sha256"])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Tree:
    made = Tree(tmp_path)
    made.git("init", "-q", f"--object-format={request.param}")
    made.commit("base", **{f"dir{number}__file": "x\n" for number in range(20)})
    return made


def link(tree: Tree, *paths: str) -> None:
    head = tree.git("rev-parse", "HEAD")
    for path in paths:
        tree.git("update-index", "--add", "--cacheinfo", f"160000,{head},{path}")


@pytest.mark.parametrize("version", ["2", "3", "4"])
def test_gitlinks_in_an_index_of_each_version(tree: Tree, version: str) -> None:
    tree.git("update-index", "--index-version", version)
    assert gitlinks(tree.git_dir / "index") == frozenset()
    link(tree, "dir3/sub", "a", "dir3/subs/very/deep/one")
    tree.git("update-index", "--skip-worktree", "dir5/file")  # makes version 2 one of 3
    assert gitlinks(tree.git_dir / "index") == {"dir3/sub", "a", "dir3/subs/very/deep/one"}


def test_odd_names(tree: Tree) -> None:
    link(tree, "-x", "new\nline", "b\udcff")
    assert gitlinks(tree.git_dir / "index") == {"-x", "new\nline", "b\udcff"}


def test_where_there_is_no_index(tmp_path: Path) -> None:
    assert gitlinks(tmp_path / "none") == frozenset()
    os.mkfifo(tmp_path / "fifo")
    assert gitlinks(tmp_path / "fifo") == frozenset()
    (tmp_path / "real").write_bytes(b"\0\0\xe0\0")
    (tmp_path / "link").symlink_to("real")
    assert gitlinks(tmp_path / "link") == frozenset()


@pytest.mark.parametrize("cut", [13, 30, 70, 100])
def test_damage_is_said(tree: Tree, cut: int) -> None:
    link(tree, "a")
    index = tree.git_dir / "index"
    index.write_bytes(index.read_bytes()[:cut] + b"\0\0\xe0\0")
    with pytest.raises(ValueError, match="no index"):
        gitlinks(index)
