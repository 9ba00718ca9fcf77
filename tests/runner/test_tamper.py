"""What a session left that could act later is in its record, whoever ended it."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from outrig.core.frozen import replace
from outrig.core.session import with_workspace
from outrig.runner import snapshot, tamper
from outrig.runner.console import Silent
from outrig.runner.follow import follow
from outrig.store.sessions import SessionStore
from tests import records, repositories
from tests.fakes import FakeEngine, Script
from tests.runner.orders import launched, order, record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from outrig.store.creation import Held
    from tests.conftest import Home


@pytest.fixture
def work(home: Home) -> Path:
    return repositories.made(
        home.path / "work", **{".gitignore": "*.log\n.envrc\nlib/\n", "package.json": "{}"}
    )


def begin(home: Home, **workspace: Any) -> Held:
    """A running session that nobody follows, with all that was taken at its start."""
    one = records.begin(SessionStore(home.sessions), workspace=workspace)
    said = snapshot.begin(order(home), one.directory, None).outcome()
    assert tamper.Beginning(order(home), one.directory, None).outcome() == {}
    one.update(lambda session: with_workspace(session, **said))
    time.sleep(0.02)
    return one


def left(home: Home, change: Callable[[], object], **workspace: Any) -> dict[str, str]:
    """What is said of a session that made this change."""
    held = begin(home, **{"mode": "bind", "path": str(home.path / "work"), **workspace})
    change()
    said = tamper.end(held.directory, held.session)
    held.close()
    assert "tamper_error" not in said
    return {f"{one['kind']} {one['path']}": one["what"] for one in said["tamper"]}


def planted(work: Path) -> None:
    for path, text in {
        ".gitattributes": "* filter=x\n",
        ".github/workflows/ci.yml": "on: push\n",
        ".envrc": "ignored\n",
        "lib/.vscode/tasks.json": "ignored too\n",
        "lib/Makefile": "ignored, and nobody runs it unasked\n",
        "package.json": '{"scripts": {"postinstall": "x"}}',
        "src/main.py": "harmless\n",
        "noise.log": "ignored\n",
    }.items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_text(text)
    (work / "run.sh").write_text("x")
    (work / "run.sh").chmod(0o755)
    (work / "out").symlink_to("/etc/passwd")
    (work / "in").symlink_to("src/main.py")


def test_all_that_counts_is_told_once(home: Home, work: Path) -> None:
    assert left(home, lambda: planted(work)) == {
        "environment .envrc": "",
        "editor lib/.vscode/tasks.json": "",
        "ci .github/workflows/ci.yml": "",
        "attributes .gitattributes": "filter=x",
        "scripts package.json": "scripts postinstall",
        "link out": "-> /etc/passwd",
        "executable run.sh": "",
    }


def test_what_matters_most_is_first(home: Home, work: Path) -> None:
    assert next(iter(left(home, lambda: planted(work)))) == "environment .envrc"


def test_what_was_written_again_unchanged_is_not_told(home: Home, work: Path) -> None:
    planted(work)
    repositories.git("add", "-A", cwd=work)

    def touched() -> None:
        for path in work.rglob("*"):
            if path.is_file() and ".git/" not in str(path) and not path.is_symlink():
                path.write_bytes(path.read_bytes())

    found = left(home, touched)
    assert set(found) == {"environment .envrc", "editor lib/.vscode/tasks.json"}


def test_without_git_names_alone_tell(home: Home, work: Path) -> None:
    held = records.begin(SessionStore(home.sessions), workspace={"mode": "bind", "path": str(work)})
    tamper.Beginning(order(home), held.directory, None).outcome()
    time.sleep(0.02)
    planted(work)
    found = {one["path"] for one in tamper.end(held.directory, held.session)["tamper"]}
    assert {".envrc", "package.json", ".gitattributes", "out"} <= found
    held.close()


def test_a_planted_git_directory_is_looked_into(home: Home) -> None:
    work = home.path / "work"
    work.mkdir()

    def plant() -> None:
        repositories.made(work)
        repositories.git("config", "core.fsmonitor", "/evil", cwd=work)

    found = left(home, plant)
    assert found["repository .git"] == ""
    assert found["git-config .git/config"] == "runs core.fsmonitor"


@pytest.mark.parametrize("git", ["shadow", "bind"])
def test_the_own_git_counts_where_the_session_could_write_it(home: Home, work: Path, git) -> None:
    def plant() -> None:
        repositories.git("config", "core.pager", "/evil", cwd=work)
        (work / ".git/hooks").mkdir(exist_ok=True)
        (work / ".git/hooks/pre-push").touch()

    expected = {"git-hook .git/hooks/pre-push": "", "git-config .git/config": "runs core.pager"}
    assert left(home, plant, git=git) == (expected if git == "bind" else {})


def test_of_a_layer_only_the_layer_is_looked_at(home: Home, work: Path, tmp_path: Path) -> None:
    upper = tmp_path / "upper"
    upper.mkdir()

    def change() -> None:
        (work / ".envrc").write_text("the user's own, meanwhile")
        (upper / ".envrc").write_text("x")

    assert left(home, change, upper=str(upper)) == {"environment .envrc": ""}


def test_nothing_can_be_left_in_a_read_only_tree(home: Home, work: Path) -> None:
    assert left(home, lambda: planted(work), mode="bind-ro") == {}


def test_whoever_follows_says_it(home: Home, work: Path) -> None:
    engine = FakeEngine(Script(says=[("stdout", b"x")]))
    run = launched(home, engine, order(home))
    time.sleep(0.02)
    (work / ".envrc").write_text("x")
    follow(run, Silent(None, keeps_input=False))
    run.held.close()
    engine.close()
    assert record(home)["workspace"]["tamper"] == [
        {"kind": "environment", "path": ".envrc", "what": ""}
    ]


def test_a_look_that_fails_changes_no_ending(home: Home, work: Path) -> None:
    engine = FakeEngine(Script())
    run = launched(home, engine, order(home))
    (run.held.directory / "workspace/before.json").write_text("{nonsense")
    follow(run, Silent(None, keeps_input=False))
    run.held.close()
    engine.close()
    said = record(home)
    assert (said["status"], said["exit_code"]) == ("completed", 0)
    assert said["workspace"]["tamper_error"].startswith("JSONDecodeError")
    assert "tamper" not in said["workspace"]


def test_a_look_that_cannot_begin_is_said(home: Home, work: Path) -> None:
    wanted = order(home)
    gone = replace(
        wanted,
        plan=replace(
            wanted.plan, workspace=replace(wanted.plan.workspace, root=str(home.path / "none"))
        ),
    )
    said = tamper.Beginning(gone, home.path, None).outcome()
    assert said["tamper_error"].startswith("cannot") or "none" in said["tamper_error"]


def test_nobody_looked_before_so_nothing_is_said(home: Home, work: Path) -> None:
    held = records.begin(SessionStore(home.sessions), workspace={"path": str(work)})
    assert tamper.end(held.directory, held.session) == {}
    held.close()


def test_hostile_names_survive_the_record(home: Home, work: Path) -> None:
    def plant() -> None:
        (work / os.fsdecode(b"\xff\n")).mkdir()
        os.mkfifo(work / os.fsdecode(b"\xff\n/\x1bpipe"))

    found = left(home, plant)
    assert list(found) == ["fifo \\xff\n/\x1bpipe"]
    assert json.dumps(list(found))


def test_a_gitlink_is_told_unless_it_was_there(home: Home, work: Path) -> None:
    def link(path: str) -> None:
        head = repositories.git("rev-parse", "HEAD", cwd=work).decode().strip()
        entry = f"160000,{head},{path}"
        repositories.git("update-index", "--add", "--cacheinfo", entry, cwd=work)

    link("before")
    assert left(home, lambda: link("planted"), git="bind") == {"repository planted": "a gitlink"}


def test_an_index_that_is_none_is_said(home: Home, work: Path) -> None:
    def damage() -> None:
        (work / ".git/index").write_bytes(b"\0\0\xe0\0")

    said = left(home, damage, git="bind")
    assert said["unseen .git/index"] == "no index that could be read"
