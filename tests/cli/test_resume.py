"""Sessions on the real engine go on in what an earlier one left."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import until
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
    outrig(run, "accept", "@last", "--dry-run")
    assert user.status() == [" M change", " D gone", " M mine", "?? late", "?? new", "?? second"]
    outrig(run, "accept", "@last")
    assert user.git("log", "--format=%s").splitlines() == ["again", "agent", "base"]
    assert user.status() == [" D gone", " M mine", "?? late", "?? new"]


def test_undo_of_the_second_takes_both_back_and_leaves_the_users_own(
    run: Run, user: Tree, debian: str
) -> None:
    first = work(run, debian)
    user.write(mine="2", new="user's")
    again(run, first["id"], "--", "sh", "-c", SECOND).ok()
    outrig(run, "undo", "-y", "@last")
    assert user.status() == [" M mine", "?? new"]


def test_the_same_command_runs_again_as_it_was_asked_for(run: Run, user: Tree) -> None:
    own = ("--name", "one", "--label", "a=b", "--timeout", "5m", "--pids", "77", "-w", "sub")
    user.commit("sub", sub__x="1")
    script = ("sh", "-c", "pwd; echo $SAID-$PASSED")
    run(*own, "-e", "SAID=1", "-e", "PASSED", "--", *script, env={"PASSED": "then"}).ok()
    done = again(run, "one", "--name", "two", "--pids", "55", PASSED="now").ok()
    assert done.out == "/workspace/sub\n-now\n"
    assert "-e SAID=... was given to" in done.err
    first, second = shown(run, "one"), shown(run, "two")
    assert second["labels"] == {"a": "b"}
    assert (second["limits"]["wall"], second["limits"]["pids"]) == (300.0, 55)
    assert second["network"] == first["network"]
    assert f"(goes on with {first['id']})" in outrig(run, "ls", "-a")


@pytest.mark.usefixtures("user")
def test_detached_and_killed_it_can_be_resumed(run: Run) -> None:
    run("--workspace", "copy", "--", "sh", "-c", "echo 1 >made").ok()
    process = run.outrig.start(
        *("resume", "@last", "--", "sh", "-c", "echo 2 >>made; sleep 1; echo 3 >>made"),
        env={**run.env, **WHO},
    )
    until(lambda: len(run.sessions()) == 2 and "running" in outrig(run, "ls"), "the second one")
    process.kill()
    process.communicate()
    outrig(run, "wait", "@last")
    session = again(run, "@last", "-d", "--", "cat", "made").ok().out.strip()
    outrig(run, "wait", session)
    assert outrig(run, "logs", session) == "1\n2\n3"
    assert shown(run, session)["workspace"]["start"] == shown(run, "@last~2")["workspace"]["start"]


def test_the_scratch_of_bind_ro_is_there_again(run: Run, user: Tree) -> None:
    run("--workspace", "bind-ro", "--", "sh", "-c", "echo kept >$OUTRIG_SCRATCH/x").ok()
    refused = again(run, "@last", "--", "sh", "-c", "cat $OUTRIG_SCRATCH/x; touch file")
    assert refused.out == "kept\n"
    assert "Read-only file system" in refused.err
    assert user.status() == []


def test_a_directory_without_git(run: Run) -> None:
    run("--", "sh", "-c", "echo 1 >made; echo 1 >~/kept").ok()
    assert again(run, "@last", "--", "sh", "-c", "cat made ~/kept; rm made").ok().out == "1\n1\n"
    assert outrig(run, "diff", "--name-only") == ""
    assert outrig(run, "diff", "--name-only", "@last~1") == "made"


@pytest.mark.parametrize("mode", OWN)
def test_what_both_left_that_can_act_is_told_of_the_second(
    run: Run, user: Tree, debian: str, mode: str
) -> None:
    work(run, debian, "--workspace", mode, script="echo x >.envrc")
    again(run, "@last", "--", "sh", "-c", "mkdir .vscode; echo {} >.vscode/tasks.json").ok()
    told = {one["path"] for one in shown(run, "@last")["workspace"]["tamper"]}
    assert {".envrc", ".vscode/tasks.json"} <= told
    assert user.status() == []


def test_usage_and_what_is_not_there(run: Run) -> None:
    assert again(run).code == 125
    nothing = again(run, "nosuch")
    assert (nothing.code, "no session matching" in nothing.err) == (125, True)


KILLED = """
import os, sys
from outrig.cli.main import main
from outrig.runner import resume
left, move, adopt = int(os.environ["MOVES"]), resume._move, resume.adopt
def moving(*way):
    global left
    if left == 0:
        os.kill(os.getpid(), 9)
    left -= 1
    move(*way)
def adopting(*what):
    adopt(*what)
    os.kill(os.getpid(), 9)
resume._move, resume.adopt = moving, adopting
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "moves", [1, *(pytest.param(moves, marks=pytest.mark.slow) for moves in (0, 2))]
)
@pytest.mark.usefixtures("user")
def test_killed_while_it_takes_over_nothing_is_lost(run: Run, moves: int) -> None:
    run("--workspace", "overlay", "--", "sh", "-c", "echo 1 >made; echo 1 >~/kept").ok()
    killed = replace(run.outrig, argv=(sys.executable, "-P", "-c", KILLED))
    done = killed("resume", "@last", env={**run.env, **WHO, "MOVES": str(moves)})
    assert done.code == -9
    assert shown(run, "@last")["status"] in ("failed", "lost")
    out = again(run, "@last", "--", "sh", "-c", "cat made ~/kept").ok().out
    assert out == "1\n1\n"
    assert outrig(run, "diff", "--name-only") == "made"
    ids = [path.name for path in run.sessions()]
    outrig(run, "discard", "-y", *ids)
    assert not run.sessions()
