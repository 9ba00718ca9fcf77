"""`outrig accept`, branch and archive: what they print, and where."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from outrig.store.sessions import SessionStore
from tests.runner.works import Worked, own_tree
from tests.workspace.repositories import Tree, made

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Outrig

WHO = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "A"}
WHO |= {"GIT_COMMITTER_EMAIL": "a@b"}


@pytest.fixture
def user(tmp_path: Path) -> Tree:
    tree = made(tmp_path / "repo")
    tree.commit("base", change="1", gone="1")
    return tree


@pytest.fixture
def worked(session_root: Path, user: Tree) -> Worked:
    worked = own_tree(SessionStore(session_root), user)
    worked.commit("agent", change="2")
    worked.tree.write(late="l", gone=None)
    return worked.end()


def test_a_summary_on_stderr_and_the_commit_on_stdout(
    outrig: Outrig, worked: Worked, user: Tree
) -> None:
    done = outrig("accept", worked.id, env=WHO).ok()
    assert done.out.strip() == user.git("rev-parse", "main")
    assert done.err.splitlines() == [
        "  M change",
        "  D gone",
        "  A late",
        "[outrig] 2 commits arrived on main: 3 paths",
    ]
    assert "accepted into main" in outrig("accept", worked.id, env=WHO).err


def test_a_dry_run_as_json(outrig: Outrig, worked: Worked, user: Tree) -> None:
    done = outrig("accept", worked.id, "--dry-run", "--json", env=WHO).ok()
    said = json.loads(done.out)
    assert (said["into"], said["commits"], said["dry_run"]) == ("main", 2, True)
    assert said["paths"] == ["change", "gone", "late"]
    assert user.git("log", "--format=%s") == "base"


def test_what_is_in_the_way_is_listed(outrig: Outrig, worked: Worked, user: Tree) -> None:
    user.write(change="mine")
    done = outrig("accept", worked.id, env=WHO)
    assert done.code == 1
    assert "  change (changed)" in done.err
    assert "your own work" in done.err


def test_a_conflict_is_listed_with_the_next_step(
    outrig: Outrig, worked: Worked, user: Tree
) -> None:
    user.commit("theirs", change="other")
    done = outrig("accept", worked.id, env=WHO)
    assert done.code == 1
    assert done.err.splitlines()[0] == "  change"
    assert f"outrig accept {worked.id} --resolve" in done.err


def test_nobody_who_could_commit_is_said(outrig: Outrig, worked: Worked) -> None:
    done = outrig("accept", worked.id)
    assert done.code == 1
    assert "git config --global user.name" in done.err


def test_the_users_own_config_says_who(
    outrig: Outrig, worked: Worked, user: Tree, home: object
) -> None:
    config = outrig.cwd / "mine.toml"
    config.write_text('[git]\nauthor = "Ada"\nemail = "ada@example.org"\n')
    outrig("accept", worked.id, "--global-config", config).ok()
    assert user.git("log", "-1", "--format=%an %ae %cn") == "Ada ada@example.org Ada"


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("@last", "--merge", "--ff"),
        ("@last", "--path", "../x"),
        ("@last", "--in", "somewhere"),
    ],
)
def test_wrong_usage(outrig: Outrig, worked: Worked, args: tuple[str, ...]) -> None:
    assert outrig("accept", *args, env=WHO).code == 2


# ---------------------------------------------------------------- archive and branch


def test_archived_it_is_listed_apart(outrig: Outrig, worked: Worked, user: Tree) -> None:
    done = outrig("archive", worked.id, env=WHO).ok()
    assert done.out == f"{worked.id}\n"
    assert f"kept as refs/outrig/archive/{worked.id}" in done.err
    assert outrig("ls", "-q").ok().out == ""
    assert outrig("ls", "-q", "--archived").ok().out == f"{worked.id}\n"
    assert outrig("ls", "-q", "--all").ok().out == f"{worked.id}\n"
    refused = outrig("accept", worked.id, env=WHO)
    assert f"outrig archive --reopen {worked.id}" in refused.err
    outrig("archive", "--reopen", worked.id, env=WHO).ok()
    outrig("accept", worked.id, env=WHO).ok()
    assert user.text("late") == "l"


def test_a_branch_of_its_own(outrig: Outrig, worked: Worked, user: Tree) -> None:
    done = outrig("branch", worked.id, "topic", env=WHO).ok()
    assert done.out.strip() == user.git("rev-parse", "topic")
    assert outrig("branch", worked.id, env=WHO).code == 2
    assert outrig("branch", worked.id, "topic", env=WHO).code == 1
