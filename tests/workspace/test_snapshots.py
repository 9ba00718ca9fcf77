"""What a workspace held is recorded truly, however it was laid, and what goes wrong is said."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from outrig.core.frozen import replace
from outrig.errors import WorkspaceError
from outrig.workspace import differences, git
from outrig.workspace.snapshots import EMPTY_TREE, END, START
from tests import repositories
from tests.workspace.snapshotting import ODD, Begun, content, modes, names, source

if TYPE_CHECKING:
    from pathlib import Path


def test_an_unchanged_checkout_is_the_commits_own_tree(work: Path, snapshots: Begun) -> None:
    taken = snapshots.begin(work, source(work))
    assert taken.tree == repositories.git("rev-parse", "HEAD^{tree}", cwd=work).decode().strip()
    assert snapshots.take(work, END).tree == taken.tree
    assert (snapshots.tree(START), snapshots.tree(END)) == (taken.tree, taken.tree)


def test_nothing_that_the_user_has_is_stored_again(work: Path, snapshots: Begun) -> None:
    snapshots.begin(work, source(work))
    snapshots.take(work, END)
    found = snapshots.directory / "objects"
    assert [path for path in found.rglob("*") if path.is_file()] == [found / "info/alternates"]


def test_whatever_changed_is_recorded(work: Path, snapshots: Begun) -> None:
    (work / "new before").write_text("0")
    start = snapshots.begin(work, source(work)).tree
    (work / "tracked").write_text("changed\r\n")
    (work / "sub/file").unlink()
    (work / "sub").rmdir()
    (work / "sub").write_text("a file where a folder was")
    (work / "kept.log").write_text("tracked, though ignored")
    (work / "other.log").write_text("ignored")
    (work / "new").mkdir()
    (work / "new" / ODD).write_bytes(bytes(range(256)))
    (work / "link").symlink_to("/etc/passwd")
    (work / "program").write_text("#!/bin/sh\n")
    (work / "program").chmod(0o6755)
    end = snapshots.take(work, END).tree
    assert names(snapshots, start) == {
        ".gitignore", "tracked", "sub/file", "kept.log", "new before",
    }  # fmt: skip
    assert modes(snapshots, end) == {
        ".gitignore": "100644",
        "tracked": "100644",
        "sub": "100644",
        "kept.log": "100644",
        "new before": "100644",
        f"new/{ODD}": "100644",
        "link": "120000",
        "program": "100755",
    }
    assert content(snapshots, end, "tracked") == b"changed\r\n"
    assert content(snapshots, end, "kept.log") == b"tracked, though ignored"
    assert content(snapshots, end, f"new/{ODD}") == bytes(range(256))
    assert content(snapshots, end, "link") == b"/etc/passwd"


def test_a_mode_alone_is_a_change(work: Path, snapshots: Begun) -> None:
    snapshots.begin(work, source(work))
    (work / "tracked").chmod(0o755)
    assert modes(snapshots, snapshots.take(work).tree)["tracked"] == "100755"


def test_a_change_that_keeps_size_and_time(work: Path, snapshots: Begun) -> None:
    """As fast as a test: the clock of the file system may not have moved on."""
    snapshots.begin(work, source(work))
    before = (work / "tracked").stat()
    (work / "tracked").write_text("9\n")
    os.utime(work / "tracked", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert content(snapshots, snapshots.take(work).tree, "tracked") == b"9\n"


def test_a_session_that_ignores_files_hides_none_that_were_there(
    work: Path, snapshots: Begun
) -> None:
    (work / "new before").write_text("0")
    snapshots.begin(work, source(work))
    (work / ".gitignore").write_text("*\n")
    (work / "tracked").write_text("2\n")
    (work / "new before").unlink()
    (work / "hidden").write_text("as it asked for")
    end = snapshots.take(work).tree
    assert names(snapshots, end) == {".gitignore", "tracked", "sub/file", "kept.log"}
    assert content(snapshots, end, "tracked") == b"2\n"


def test_the_users_rules_hold_as_they_were(work: Path, snapshots: Begun, tmp_path: Path) -> None:
    (work / ".git/info").mkdir(exist_ok=True)
    (work / ".git/info/exclude").write_text("*.tmp\n")
    snapshots.begin(work, source(work))
    (tmp_path / "session/ignored").write_text("")
    (work / ".git/info/exclude").write_text("*\n")
    for name in ("x.swp", "x.tmp", "x"):
        (work / name).write_text("")
    found = names(snapshots, snapshots.take(work).tree)
    assert found == {".gitignore", "tracked", "sub/file", "kept.log", "x"}


def test_the_repositorys_own_setting_comes_before_the_users(work: Path, snapshots: Begun) -> None:
    (snapshots.directory.parent / "theirs").write_text("*.bak\n")
    repositories.git("config", "core.excludesFile", "~/theirs", cwd=work)
    for name in ("x.swp", "x.bak"):
        (work / name).write_text("")
    found = names(snapshots, snapshots.begin(work, source(work)).tree)
    assert found == {".gitignore", "tracked", "sub/file", "kept.log", "x.swp"}


def test_a_directory_without_git(tmp_path: Path, snapshots: Begun) -> None:
    top = tmp_path / "plain"
    (top / "node_modules").mkdir(parents=True)
    (top / "node_modules/x").write_text("")
    (top / ".gitignore").write_text("node_modules/\n")
    (top / "file").write_text("1")
    start = snapshots.begin(top, None).tree
    assert names(snapshots, start) == {".gitignore", "file"}
    assert snapshots.take(top).tree == start
    (top / "file").unlink()
    assert names(snapshots, snapshots.take(top).tree) == {".gitignore"}


def test_an_empty_directory(tmp_path: Path, snapshots: Begun) -> None:
    (tmp_path / "empty").mkdir()
    start = snapshots.begin(tmp_path / "empty", None).tree
    assert names(snapshots, start) == set()
    assert snapshots.take(tmp_path / "empty", END).tree == start
    (tmp_path / "empty/first").write_text("1")
    assert names(snapshots, snapshots.take(tmp_path / "empty").tree) == {"first"}


# ---------------------------------------------------------------- what a repository may be like


def test_marks_that_make_git_look_away_count_for_nothing(work: Path, snapshots: Begun) -> None:
    repositories.git("update-index", "--assume-unchanged", "tracked", cwd=work)
    repositories.git("update-index", "--skip-worktree", "sub/file", cwd=work)
    snapshots.begin(work, source(work))
    (work / "tracked").write_text("2\n")
    (work / "sub/file").write_text("3\n")
    end = snapshots.take(work).tree
    assert content(snapshots, end, "tracked") == b"2\n"
    assert content(snapshots, end, "sub/file") == b"3\n"


def test_staged_conflicting_and_intended_entries(work: Path, snapshots: Begun) -> None:
    (work / "staged.log").write_text("1")
    repositories.git("add", "-f", "staged.log", cwd=work)
    (work / "intended.log").write_text("2")
    repositories.git("add", "-f", "-N", "intended.log", cwd=work)
    blob = repositories.git("hash-object", "-w", "tracked", cwd=work).decode().strip()
    three = "".join(f"100644 {blob} {stage}\tboth\n" for stage in (1, 2, 3))
    repositories.git("update-index", "--index-info", cwd=work, input=three.encode())
    (work / "both").write_text("<<<<\n")
    start = snapshots.begin(work, source(work)).tree
    assert content(snapshots, start, "both") == b"<<<<\n"
    assert content(snapshots, start, "intended.log") == b"2"
    assert content(snapshots, start, "staged.log") == b"1"


def test_a_split_index_is_read_by_its_repository(work: Path, snapshots: Begun) -> None:
    repositories.git("update-index", "--split-index", cwd=work)
    start = snapshots.begin(work, source(work)).tree
    assert start == repositories.git("rev-parse", "HEAD^{tree}", cwd=work).decode().strip()


def test_a_repository_with_longer_ids(tmp_path: Path, snapshots: Begun) -> None:
    top = tmp_path / "long"
    top.mkdir()
    repositories.git("init", "-q", "--object-format=sha256", cwd=top)
    (top / "file").write_text("1")
    repositories.git("add", ".", cwd=top)
    (top / "new").write_text("2")
    taken = snapshots.begin(top, replace(source(top), sha256=True))
    assert len(taken.tree) == 64
    assert content(snapshots, taken.tree, "new") == b"2"


def test_a_submodule_is_recorded_as_files(work: Path, snapshots: Begun, tmp_path: Path) -> None:
    other = repositories.made(tmp_path / "other", file="1\n")
    allowed = ("-c", "protocol.file.allow=always")
    repositories.git(*allowed, "submodule", "add", "-q", str(other), "module", cwd=work)
    start = snapshots.begin(work, source(work)).tree
    assert modes(snapshots, start)["module/file"] == "100644"
    (work / "module/file").write_text("2\n")
    assert content(snapshots, snapshots.take(work).tree, "module/file") == b"2\n"


def test_files_of_nested_repositories(
    work: Path, snapshots: Begun, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshots.begin(work, source(work))
    repositories.made(work / "one", file="1")
    repositories.made(work / "one/two", file="2")
    end = snapshots.take(work)
    assert {"one/file", "one/two/file"} <= names(snapshots, end.tree)
    assert not any(".git/" in name for name in names(snapshots, end.tree))
    monkeypatch.setattr(differences, "_NESTED", 1)
    end = snapshots.take(work)
    assert [one.path for one in end.skipped] == [b"one/two/"]


# ---------------------------------------------------------------- what goes wrong


def test_without_a_start_there_is_no_end(work: Path, snapshots: Begun) -> None:
    with pytest.raises(WorkspaceError, match="no start snapshot"):
        snapshots.take(work, END)


def test_without_git_it_says_so(work: Path, tmp_path: Path) -> None:
    found = Begun(tmp_path / "s.git", {"PATH": str(tmp_path / "empty")})
    with pytest.raises(WorkspaceError, match="git is needed"):
        found.begin(work, source(work))


def test_in_an_empty_directory_git_is_not_asked(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    found = Begun(tmp_path / "s.git", {"PATH": str(tmp_path / "empty")})
    assert found.begin(tmp_path / "empty", None).tree == EMPTY_TREE["sha1"]
    assert found.take(tmp_path / "empty", END).tree == EMPTY_TREE["sha1"]
    (tmp_path / "empty/first").write_text("1")
    with pytest.raises(WorkspaceError, match="git is needed"):
        found.take(tmp_path / "empty")


def test_a_disk_that_refuses_is_said(work: Path, snapshots: Begun) -> None:
    snapshots.begin(work, source(work))
    (work / "new").write_text("1")
    (snapshots.directory / "objects/pack").rmdir()
    (snapshots.directory / "objects/pack").write_text("no directory")
    with pytest.raises(WorkspaceError, match="git"):
        snapshots.take(work, END)
    assert snapshots.tree(END) is None
    assert not list(snapshots.directory.glob("scratch-*"))


def test_a_broken_index_is_said_in_gits_words(work: Path, snapshots: Begun) -> None:
    (work / ".git/index").write_bytes(b"no index")
    with pytest.raises(WorkspaceError, match="index"):
        snapshots.begin(work, source(work))


def test_a_tree_that_is_gone(work: Path, snapshots: Begun, tmp_path: Path) -> None:
    snapshots.begin(work, source(work))
    work.rename(tmp_path / "away")
    with pytest.raises(WorkspaceError, match="does not exist"):
        snapshots.take(work, END)


def test_what_git_does_not_answer_is_given_up(
    work: Path, snapshots: Begun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git, "SECONDS", 0.0)
    with pytest.raises(WorkspaceError, match="does not answer"):
        snapshots.begin(work, None)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_the_empty_tree_has_the_id_that_git_gives_it(algorithm: str) -> None:
    assert EMPTY_TREE[algorithm] == hashlib.new(algorithm, b"tree 0\0").hexdigest()
