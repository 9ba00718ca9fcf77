"""What a session's repository can hold that would hurt whoever takes it over: bombs, names, links.

Each is planted into the .git that the session could write. Nothing of it may come home that git
would trip over, and nothing may take much of this machine's memory.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from outrig.errors import WorkspaceError
from outrig.store.sessions import SessionStore
from outrig.workspace import objects
from outrig.workspace.repository import Repository
from outrig.workspace.snapshots import DIRECTORY
from tests.redteam.history import BOMBS, HUGE, ODD, REFUSED, Plant
from tests.runner.works import Worked, bound
from tests.workspace.repositories import made

if TYPE_CHECKING:
    from pathlib import Path

MEMORY = 3 << 30  # bytes of addresses; git maps files, too


@pytest.fixture
def worked(tmp_path: Path) -> Worked:
    user = made(tmp_path / "repo")
    user.write(tracked="1", sub__x="1")
    user.commit("base")
    found = bound(SessionStore(tmp_path / "sessions"), user)
    found.commit("agent", tracked="2")
    return found


def _come_home(worked: Worked, scratch: Path) -> str:
    """What becomes of it: the refusal, or what has come."""
    ours = Repository(git_dir=worked.held.directory / DIRECTORY, env=os.environ)
    base = worked.held.session.fields["workspace"]["base"]
    try:
        refs = objects.bring_home(worked.git_dir, ours, scratch, known=[base])
    except WorkspaceError as error:
        return f"refused: {error.message}"
    return f"HEAD and {len(refs.heads)} branches"


@pytest.mark.timeout(280)
def test_what_is_planted_comes_home_harmless_or_not_at_all(worked, tmp_path, tell):
    head = worked.git("rev-parse", "HEAD")
    folder = worked.git_dir / "refs/heads"
    for attack, plant in {**REFUSED, **ODD}.items():
        for path in folder.iterdir():
            path.unlink()
        (folder / "main").write_text(f"{head}\n")
        (worked.git_dir / "HEAD").write_text("ref: refs/heads/main\n")
        plant(worked)
        said = _come_home(worked, tmp_path / "scratch")
        calm = "exit -" not in said and "\x1b" not in said
        tell(attack, ascii(said)[:150], calm and (said[:7] == "refused" or attack in ODD))
    refs = worked.tree.git("--git-dir", worked.held.directory / DIRECTORY, "for-each-ref")
    tell(
        "the refs that have come",
        "of the session",
        all("refs/s" in one for one in refs.split("\n")),
    )


@pytest.mark.timeout(280)
def test_a_bomb_takes_no_memory(worked, tmp_path, tell):
    head = worked.git("rev-parse", "HEAD")
    for attack, plant in BOMBS.items():
        (worked.git_dir / "refs/heads/main").write_text(f"{head}\n")
        _blow(worked, attack, plant, tell)


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("attack", HUGE)
def test_a_huge_bomb_takes_no_memory(worked, tell, attack):
    _blow(worked, attack, HUGE[attack], tell)


def _blow(worked: Worked, attack: str, plant: Plant, tell) -> None:
    """Looked at by a process with little memory, whose end says whether it was asked for more."""
    plant(worked)
    said = _look(worked)
    tell(attack, said[:150], not any(word in said for word in BAD))


BAD = ("Traceback", "Out of memory", "exit -", "does not end")
LOOK = """
import os, sys
from pathlib import Path
from outrig.errors import WorkspaceError
from outrig.workspace import objects
from outrig.workspace.repository import Repository
git_dir, ours, scratch, base = sys.argv[1:]
try:
    refs = objects.bring_home(
        Path(git_dir), Repository(git_dir=Path(ours), env=os.environ), Path(scratch), known=[base]
    )
except WorkspaceError as error:
    print("refused:", error.message)
else:
    print("it comes:", len(refs.heads), "branches")
"""


def _look(worked: Worked) -> str:
    directory = worked.held.directory
    base = worked.held.session.fields["workspace"]["base"]
    places = (worked.git_dir, directory / DIRECTORY, directory / "scratch", base)
    done = subprocess.run(
        [sys.executable, "-c", LOOK, *map(str, places)],
        capture_output=True,
        check=False,
        timeout=300,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
    )
    return (done.stdout + done.stderr).strip() or f"exit {done.returncode}"
