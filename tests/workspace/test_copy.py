"""A copy of a tree: what it keeps, what stays behind, what cannot be."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from outrig.core import ignore
from outrig.errors import WorkspaceError
from outrig.workspace.copy import copy

if TYPE_CHECKING:
    from pathlib import Path

NOTHING = ignore.rules(())


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "deep/er").mkdir(parents=True)
    (root / "deep/er/file").write_bytes(os.urandom(100_000))
    (root / "run").write_text("#!/bin/sh\n")
    (root / "run").chmod(0o4755)
    (root / "twin").hardlink_to(root / "run")
    (root / "out").symlink_to("/etc/passwd")
    (root / "gone").symlink_to("nowhere")
    os.utime(root / "deep/er/file", ns=(1_000_000_001, 2_000_000_002))
    (root / "deep").chmod(0o750)
    (tmp_path / "to").mkdir()
    return root


def test_files_modes_times_and_links(tree, tmp_path):
    to = tmp_path / "to"
    assert copy(tree, to, exclude=NOTHING) == 0
    assert (to / "deep/er/file").read_bytes() == (tree / "deep/er/file").read_bytes()
    assert (to / "deep/er/file").stat().st_mtime_ns == 2_000_000_002
    assert stat.S_IMODE((to / "deep").stat().st_mode) == 0o750
    assert stat.S_IMODE((to / "run").stat().st_mode) == 0o755  # setuid stays behind
    assert (to / "run").stat().st_ino == (to / "twin").stat().st_ino
    assert os.readlink(to / "out") == "/etc/passwd"
    assert os.readlink(to / "gone") == "nowhere"


def test_what_is_written_to_the_copy_stays_there(tree, tmp_path):
    copy(tree, tmp_path / "to", exclude=NOTHING)
    (tmp_path / "to/run").write_text("changed")
    assert (tree / "run").read_text() == "#!/bin/sh\n"


def test_what_is_no_file_stays_behind(tree, tmp_path):
    os.mkfifo(tree / "fifo")
    assert copy(tree, tmp_path / "to", exclude=NOTHING) == 1
    assert not (tmp_path / "to/fifo").exists()


def test_what_is_excluded(tree, tmp_path):
    copy(tree, tmp_path / "to", exclude=ignore.rules(["deep/er/", "out"]), without="run")
    assert sorted(os.listdir(tmp_path / "to")) == ["deep", "gone", "twin"]
    assert os.listdir(tmp_path / "to/deep") == []


def test_a_disk_that_is_full(tree, tmp_path, monkeypatch):
    def full(*_: object) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "copy_file_range", full)
    with pytest.raises(WorkspaceError, match="no room for a copy") as refused:
        copy(tree, tmp_path / "to", exclude=NOTHING)
    assert "overlay" in str(refused.value.hint)
