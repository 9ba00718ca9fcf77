"""Workspace modes on the real engine: what the session sees, and what it cannot reach."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Run
    from tests.conftest import Finished

pytestmark = pytest.mark.docker

WHO = {f"GIT_{role}_NAME": "A" for role in ("AUTHOR", "COMMITTER")}
WHO |= {f"GIT_{role}_EMAIL": "a@example.org" for role in ("AUTHOR", "COMMITTER")}
MODES = ["bind", "bind-ro", "worktree", "overlay", "copy"]
OWN = ["worktree", "overlay", "copy"]
NASTY = """
git checkout -q -b agent && echo agent > made && git add made && git commit -q -m agent
git config core.hooksPath /evil; git config core.fsmonitor /evil; git remote add evil /evil
git branch -f main HEAD; git tag evil; git gc -q; git stash list
mkdir -p .git/hooks && echo '#!/bin/sh' > .git/hooks/post-checkout
git log --format=%s agent; mv .git moved 2>/dev/null; rm -rf .git 2>/dev/null; true
"""


def git(directory: Path, *args: str | Path) -> str:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    argv = ["git", *identity, "-c", "init.defaultBranch=main", *map(str, args)]
    done = subprocess.run(argv, cwd=directory, capture_output=True, check=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(run: Run) -> Path:
    top = run.work
    git(top, "init", "-q")
    (top / ".github/workflows").mkdir(parents=True)
    (top / ".github/workflows/ci.yml").write_text("on: push\n")
    (top / "file").write_text("first\n")
    git(top, "add", ".")
    git(top, "commit", "-q", "-m", "first")
    return top


def host(run: Run, *args: str | Path, cwd: Path | None = None) -> Finished:
    """On the image host, which has this machine's git; `-c` of sh comes last."""
    return run("--image", "host", *args, cwd=cwd, env=WHO)


def state(top: Path) -> dict[str, str]:
    """Every file's content and mode below a directory."""
    found = {}
    for folder, names, files in os.walk(top):
        for name in (*names, *files):
            path = Path(folder, name)
            data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            found[str(path)] = f"{path.lstat().st_mode:o} {hashlib.sha256(data).hexdigest()}"
    return found


@pytest.mark.parametrize("mode", ["bind", "bind-ro"])
def test_the_repositorys_own_git_stays_byte_identical(run: Run, repository, mode):
    before = state(repository / ".git")
    host(run, "--workspace", mode, "sh", "-c", NASTY).ok()
    assert state(repository / ".git") == before
    assert (repository / "made").exists() is (mode == "bind")


@pytest.mark.parametrize("mode", OWN)
def test_nothing_of_the_users_tree_is_written(run: Run, repository, mode):
    (repository / "file").write_text("mine\n")
    before = state(repository)
    said = host(
        *(run, "--workspace", mode, "sh", "-c"),
        f"cat file; git status --short; echo theirs > file; rm -r .github 2>/dev/null;{NASTY}",
    ).ok()
    after = state(repository)
    pins = {path for path in after if "/refs/outrig" in path}
    assert {path: held for path, held in after.items() if path not in pins} == before
    assert bool(pins) is (mode == "worktree")
    expected = "first\n" if mode == "worktree" else "mine\n M file\n"
    assert said.out == f"{expected}agent\nfirst\n"
    workspace = run.record()["workspace"]
    assert workspace["mode"] == mode
    assert workspace["start"] != workspace["end"]


@pytest.mark.parametrize("mode", MODES)
def test_the_same_place_in_every_mode_and_three_at_once(run: Run, repository, mode):
    script = 'test "$PWD" = /workspace && git rev-parse -q --verify HEAD && echo $$ > /tmp/x'
    argv = ["--image", "host", "--workspace", mode, "sh", "-c", f"{script}; git status --short"]
    running = [run.start(*argv) for _ in range(3)]
    for process in running:
        out, err = process.communicate(timeout=50)
        assert (process.returncode, out.decode()) == (
            0,
            f"{git(repository, 'rev-parse', 'HEAD')}\n",
        ), err


def test_protected_paths_can_be_read_and_not_written(run: Run, repository):
    done = host(
        run,
        "sh",
        "-c",
        "cat .github/workflows/ci.yml; echo x > .github/workflows/ci.yml;"
        "echo x > .github/workflows/new.yml; mv .github away; rm -rf .github; true",
    ).ok()
    assert done.out == "on: push\n"
    assert git(repository, "status", "--porcelain") == ""


def test_a_protected_link_is_not_mounted_over(run: Run, repository, tmp_path):
    (repository / ".vscode").symlink_to("/etc")
    done = host(run, "true").ok()
    assert ".vscode is a symlink and cannot be protected" in done.err


def test_a_linked_worktree_is_a_workspace(run: Run, repository, tmp_path):
    linked = tmp_path / "linked"
    git(repository, "worktree", "add", "-q", "-b", "side", linked)
    before = state(repository / ".git")
    assert host(run, "sh", "-c", NASTY, cwd=linked).ok().out == "agent\nfirst\n"
    assert state(repository / ".git") == before
    assert (linked / ".git").read_text().startswith("gitdir: ")


def test_the_scratch_of_a_read_only_tree(run: Run, repository):
    script = "echo x > $OUTRIG_SCRATCH/x && cat /scratch/x; touch file 2>&1 | grep -c Read-only"
    done = host(run, "--workspace", "bind-ro", "sh", "-c", script).ok()
    assert done.out == "x\n1\n"


@pytest.mark.parametrize("mode", ["bind", *OWN])
def test_what_is_excluded_is_not_seen(run: Run, repository, mode, home):
    (repository / "secrets").mkdir()
    (repository / "secrets/key").write_text("k")
    (repository / "a.pem").write_text("k")
    file = home.config / "outrig/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text('[workspace]\nexclude = ["secrets/", "*.pem"]\n')
    script = "cat secrets/key a.pem 2>/dev/null; ls file"
    assert host(run, "--workspace", mode, "sh", "-c", script).out == "file\n"
    assert (repository / "secrets/key").read_text() == "k"


@pytest.mark.parametrize("mode", ["bind", *OWN])
def test_what_is_excluded_is_not_committed_away(run: Run, repository, mode, home):
    (repository / "secrets").mkdir()
    (repository / "secrets/key").write_text("k")
    (repository / "a.pem").write_text("k")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "second")
    file = home.config / "outrig/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text('[workspace]\nexclude = ["secrets/", "*.pem"]\n')
    script = "git status -s; echo 1 > one; git add -A && git commit -qam agent; git status -s"
    assert host(run, "--workspace", mode, "sh", "-c", script).ok().out == ""
    run.outrig("accept", "@last", env=WHO).ok()
    assert git(repository, "show", "--format=%s", "--name-status") == "agent\n\nA\tone"
    assert (repository / "secrets/key").read_text() == (repository / "a.pem").read_text() == "k"
    assert git(repository, "status", "--short") == ""


def test_copy_works_without_git(run: Run):
    (run.work / "file").write_text("mine")
    (run.work / "link").symlink_to("/etc/passwd")
    os.mkfifo(run.work / "fifo")
    done = run("--workspace", "copy", "sh", "-c", "readlink link; echo theirs > file; ls").ok()
    assert done.out == "/etc/passwd\nfile\nlink\n"
    assert (run.work / "file").read_text() == "mine"
    assert "1 sockets, FIFOs or devices are not in the copy" in done.err


def test_a_worktree_where_there_is_no_repository_is_refused(run: Run):
    done = run("--workspace", "worktree", "true")
    assert done.code == 125
    assert "needs a git repository" in done.err


def test_git_bind_says_what_it_risks_and_is_refused_where_it_runs_programs(run: Run, repository):
    env = {"OUTRIG_WORKSPACE__GIT": "bind"}
    done = run("sh", "-c", "ls .git/HEAD", env=env).ok()
    assert "the session can write the repository's own .git" in done.err
    git(repository, "config", "core.fsmonitor", "/x")
    done = run("true", env=env)
    assert done.code == 125
    assert "core.fsmonitor" in done.err


def test_discard_takes_away_tree_and_pin(run: Run, repository):
    host(run, "--workspace", "worktree", "true").ok()
    assert git(repository, "for-each-ref", "refs/outrig")
    session = run.record()["id"]
    assert run.record()["resources"][0]["kind"] == "pin"
    run.outrig("discard", "-y", session).ok()
    assert git(repository, "for-each-ref", "refs/outrig") == ""
    assert not (run.root / session).exists()


def test_an_overlay_leaves_no_volume(run: Run, repository, engine_client):
    host(run, "--workspace", "overlay", "sh", "-c", "rm file; echo x > new").ok()
    session = run.record()["id"]
    assert run.record()["resources"] == []
    assert not [one for one in engine_client.volumes.list() if session in one.name]
    run.outrig("discard", "-y", session).ok()
    assert (repository / "file").exists()
