"""Sessions on the real engine go on in what an earlier one left."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.workspace.repositories import Tree

if TYPE_CHECKING:
    from tests.cli.conftest import Run
    from tests.conftest import Finished

pytestmark = pytest.mark.docker

OWN = ["worktree", "copy", "overlay"]
WHO = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "A"}
WHO |= {"GIT_COMMITTER_EMAIL": "a@b"}
FIRST = """
set -e
echo 2 >change; git add change; git commit -qm agent
echo late >late; rm gone; echo home >~/kept
"""
SECOND = """
set -e
cat late ~/kept; git log -1 --format=%s; test ! -e gone
echo more >>late; echo 1 >second; git add second; git commit -qm again
"""


@pytest.fixture
def user(run: Run) -> Tree:
    tree = Tree(run.work)
    tree.git("init", "-q", "-b", "main")
    tree.commit("base", change="1", gone="1", mine="1")
    return tree


def work(run: Run, debian: str, *options: str, script: str = FIRST) -> dict[str, Any]:
    own = ("--image", debian, "--network", "none", "--json")
    done = run.outrig("run", *own, *options, "--", "sh", "-c", script, env={**run.env, **WHO})
    record: dict[str, Any] = json.loads(done.ok().out)
    return record


def again(run: Run, *args: str, **env: str) -> Finished:
    return run.outrig("resume", *args, env={**run.env, **WHO, **env})


def outrig(run: Run, *args: str) -> str:
    return run.outrig(*args, env={**run.env, **WHO}).ok().out.strip()


def shown(run: Run, session: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(outrig(run, "show", "--json", session))
    return record


@pytest.mark.parametrize("mode", OWN)
def test_both_sessions_work_comes_home_together(
    run: Run, user: Tree, debian: str, mode: str
) -> None:
    first = work(run, debian, "--workspace", mode)
    done = again(run, first["id"], "--", "sh", "-c", SECOND).ok()
    assert done.out.splitlines() == ["late", "home", "agent"]
    second = shown(run, "@last")
    assert (second["resumed_from"], second["parent"]) == (first["id"], first["id"])
    assert second["kind"] == "main"
    assert second["image_tag"] == first["image_tag"]
    assert shown(run, first["id"])["resumed_by"] == second["id"]
    for key in ("mode", "base", "branch", "session_branch"):
        assert second["workspace"].get(key) == first["workspace"].get(key)
    assert sorted(outrig(run, "diff", "--name-only", first["id"]).splitlines()) == [
        "change",
        "gone",
        "late",
    ]
    assert sorted(outrig(run, "diff", "--name-only").splitlines()) == [
        "change",
        "gone",
        "late",
        "second",
    ]
    assert user.status() == []
    outrig(run, "accept", second["id"])
    assert user.git("log", "--format=%s", "main~1").splitlines() == ["again", "agent", "base"]
    assert user.text("late") == "late\nmore"
    assert user.git("ls-files").splitlines() == ["change", "late", "mine", "second"]
    assert user.status() == []
    outrig(run, "discard", "-y", second["id"], first["id"])
    assert user.git("for-each-ref", "refs/outrig") == ""


def test_in_bind_mode_what_the_user_did_in_between_stays_theirs(
    run: Run, user: Tree, debian: str
) -> None:
    first = work(run, debian)
    user.write(mine="2", new="user's")
    again(run, first["id"], "--", "sh", "-c", SECOND).ok()
    assert sorted(outrig(run, "diff", "--name-only").splitlines()) == [
        "change",
        "gone",
        "late",
        "second",
    ]
    outrig(run, "accept", "@last")
    assert user.git("log", "--format=%s").splitlines() == ["again", "agent", "base"]
    assert user.status() == [" D gone", " M mine", "?? late", "?? new"]
