"""What of the user's own work is in a landing's way, and what is not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from outrig.workspace import landing
from outrig.workspace.landing import OverlapError
from tests.workspace.landings import checkout, order
from tests.workspace.repositories import Tree, everything, made

if TYPE_CHECKING:
    from collections.abc import Callable


def _stage(tree: Tree) -> None:
    tree.write(change="mine")
    tree.git("add", "change")


def _stage_and_put_back(tree: Tree) -> None:
    _stage(tree)
    tree.write(change="1")


def _stage_new(tree: Tree) -> None:
    tree.write(new="mine")
    tree.git("add", "new")
    tree.write(new=None)


def _stage_below(tree: Tree) -> None:
    tree.write(sub="a file")
    tree.git("add", "sub")


def _exec_bit(tree: Tree) -> None:
    (tree.path / "change").chmod(0o755)


def _conflict(tree: Tree) -> None:
    blob = tree.git("rev-parse", "main:keep")
    entry = "".join(f"100644 {blob} {stage}\tkeep\n" for stage in (1, 2, 3))
    tree.git("update-index", "--index-info", stdin=f"0 {'0' * 40}\tkeep\n{entry}")


def _link_away(tree: Tree) -> None:
    (tree.path / "sub").symlink_to(tree.path.parent / "elsewhere")


def _linked_parent(tree: Tree) -> None:
    (tree.path / "deep").rename(tree.path.parent / "elsewhere/deep")
    (tree.path / "deep").symlink_to(tree.path.parent / "elsewhere/deep")


def _fifo(tree: Tree) -> None:
    os.mkfifo(tree.path / "new")


def _nested(tree: Tree) -> None:
    made(tree.path / "new")


OVERLAPS: dict[str, tuple[Callable[[Tree], object], list[tuple[bytes, str]]]] = {
    "changed": (lambda tree: tree.write(change="mine"), [(b"change", "changed")]),
    "mode": (_exec_bit, [(b"change", "changed")]),
    "removed": (lambda tree: tree.write(gone=None), [(b"gone", "changed")]),
    "staged": (_stage, [(b"change", "staged")]),
    "staged-put-back": (_stage_and_put_back, [(b"change", "staged")]),
    "staged-new": (_stage_new, [(b"new", "staged")]),
    "staged-file-as-directory": (_stage_below, [(b"sub", "staged")]),
    "untracked": (lambda tree: tree.write(new="mine"), [(b"new", "untracked")]),
    "untracked-same": (lambda tree: tree.write(new="n"), [(b"new", "untracked")]),
    "untracked-directory": (lambda tree: tree.write(new__x="1"), [(b"new/x", "untracked")]),
    "untracked-above": (lambda tree: tree.write(sub="1"), [(b"sub", "untracked")]),
    "untracked-beside": (lambda tree: tree.write(was__more="1"), [(b"was/more", "untracked")]),
    "ignored-beside": (lambda tree: tree.write(was__x_log="1"), [(b"was/x.log", "untracked")]),
    "unmerged": (_conflict, [(b"keep", "unmerged")]),
    "link-away": (_link_away, [(b"sub", "untracked")]),
    "linked-parent": (_linked_parent, [(b"deep/er/gone", "changed")]),
    "fifo": (_fifo, [(b"new", "untracked")]),
    "nested": (_nested, []),
    "several": (
        lambda tree: tree.write(change="mine", new="mine", other="mine"),
        [(b"change", "changed"), (b"new", "untracked")],
    ),
}


@pytest.mark.parametrize("name", OVERLAPS)
def test_an_overlap_is_listed_and_not_a_byte_changes(tree: Tree, name: str) -> None:
    (tree.path.parent / "elsewhere").mkdir()
    tree.git("status")  # which writes the index once more
    dirty, expected = OVERLAPS[name]
    dirty(tree)
    before = everything(tree.path.parent)
    with pytest.raises(OverlapError) as caught:
        landing.land(checkout(tree), order(tree))
    assert everything(tree.path.parent) == before
    found = [(one.path, one.why) for one in caught.value.overlaps]
    assert found == expected or (name == "nested" and found[0][0].startswith(b"new/.git/"))


def test_a_touched_file_is_no_change(tree: Tree) -> None:
    os.utime(tree.path / "change", (1, 1))
    landing.land(checkout(tree), order(tree))
    assert tree.status() == []


def test_what_a_filter_made_of_a_file_is_no_change(tree: Tree) -> None:
    """The index vouches for it; the new content comes as the commit has it."""
    tree.git("config", "core.autocrlf", "true")
    tree.commit("lines", change="a\nb\n")
    tree.git("checkout", "-q", "-b", "further")
    tree.commit("further", change="a\nb\nc\n")
    tree.git("checkout", "-q", "main")
    (tree.path / "change").unlink()
    tree.git("checkout", "-q", "--", "change")
    assert (tree.path / "change").read_bytes() == b"a\r\nb\r\n"
    os.utime(tree.path / "change", (10**9, 10**9))
    tree.git("status")
    landing.land(checkout(tree), order(tree, new="further"))
    assert (tree.path / "change").read_bytes() == b"a\nb\nc\n"
    assert tree.status() == []
