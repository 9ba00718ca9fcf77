"""Hostile trees are recorded truly, keep nobody waiting, and nothing in them runs."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from outrig.workspace import blobs
from tests import repositories
from tests.repositories import Canary
from tests.workspace.snapshotting import Begun, content, modes, names, source

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_no_file_keeps_nobody_waiting(work: Path, snapshots: Begun) -> None:
    snapshots.begin(work, source(work))
    os.mkfifo(work / "fifo")
    (work / "tracked").unlink()
    os.mkfifo(work / "tracked")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(work / "socket"))
        taken = snapshots.take(work)
    assert names(snapshots, taken.tree) == {".gitignore", "sub/file", "kept.log"}


def test_rules_that_are_a_fifo_are_no_rules(work: Path, snapshots: Begun) -> None:
    snapshots.begin(work, source(work))
    (work / ".gitignore").unlink()
    os.mkfifo(work / ".gitignore")
    (work / "x.log").write_text("")
    assert names(snapshots, snapshots.take(work).tree) == {
        "tracked", "sub/file", "kept.log", "x.log",
    }  # fmt: skip


def test_a_nested_repository_of_fifos_keeps_nobody_waiting(work: Path, snapshots: Begun) -> None:
    snapshots.begin(work, source(work))
    (work / "nested/.git").mkdir(parents=True)
    for name in ("HEAD", "config", "commondir"):
        os.mkfifo(work / "nested/.git" / name)
    assert names(snapshots, snapshots.take(work).tree) >= {"tracked", "sub/file"}


def test_a_huge_file_is_named_and_not_recorded(
    work: Path, snapshots: Begun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blobs, "MOST", 10)
    (work / "huge").touch()
    os.truncate(work / "huge", 10 * 1024**3)
    (work / "much").write_bytes(b"x" * 11)
    start = snapshots.begin(work, source(work))
    assert names(snapshots, start.tree) == {".gitignore", "tracked", "sub/file", "kept.log"}
    assert [one.path for one in start.skipped] == [b"huge", b"much"]
    (work / "much").write_bytes(b"x")  # what the session did to it nobody can tell any more
    os.truncate(work / "tracked", 10 * 1024**3)
    end = snapshots.take(work)
    assert end.tree == start.tree
    assert [one.path for one in end.skipped] == [b"tracked", b"huge", b"much"]


def test_names_that_git_refuses(work: Path, snapshots: Begun) -> None:
    snapshots.begin(work, source(work))
    (work / "new").mkdir()
    (work / "new/.GIT").write_text("")
    (work / "new/git~1").write_text("")
    (work / "new/.gitmodules").symlink_to("x")
    taken = snapshots.take(work)
    assert "new/git~1" in names(snapshots, taken.tree)
    assert [one.path for one in taken.skipped] == [b"new/.GIT", b"new/.gitmodules"]


def test_no_link_leads_out_of_the_tree(work: Path, snapshots: Begun, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("secret")
    snapshots.begin(work, source(work))
    (work / "sub/file").unlink()
    (work / "sub").rmdir()
    (work / "sub").symlink_to(tmp_path / "outside")
    end = snapshots.take(work).tree
    assert modes(snapshots, end)["sub"] == "120000"
    assert "sub/file" not in names(snapshots, end)


def test_bytes_are_recorded_as_they_are(work: Path, snapshots: Begun) -> None:
    snapshots.begin(work, source(work))
    (work / ".gitattributes").write_text("* text=auto eol=lf ident working-tree-encoding=UTF-16\n")
    (work / "tracked").write_bytes(b"a\r\n$Id$\r\n")
    (work / "new").write_bytes(b"b\r\n$Id$\r\n")
    end = snapshots.take(work).tree
    assert content(snapshots, end, "tracked") == b"a\r\n$Id$\r\n"
    assert content(snapshots, end, "new") == b"b\r\n$Id$\r\n"


def test_no_program_of_the_trees_runs(work: Path, snapshots: Begun, tmp_path: Path) -> None:
    canary = Canary(tmp_path)
    nested = repositories.made(work / "nested", file="1")
    canary.plant(nested)
    canary.plant(work)
    snapshots.begin(work, source(work))
    for top in (work, nested):
        (top / "new").write_text("1")
    (work / "tracked").write_text("2")
    (nested / "file").write_text("2")
    end = snapshots.take(work).tree
    assert {"new", "nested/new"} <= names(snapshots, end)
    assert canary.sang() == ""
    repositories.git("status", cwd=work)
    assert canary.sang()  # a plain git runs them


@pytest.mark.parametrize("kind", ["file", "link", "nothing"])
def test_a_git_directory_that_was_replaced(
    kind: str, work: Path, snapshots: Begun, tmp_path: Path
) -> None:
    snapshots.begin(work, source(work))
    hostile = repositories.made(tmp_path / "hostile")
    Canary(tmp_path).plant(hostile)
    (work / ".git").rename(tmp_path / "away")
    if kind == "file":
        (work / ".git").write_text(f"gitdir: {hostile}/.git\n")
    elif kind == "link":
        (work / ".git").symlink_to(hostile / ".git")
    (tmp_path / "away").rename(work / ".git.away") if kind == "nothing" else None
    (work / "new").write_text("1")
    (snapshots.directory / "objects/info/alternates").write_text(f"{tmp_path}/away/objects\n")
    assert "new" in names(snapshots, snapshots.take(work).tree)
    assert not (tmp_path / "sang").exists()
