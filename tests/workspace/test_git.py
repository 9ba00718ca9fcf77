"""Git is asked one thing, and no program that a tree has planted runs."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from outrig.errors import WorkspaceError
from outrig.workspace import git

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def run(*argv: str | Path, cwd: Path) -> None:
    subprocess.run(["git", *map(str, argv)], cwd=cwd, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    top = tmp_path / "repo"
    top.mkdir()
    run("init", "-q", "-b", "main", cwd=top)
    (top / ".gitignore").write_text("*.log\nout/\n")
    (top / "tracked").write_text("1")
    (top / "sub").mkdir()
    (top / "sub/tracked").write_text("1")
    run("add", ".", cwd=top)
    (top / "sub/new").write_text("1")
    (top / "noise.log").write_text("1")
    (top / "out").mkdir()
    (top / "out/made").write_text("1")
    return top


@pytest.fixture
def canary(tmp_path: Path) -> Callable[[], bool]:
    """A program that leaves a mark when it runs; asks whether it has."""
    program = tmp_path / "canary"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)
    return (tmp_path / "ran").exists


def listed(directory: Path, top: Path) -> set[str]:
    return set(git.files(directory, top, env=os.environ))


def test_tracked_and_new_files_but_none_that_is_ignored(checkout: Path) -> None:
    assert listed(checkout, checkout) == {".gitignore", "tracked", "sub/tracked", "sub/new"}


def test_paths_are_relative_to_the_directory_asked_about(checkout: Path) -> None:
    assert listed(checkout / "sub", checkout) == {"tracked", "new"}


def test_names_may_hold_anything(checkout: Path) -> None:
    name = os.fsdecode(b"a\n\xff \"b'")
    (checkout / name).write_text("")
    assert name in listed(checkout, checkout)


def test_a_repository_in_the_repository_is_named_and_not_entered(checkout: Path) -> None:
    (checkout / "nested").mkdir()
    run("init", "-q", cwd=checkout / "nested")
    (checkout / "nested/file").write_text("")
    assert "nested/" in listed(checkout, checkout)


def test_the_users_own_git_settings_do_not_count(checkout: Path, tmp_path: Path) -> None:
    ignore = tmp_path / "everything"
    ignore.write_text("*\n")
    run("config", "--global", "core.excludesFile", ignore, cwd=checkout)
    assert "sub/new" in listed(checkout, checkout)


def test_somebody_elses_repository_is_read_too(checkout: Path) -> None:
    """Git itself would refuse, because it would obey it. Without root: nothing to show."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a repository away")
    for path in (checkout, *checkout.rglob("*")):
        os.lchown(path, 1000, 1000)
    assert "tracked" in listed(checkout, checkout)


# ---------------------------------------------------------------- what a tree may have planted


def test_the_canary_sings_where_nothing_is_switched_off(
    checkout: Path, tmp_path: Path, canary: Callable[[], bool]
) -> None:
    """What the tests below plant does run under a plain git."""
    run("config", "core.fsmonitor", tmp_path / "canary", cwd=checkout)
    subprocess.run(["git", "ls-files", "-o"], cwd=checkout, check=True, capture_output=True)
    assert canary()


@pytest.mark.parametrize(
    "key",
    [
        "core.fsmonitor",
        "core.pager",
        "pager.ls-files",
        "core.editor",
        "core.sshCommand",
        "core.askPass",
        "core.alternateRefsCommand",
        "credential.helper",
        "diff.external",
        "gpg.program",
        "filter.x.clean",
        "filter.x.process",
        "diff.x.textconv",
        "alias.ls-files",
    ],
)
def test_no_program_of_the_repositorys_settings_runs(
    key: str, checkout: Path, tmp_path: Path, canary: Callable[[], bool]
) -> None:
    program = f"!{tmp_path}/canary" if key.startswith("alias") else f"{tmp_path}/canary"
    run("config", key, program, cwd=checkout)
    (checkout / ".gitattributes").write_text("* filter=x diff=x\n")
    assert "tracked" in listed(checkout, checkout)
    assert not canary()


def test_no_hook_runs(checkout: Path, tmp_path: Path, canary: Callable[[], bool]) -> None:
    hooks = checkout / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-index-change", "fsmonitor-watchman", "pre-commit", "reference-transaction"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        (hooks / name).chmod(0o755)
    run("config", "core.hooksPath", hooks, cwd=checkout)
    run("config", "core.fsmonitor", "true", cwd=checkout)
    os.utime(checkout / "tracked", (1, 1))  # the index would be refreshed, and the hook told
    assert "tracked" in listed(checkout, checkout)
    assert not canary()


def test_what_a_partial_clone_lacks_is_not_fetched(
    checkout: Path, tmp_path: Path, canary: Callable[[], bool]
) -> None:
    """A sparse index needs trees; what lacks, git fetches with a program that settings name."""
    run("config", "user.email", "a@b", cwd=checkout)
    run("config", "user.name", "a", cwd=checkout)
    run("commit", "-qm", "x", cwd=checkout)
    (checkout / "sub/new").unlink()
    run("sparse-checkout", "set", "--cone", "--sparse-index", "other", cwd=checkout)
    for path in (checkout / ".git/objects").glob("??/*"):
        path.unlink()
    for key, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.url": str(tmp_path / "nowhere"),
        "remote.origin.uploadpack": str(tmp_path / "canary"),
        "remote.origin.promisor": "true",
        "protocol.allow": "always",
    }.items():
        run("config", key, value, cwd=checkout)
    assert "tracked" in listed(checkout, checkout)
    assert not canary()
    subprocess.run(["git", "ls-files"], cwd=checkout, check=False, capture_output=True)
    assert canary()  # a plain git runs it


def test_nothing_is_written(checkout: Path) -> None:
    os.utime(checkout / "tracked", (1, 1))
    before = (checkout / ".git/index").read_bytes()
    listed(checkout, checkout)
    assert (checkout / ".git/index").read_bytes() == before
    assert not (checkout / ".git/index.lock").exists()


def test_a_git_that_waits_for_ever_is_given_up(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / ".git/index").unlink()
    os.mkfifo(checkout / ".git/index")
    monkeypatch.setattr(git, "SECONDS", 0.2)
    with pytest.raises(WorkspaceError, match="does not answer"):
        listed(checkout, checkout)


def test_a_broken_repository_is_said_in_gits_words(checkout: Path) -> None:
    (checkout / ".git/index").write_bytes(b"no index")
    with pytest.raises(WorkspaceError, match=r"git ls-files in .* failed: "):
        listed(checkout, checkout)


def test_without_git_it_says_so(checkout: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="git is needed") as caught:
        git.files(checkout, checkout, env={"PATH": str(tmp_path / "empty")})
    assert "apt-get install git" in (caught.value.hint or "")


def test_the_top_level_is_found_and_a_linked_git_is_none(checkout: Path, tmp_path: Path) -> None:
    assert git.top_level(checkout / "sub") == checkout
    other = tmp_path / "other"
    other.mkdir()
    assert git.top_level(other) is None
    (other / ".git").symlink_to(checkout / ".git")
    assert git.top_level(other) is None
