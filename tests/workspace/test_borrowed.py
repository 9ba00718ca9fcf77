"""As much of the user's objects as a difference needs becomes the session's own, and no more."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from outrig.workspace import borrowed
from outrig.workspace.git import Git
from tests.workspace.repositories import Tree

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["sha1", "sha256"])
def user(request: pytest.FixtureRequest, tmp_path: Path) -> Tree:
    (tmp_path / "user").mkdir()
    tree = Tree(tmp_path / "user")
    tree.git("init", "-q", f"--object-format={request.param}")
    for number in range(40):
        tree.write(**{f"dir{number}__file": f"{number}\n", f"dir{number}__other": "other\n"})
    tree.commit("base")
    return tree


@pytest.fixture
def ours(tmp_path: Path, user: Tree) -> Tree:
    """A repository that borrows everything."""
    tree = Tree(tmp_path / "ours.git")
    kind = user.git("rev-parse", "--show-object-format")
    user.git("init", "-q", "--bare", f"--object-format={kind}", tree.path)
    (tree.path / "objects/info/alternates").write_text(f"{user.git_dir}/objects\n")
    return tree


def own(ours: Tree) -> set[str]:
    (ours.path / "objects/info/alternates").rename(ours.path / "aside")
    listed = ours.git("cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
    (ours.path / "aside").rename(ours.path / "objects/info/alternates")
    return set(listed.split())


def keep(ours: Tree, old: str, new: str) -> None:
    git = Git(git_dir=str(ours.path), path=os.environ["PATH"])
    borrowed.keep(git, ours.path, old, new)


def trees(user: Tree) -> tuple[str, str]:
    user.commit("later", dir7__file="changed\n", dir7__new="new\n")
    return user.git("rev-parse", "HEAD~1^{tree}"), user.git("rev-parse", "HEAD^{tree}")


def test_both_sides_of_what_changed_and_the_trees_on_the_way(user: Tree, ours: Tree) -> None:
    old, new = trees(user)
    keep(ours, old, new)
    paths = ("HEAD~1:dir7", "HEAD:dir7", "HEAD~1:dir7/file", "HEAD:dir7/file", "HEAD:dir7/new")
    assert own(ours) == {old, new, *user.git("rev-parse", *paths).split()}


def test_nothing_where_nothing_changed(user: Tree, ours: Tree) -> None:
    _, new = trees(user)
    keep(ours, new, new)
    assert own(ours) == set()


def test_what_is_here_already_is_not_copied_again(user: Tree, ours: Tree) -> None:
    old, new = trees(user)
    keep(ours, old, new)
    packs = sorted((ours.path / "objects/pack").iterdir())
    keep(ours, old, new)
    assert sorted((ours.path / "objects/pack").iterdir()) == packs


def test_what_the_user_lacks_stays_away(user: Tree, ours: Tree) -> None:
    """As in a partial clone: the rest is kept all the same."""
    old, new = trees(user)
    gone = user.git("rev-parse", "HEAD~1:dir7/file")
    (user.git_dir / "objects" / gone[:2] / gone[2:]).unlink()
    keep(ours, old, new)
    assert len(own(ours)) == 6
    assert gone not in own(ours)


def test_a_path_that_looks_like_what_git_says_of_one(user: Tree, ours: Tree) -> None:
    (user.path / ":100644 100644 a b M").write_text("odd\n")
    (user.path / ":(top)").write_text("odder\n")
    user.git("--literal-pathspecs", "add", "-A", ".")
    user.git("commit", "-q", "-m", "odd")
    old, new = user.git("rev-parse", "HEAD~1^{tree}"), user.git("rev-parse", "HEAD^{tree}")
    keep(ours, old, new)
    blobs = {user.git("rev-parse", f"HEAD:./{name}") for name in (":100644 100644 a b M", ":(top)")}
    assert blobs < own(ours)
