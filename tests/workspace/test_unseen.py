"""Tracked files that are kept out are unchanged to git, in any index."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from outrig.core import ignore
from outrig.workspace import unseen
from tests.workspace.repositories import Tree, made

if TYPE_CHECKING:
    from pathlib import Path

ODD = os.fsdecode(b"-odd\n\xff")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    found = made(tmp_path / "repo")
    found.write(keep="1", secrets__a="1", secrets__deep__b="1", x_pem="1")
    (found.path / ODD).write_text("1")
    found.commit("base")
    return found


def mark(tree: Tree, *patterns: str) -> None:
    unseen.mark(tree.git_dir, ignore.rules(patterns), (), os.environ)


@pytest.mark.parametrize("split", [False, True])
def test_they_are_as_if_unchanged(tree: Tree, *, split: bool) -> None:
    if split:
        tree.git("update-index", "--split-index")
    mark(tree, "secrets/", "*.pem", "-odd*")
    for name in ("secrets/a", "secrets/deep/b", "x.pem", ODD):
        (tree.path / name).unlink()
    assert tree.status() == []
    tree.write(keep=None)
    tree.git("add", "-A")
    assert tree.status() == ["D  keep"]


def test_where_none_is_meant_nothing_is_written(tree: Tree) -> None:
    before = (tree.git_dir / "index").stat()
    mark(tree, "*.key")
    mark(tree)
    assert (tree.git_dir / "index").stat() == before


def test_a_repository_without_an_index(tmp_path: Path) -> None:
    mark(made(tmp_path / "empty"), "*")
