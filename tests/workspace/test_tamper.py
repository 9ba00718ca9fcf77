"""A look finds what no snapshot can tell of, and follows nothing that it finds."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import time

import pytest

from outrig.core.tamper import Trace
from outrig.workspace import tamper
from tests import repositories
from tests.repositories import git


@pytest.fixture
def tree(tmp_path):
    top = tmp_path / "tree"
    top.mkdir()
    return top


@pytest.fixture
def then(tree):
    """A moment before which nothing that the test makes was made."""
    now = time.time_ns()
    time.sleep(0.02)  # the kernel's clock for files goes in steps
    return now


def left(tree, since, before=(), **how):
    found = tamper.look(tree, since=since, **how)
    return [*tamper.planted(found, before), *tamper.named(found)]


def told(traces):
    return {(one.kind, one.path): one.what for one in traces}


def test_what_was_there_before_is_not_told(tree, tmp_path):
    repositories.made(tree / "nested")
    os.mkfifo(tree / "pipe")
    (tree / ".envrc").write_text("old")
    (tree / "suid").touch()
    (tree / "suid").chmod(0o4755)
    before = tamper.known(tamper.look(tree, since=None))
    assert sorted(before) == [("fifo", "pipe"), ("repository", "nested/.git")]
    time.sleep(0.02)
    assert left(tree, time.time_ns(), before) == []
    assert stat.S_IMODE((tree / "suid").stat().st_mode) == 0o4755


def test_special_files_are_told(tree, then):
    os.mkfifo(tree / "pipe")
    (tree / "sub").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tree / "sub/socket"))
    assert told(left(tree, then)) == {("fifo", "pipe"): "", ("socket", "sub/socket"): ""}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a device")
def test_devices_are_told_and_overlays_whiteouts_are_not(tree, then):
    os.mknod(tree / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(tree / "gone", stat.S_IFCHR, os.makedev(0, 0))
    assert told(left(tree, then)) == {("device", "null"): ""}


@pytest.mark.parametrize(
    ("mode", "after"),
    [(0o4755, 0o755), (0o2755, 0o755), (0o6111, 0o111), (0o4000, 0), (0o2644, 0o2644)],
)
def test_setuid_and_setgid_are_taken_away(tree, then, mode, after):
    (tree / "node_modules/x").mkdir(parents=True)
    file = tree / "node_modules/x/program"
    file.touch()
    file.chmod(mode)
    expected = {} if mode == after else {("setuid", "node_modules/x/program"): "cleared"}
    assert told(left(tree, then)) == expected
    assert stat.S_IMODE(file.stat().st_mode) == after


def test_a_setuid_program_behind_a_link_is_left_alone(tree, then, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "program").touch()
    (outside / "program").chmod(0o4755)
    (tree / "link").symlink_to(outside / "program")
    (tree / "folder").symlink_to(outside)
    assert told(left(tree, then)) == {
        ("link", "link"): f"-> {outside}/program",
        ("link", "folder"): f"-> {outside}",
    }
    assert stat.S_IMODE((outside / "program").stat().st_mode) == 0o4755


def test_names_that_count_are_found_but_not_among_packages(tree, then):
    for path in (".envrc", "sub/.vscode/tasks.json", "node_modules/a/.vscode/x", "src/main.py"):
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).touch()
    assert told(left(tree, then)) == {
        ("environment", ".envrc"): "",
        ("editor", "sub/.vscode/tasks.json"): "",
    }


def test_a_file_moved_to_a_name_that_counts_is_found(tree):
    (tree / "harmless").write_text("evil")
    os.utime(tree / "harmless", (0, 0))
    time.sleep(0.02)
    since = time.time_ns()
    time.sleep(0.02)
    (tree / "harmless").rename(tree / ".envrc")
    os.utime(tree / ".envrc", (0, 0))
    assert told(left(tree, since)) == {("environment", ".envrc"): ""}


def test_a_planted_repository_and_what_it_would_run(tree, then):
    nested = repositories.made(tree / "a/nested")
    git("config", "core.fsmonitor", "/evil", cwd=nested)
    git("config", "alias.x", "!evil", cwd=nested)
    (nested / ".git/hooks").mkdir(exist_ok=True)
    (nested / ".git/hooks/pre-commit").write_text("evil")
    (nested / ".git/commondir").write_text(".")
    found = told(left(tree, then))
    assert found["repository", "a/nested/.git"] == ""
    assert found["git-config", "a/nested/.git/config"].startswith("runs ")
    assert "core.fsmonitor" in found["git-config", "a/nested/.git/config"]
    assert ("git-hook", "a/nested/.git/hooks/pre-commit") in found
    assert ("git-config", "a/nested/.git/commondir") in found
    assert not [path for _, path in found if path.endswith(".sample")]


def test_a_change_in_a_repository_that_was_there(tree, then):
    nested = repositories.made(tree / "nested")
    before = tamper.known(tamper.look(tree, since=None))
    (nested / ".git/hooks").mkdir(exist_ok=True)
    time.sleep(0.02)
    since = time.time_ns()
    time.sleep(0.02)
    (nested / "new").write_text("1\n")
    git("add", "new", cwd=nested)
    git("commit", "-q", "-m", "usual work", cwd=nested)
    assert left(tree, since, before) == []
    (nested / ".git/hooks/post-commit").write_text("evil")
    assert told(left(tree, since, before)) == {("git-hook", "nested/.git/hooks/post-commit"): ""}


def test_a_repository_moved_elsewhere_is_a_new_one(tree):
    repositories.made(tree / "one")
    before = tamper.known(tamper.look(tree, since=None))
    time.sleep(0.02)
    since = time.time_ns()
    (tree / "one").rename(tree / "two")
    assert told(left(tree, since, before)) == {("repository", "two/.git"): ""}


def test_a_bare_repository(tree, then):
    nested = repositories.made(tree / "nested")
    git("config", "core.fsmonitor", "/evil", cwd=nested)
    (nested / ".git").rename(tree / "docs")
    shutil.rmtree(nested)
    found = told(left(tree, then))
    assert found["repository", "docs"] == ""
    assert found["git-config", "docs/config"] == "runs core.fsmonitor"


def test_a_git_file_or_link_says_where_it_leads(tree, then):
    for name in ("file", "link", "odd"):
        (tree / name).mkdir()
    (tree / "file/.git").write_text("gitdir: /evil\n")
    (tree / "link/.GIT").symlink_to("/evil")
    os.mkfifo(tree / "odd/.git")
    found = told(left(tree, then))
    assert found["repository", "file/.git"] == "a file: gitdir: /evil"
    assert found["repository", "link/.GIT"] == "a link to /evil"
    assert found["repository", "odd/.git"] == "neither a directory nor a file"


def test_the_users_own_git_is_looked_into_only_where_a_session_could_write_it(tree, then):
    repositories.made(tree)
    git("config", "core.pager", "/evil", cwd=tree)
    before = [("repository", ".git")]
    assert left(tree, then, before) == []
    found = told(left(tree, then, before, own_git=True))
    assert found["git-config", ".git/config"] == "runs core.pager"


def test_hooks_and_settings_of_submodules_and_worktrees(tree, then):
    nested = repositories.made(tree / "nested")
    for below in ("modules/a/b", "worktrees/w", "modules/a/b/modules/c"):
        inner = nested / ".git" / below
        (inner / "hooks").mkdir(parents=True)
        (inner / "HEAD").touch()
        (inner / "config.worktree").write_text("[core]\nfsmonitor = /evil\n")
        (inner / "hooks/post-checkout").touch()
    found = told(left(tree, then))
    for below in ("modules/a/b", "worktrees/w", "modules/a/b/modules/c"):
        assert found["git-config", f"nested/.git/{below}/config.worktree"] == "runs core.fsmonitor"
        assert ("git-hook", f"nested/.git/{below}/hooks/post-checkout") in found


def test_a_look_never_waits_and_never_leaves(tree, then, tmp_path):
    nested = repositories.made(tree / "nested")
    (nested / ".git/config").unlink()
    os.mkfifo(nested / ".git/config")
    shutil.rmtree(nested / ".git/hooks", ignore_errors=True)
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks/pre-commit").touch()
    (nested / ".git/hooks").symlink_to(tmp_path / "hooks")
    found = told(left(tree, then))
    assert found["git-config", "nested/.git/config"] == ""
    assert not [kind for kind, _ in found if kind == "git-hook"]


def test_what_was_not_looked_at_is_said(tree, monkeypatch):
    monkeypatch.setattr(tamper, "MOST", 3)
    for name in ("a", "b", "c"):
        (tree / name).mkdir()
    unseen = left(tree, None)
    assert unseen == [Trace(kind="unseen", path="", what="only 3 entries were looked at")]
    deep = tree / "/".join("d" * 1 for _ in range(150))
    deep.mkdir(parents=True)
    monkeypatch.setattr(tamper, "MOST", 10_000)
    assert told(left(tree, None)) == {("unseen", ""): "1 could not be read"}


def test_names_of_any_bytes(tree, then):
    odd = os.fsdecode(b"-a\n\x1b\xff")
    (tree / odd / ".vscode").mkdir(parents=True)
    (tree / odd / ".vscode/x").touch()
    assert told(left(tree, then)) == {("editor", f"{odd}/.vscode/x"): ""}
