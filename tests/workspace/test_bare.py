"""The repository of snapshots goes on with an earlier session's."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from outrig.workspace.snapshots import END, START, Snapshots, Taken
from tests.workspace.snapshotting import Begun, names, source

if TYPE_CHECKING:
    from pathlib import Path


def went_on(snapshots: Begun, tree: Path, *, shared: bool) -> tuple[Snapshots, Taken]:
    later = Snapshots(snapshots.directory.parent / "later.git", os.environ)
    return later, later.go_on(snapshots, tree, shared=shared, layer=False)


def test_what_both_sessions_did_and_nobody_else_is_measured_from_the_first(work, snapshots):
    start = snapshots.begin(work, source(work))
    (work / "tracked").unlink()
    (work / "tracked").mkdir()
    (work / "tracked/inside").write_text("first")
    (work / "both").write_text("first")
    (work / "edited").write_text("first")
    (work / "sub/file").chmod(0o755)
    snapshots.take(work, END)
    (work / "edited").write_text("first, then the user")
    (work / "mine").write_text("the user")
    later, begun = went_on(snapshots, work, shared=True)
    (work / "both").write_text("second")
    (work / "new").write_text("second")
    end = later.take(work, END)
    changed = later.git("diff-tree", "-r", "--name-only", begun.tree, end.tree).decode().split()
    assert changed == ["both", "new", "sub/file", "tracked", "tracked/inside"]
    assert begun.tree != start.tree
    assert snapshots.tree(START) == start.tree


def test_in_a_tree_of_their_own_it_begins_where_the_first_did(work, snapshots):
    start = snapshots.begin(work, source(work))
    (work / "first").write_text("1")
    snapshots.take(work, END)
    later, begun = went_on(snapshots, work, shared=False)
    assert begun.tree == start.tree
    unchanged = later.take(work, END)
    assert names(later, unchanged.tree) - names(later, begun.tree) == {"first"}


def test_the_earlier_ones_snapshots_may_go(work, snapshots):
    snapshots.begin(work, source(work))
    (work / "first").write_text("1")
    snapshots.take(work, END)
    later, begun = went_on(snapshots, work, shared=False)
    shutil.rmtree(snapshots.directory)
    later.git("fsck", "--strict", "--connectivity-only", begun.tree)
    (work / "second").write_text("2")
    end = later.take(work, END)
    assert {"first", "second"} <= names(later, end.tree)
