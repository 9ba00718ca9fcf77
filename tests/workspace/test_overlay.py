"""A layer over a tree, read as data; and what it means for what the tree held."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from outrig.errors import WorkspaceError
from outrig.workspace import overlay
from outrig.workspace.overlay import Change

if TYPE_CHECKING:
    from pathlib import Path


def mounts(place: Path, kind: str) -> str:
    state = place.stat()
    return f"30 1 {os.major(state.st_dev)}:{os.minor(state.st_dev)} / / rw - {kind} /dev/x rw\n"


def whiteout(path: Path) -> None:
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(0, 0))


def test_a_layer_has_its_directories_and_says_how_it_is_mounted(tmp_path):
    root, own = tmp_path / "root", tmp_path / "own"
    root.mkdir(mode=0o750)
    own.mkdir()
    options = overlay.make(root, own)
    assert options["o"] == (f"lowerdir={root},upperdir={own}/upper,workdir={own}/work,userxattr")
    assert stat.S_IMODE((own / "upper").stat().st_mode) == stat.S_IMODE(root.stat().st_mode)


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes device nodes")
def test_what_a_layer_says(tmp_path):
    upper = tmp_path / "upper"
    (upper / "old").mkdir(parents=True)
    (upper / "old/new").write_text("x")
    os.setxattr(upper / "old", "user.overlay.opaque", b"y")
    (upper / "dir").mkdir()
    whiteout(upper / "dir/gone")
    (upper / "link").symlink_to("/etc/passwd")
    os.mkfifo(upper / "fifo")
    assert list(overlay.changes(upper)) == [
        Change(b"dir", "directory"),
        Change(b"dir/gone", "gone"),
        Change(b"link", "link"),
        Change(b"old", "opaque"),
        Change(b"old/new", "file"),
    ]
    held = [b"dir/gone", b"dir/stays", b"link", b"old/a", b"old/b/c", b"older"]
    assert overlay.over(upper, held) == overlay.Layer(
        gone=[b"dir/gone", b"old/a", b"old/b/c"], changed=[b"link"], new=[b"old/new"]
    )


def test_a_file_that_became_an_empty_directory_is_gone(tmp_path):
    (tmp_path / "upper/was-a-file").mkdir(parents=True)
    assert overlay.over(tmp_path / "upper", [b"was-a-file"]).gone == [b"was-a-file"]


def test_nothing_of_a_git_directory_counts(tmp_path):
    (tmp_path / "upper/sub/.Git").mkdir(parents=True)
    (tmp_path / "upper/sub/.Git/config").write_text("x")
    assert overlay.over(tmp_path / "upper", []) == overlay.Layer([], [], [])


@pytest.mark.parametrize("name", ["a,b", "a:b", "a\\b", 'a"b'])
def test_a_path_that_no_mount_option_can_carry(tmp_path, name):
    odd = tmp_path / name
    odd.mkdir()
    with pytest.raises(WorkspaceError, match="no mount option can"):
        overlay.refuse(odd, tmp_path, rootless=False, mounts="")


def test_what_cannot_be_is_refused_by_name(tmp_path):
    with pytest.raises(WorkspaceError, match="a rootless engine"):
        overlay.refuse(tmp_path, tmp_path, rootless=True, mounts="")
    with pytest.raises(WorkspaceError, match="is on nfs4, which cannot be its lower"):
        overlay.refuse(tmp_path, tmp_path, rootless=False, mounts=mounts(tmp_path, "nfs4"))
    with pytest.raises(WorkspaceError, match="is on overlay, which cannot be its upper"):
        overlay.refuse(tmp_path, tmp_path, rootless=False, mounts=mounts(tmp_path, "overlay"))
    overlay.refuse(tmp_path, tmp_path, rootless=False, mounts=mounts(tmp_path, "ext4"))
