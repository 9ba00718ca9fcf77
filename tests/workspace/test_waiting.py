"""What git would wait for is refused, wherever git opens it, and what is usual is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from outrig.errors import WorkspaceError
from outrig.workspace import waiting
from tests.workspace.repositories import Tree, made


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """With a linked worktree, a packed ref, a pack, links and borrowed objects: all usual."""
    found = made(tmp_path / "repo")
    found.commit("base", file="1")
    found.git("worktree", "add", "-q", tmp_path / "linked")
    found.git("gc", "-q")
    found.commit("more", file="2")
    lender = made(tmp_path / "lender")
    (found.git_dir / "objects/info/alternates").write_text(f"# lent\n{lender.git_dir}/objects\n")
    (found.git_dir / "hooks").mkdir(exist_ok=True)
    os.mkfifo(found.git_dir / "hooks/nobody-opens-it")
    (found.git_dir / "info/round").symlink_to(".")
    (found.git_dir / "nowhere").symlink_to("not-there")

    (found.git_dir / "more").symlink_to("../file")
    return found


def test_what_is_usual_may_be_read(tree: Tree, tmp_path: Path) -> None:
    waiting.refuse(tree.git_dir)
    waiting.refuse(tree.git_dir / "worktrees/linked", tree.git_dir)
    waiting.refuse_objects(tree.git_dir / "objects", loose=False)
    waiting.refuse(tmp_path / "not there")


PLACES = (
    *("index", "HEAD", "config", "packed-refs", "refs/heads/main", "refs/heads/a/b", "logs/HEAD"),
    *("info/attributes", "info/exclude", "shallow", "worktrees/linked/index"),
    *("objects/info/alternates", "objects/info/commit-graph", "objects/pack/pack-x.idx"),
    *("objects/ab/cdef", "../../lender/.git/objects/pack/multi-pack-index"),
)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("linked", [False, True])
def test_a_fifo_is_refused_and_named(
    tree: Tree, tmp_path: Path, place: str, *, linked: bool
) -> None:
    path = Path(os.path.normpath(tree.git_dir / place))
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(tmp_path / "fifo" if linked else path)
    if linked:
        path.symlink_to(tmp_path / "fifo")
    with pytest.raises(WorkspaceError, match="is a FIFO") as refused:
        waiting.refuse(tree.git_dir)
    assert str(path) in refused.value.message
    assert refused.value.hint


def test_so_are_devices_and_folders_behind_a_link(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/main").symlink_to("/dev/zero")
    (tree.git_dir / "refs/heads/evil").symlink_to(tmp_path / "outside")
    with pytest.raises(WorkspaceError, match="refs/heads/evil/main is a device"):
        waiting.refuse(tree.git_dir)


def test_another_repository_in_this_ones_place_is_refused(tree: Tree, tmp_path: Path) -> None:
    (tree.git_dir / "commondir").write_text(f"{tmp_path}\n")
    with pytest.raises(WorkspaceError, match="commondir"):
        waiting.refuse(tree.git_dir)


def test_loose_objects_may_be_left_out(tree: Tree) -> None:
    (tree.git_dir / "objects/ab").mkdir(exist_ok=True)
    os.mkfifo(tree.git_dir / "objects/ab/cd")
    waiting.refuse_objects(tree.git_dir / "objects", loose=False)
    with pytest.raises(WorkspaceError):
        waiting.refuse_objects(tree.git_dir / "objects")


def test_quoted_borrowing_is_followed(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / 'odd "place"').mkdir()
    os.mkfifo(tmp_path / 'odd "place"/cd')
    line = f'"{tmp_path}/odd \\"place\\""\n'
    (tree.git_dir / "objects/info/alternates").write_text(line)
    with pytest.raises(WorkspaceError, match="is a FIFO"):
        waiting.refuse(tree.git_dir)


def test_borrowing_in_a_ring_ends(tree: Tree) -> None:
    """A session can write a few lines that lead to themselves: five deep, a billion ways."""
    objects = tree.git_dir / "objects"
    lines = f"{objects}\n{objects}/../objects\n../objects\n\0\n" * 200
    (objects / "info/alternates").write_text(lines)
    waiting.refuse(tree.git_dir)
    os.mkfifo(objects / "pack/pack-x.idx")
    with pytest.raises(WorkspaceError, match="pack-x"):
        waiting.refuse(tree.git_dir)
