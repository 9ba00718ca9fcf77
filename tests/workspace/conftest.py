"""Repositories that landings and snapshots are tried on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests import repositories
from tests.workspace.repositories import Tree, made
from tests.workspace.snapshotting import Begun

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """`main`, and `work` that changes, adds, removes, and turns files into directories and back."""
    found = made(tmp_path / "repo")
    found.write(_gitignore="*.log\n", keep="k", change="1", gone="1", was__dir="d", now="file")
    found.write(deep__er__gone="1", other="o")
    (found.path / "link").symlink_to("keep")
    found.commit("base")
    found.git("checkout", "-q", "-b", "work")
    found.write(change="2", gone=None, deep__er__gone=None, new="n", sub__new="n", was__dir=None)
    (found.path / "was").rmdir()
    found.write(was="a file now", now=None, now2="x")
    found.write(now__inside="1") if not (found.path / "now").exists() else None
    (found.path / "run").write_text("#!/bin/sh\n")
    (found.path / "run").chmod(0o755)
    (found.path / "link").unlink()
    (found.path / "link").symlink_to("new")
    found.commit("work")
    found.git("checkout", "-q", "main")
    return found


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return repositories.made(
        tmp_path / "repo",
        **{".gitignore": "*.log\nout/\n", "tracked": "1\n", "sub__file": "2\n", "kept.log": "3\n"},
    )


@pytest.fixture
def snapshots(tmp_path: Path) -> Begun:
    (tmp_path / "session").mkdir()
    return Begun(tmp_path / "session/snapshots.git", os.environ)
