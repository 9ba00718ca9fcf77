"""Sessions on the real engine work on a repository, and their work comes home."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.workspace.repositories import Tree

if TYPE_CHECKING:
    from tests.cli.conftest import Run

pytestmark = pytest.mark.docker

WORK = """
set -e
echo 2 >change; git add change; git commit -qm agent
echo late >late; rm gone
"""
WHO = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "A"}
WHO |= {"GIT_COMMITTER_EMAIL": "a@b"}


@pytest.fixture
def user(run: Run) -> Tree:
    tree = Tree(run.work)
    tree.git("init", "-q", "-b", "main")
    tree.commit("base", change="1", gone="1")
    return tree


def work(run: Run, debian: str, mode: str) -> dict[str, Any]:
    options = ("--image", debian, "--network", "none", "--workspace", mode, "--json")
    done = run.outrig("run", *options, "--", "sh", "-c", WORK, env={**run.env, **WHO})
    record: dict[str, Any] = json.loads(done.ok().out)
    return record


def outrig(run: Run, *args: str) -> str:
    return run.outrig(*args, env={**run.env, **WHO}).ok().out.strip()


@pytest.mark.parametrize("mode", ["worktree", "copy", "overlay"])
def test_a_tree_of_its_own_comes_home(run: Run, user: Tree, debian: str, mode: str) -> None:
    record = work(run, debian, mode)
    assert user.status() == []
    commit = outrig(run, "accept", record["id"])
    assert user.git("rev-parse", "main") == commit
    assert user.git("log", "--format=%s", "main~1").splitlines() == ["agent", "base"]
    assert user.text("late") == "late"
    assert user.git("ls-files").splitlines() == ["change", "late"]
    assert user.status() == []
    outrig(run, "discard", "-y", record["id"])
    assert user.git("for-each-ref", "refs/outrig") == ""


def test_in_bind_mode_the_commits_are_taken_onto_the_branch(
    run: Run, user: Tree, debian: str
) -> None:
    record = work(run, debian, "bind")
    assert user.git("log", "--format=%s") == "base"
    outrig(run, "accept", record["id"])
    assert user.git("log", "--format=%s").splitlines() == ["agent", "base"]
    assert user.status() == [" D gone", "?? late"]


def test_what_was_archived_goes_with_discard(run: Run, user: Tree, debian: str) -> None:
    record = work(run, debian, "worktree")
    outrig(run, "archive", record["id"])
    assert user.git("for-each-ref", "--format=%(refname)", "refs/outrig") == (
        f"refs/outrig/archive/{record['id']}"
    )
    outrig(run, "discard", "-y", record["id"])
    assert user.git("for-each-ref", "refs/outrig") == ""
    assert user.status() == []
