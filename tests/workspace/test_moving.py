"""Files move whole or not at all: whoever dies on the way, and whatever the trees are."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outrig.workspace import journal, landing, moving
from outrig.workspace.landing import OverlapError
from tests.workspace.landings import checkout, order
from tests.workspace.repositories import WHO, Tree, everything, made

if TYPE_CHECKING:
    from collections.abc import Callable


# ---------------------------------------------------------------- the end in the middle

DIE = """
import os, sys
from pathlib import Path
sys.path.insert(0, {repo!r})
from outrig.workspace import journal, landing, moving, overlap
from outrig.workspace.repository import Repository
from outrig.workspace.landing import Checkout, Landing

root, old, new, at = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
calls = 0

def counted(really):
    def call(*args, **named):
        global calls
        calls += 1
        if calls == at:
            os.kill(os.getpid(), 9)
        return really(*args, **named)
    return call

for name in ("link", "rename", "unlink", "replace", "rmdir", "mkdir"):
    setattr(os, name, counted(getattr(os, name)))
where = Checkout(root=root, repository=Repository(git_dir=root / ".git", env=os.environ),
                 common_dir=root / ".git")
landing.land(where, Landing(ref="refs/heads/main", old=old, new=new, log="x", identity={who!r}))
print("done", calls)
"""


@pytest.fixture
def dying(tree: Tree, request: pytest.FixtureRequest) -> Callable[[int], bool]:
    """Land in a process that is killed at its n-th step on the disk; False once it came through."""
    program = DIE.format(repo=str(request.config.rootpath), who=WHO)

    def die(step: int) -> bool:
        wanted = order(tree)
        argv = [
            sys.executable,
            "-c",
            program,
            str(tree.path),
            str(wanted.old),
            wanted.new,
            str(step),
        ]
        done = subprocess.run(argv, check=False, capture_output=True)
        assert done.returncode in (0, -9), done.stderr
        # git, which holds the branch for it, hears of its end and lets go a moment later.
        patience = time.monotonic() + 30
        while (tree.git_dir / "HEAD.lock").exists() and time.monotonic() < patience:
            time.sleep(0.01)
        return done.returncode != 0

    return die


def contents(tree: Tree) -> dict[str, object]:
    """Everything but what a landing may touch on its way back: git's logs and objects."""
    found = everything(tree.path)
    aside = (f"{tree.git_dir}/logs", f"{tree.git_dir}/objects", f"{tree.git_dir}/refs")
    return {name: value for name, value in found.items() if not name.startswith(aside)}


def test_whoever_dies_on_the_way_changes_nothing_in_the_end(
    tree: Tree, dying: Callable[[int], bool]
) -> None:
    """Killed at every fifth step; the next landing puts everything back before it begins."""
    tree.write(other="dirty")
    tree.git("status")
    before = contents(tree)
    step, old = 1, tree.git("rev-parse", "main")
    while dying(step):
        if tree.git("rev-parse", "main") != old:
            break
        landing.settle(checkout(tree))
        assert contents(tree) == before, step
        step += 5
    assert step > 20
    assert landing.settle(checkout(tree)) == ()
    assert tree.git("rev-parse", "main") == tree.git("rev-parse", "work")
    assert tree.status() == [" M other"]
    assert not (tree.git_dir / journal.NAME).exists()
    assert not (tree.git_dir / "index.lock").exists()


def test_what_was_changed_after_a_crash_is_left_and_named(
    tree: Tree, dying: Callable[[int], bool]
) -> None:
    assert dying(30)
    (tree.path / "change").unlink(missing_ok=True)
    tree.write(change="mine, after the crash")
    assert landing.settle(checkout(tree)) == (b"change",)
    assert (tree.path / "change").read_text() == "mine, after the crash"


def test_a_failure_in_the_middle_is_taken_back(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(tree)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(moving, "swap_index", full)
    with pytest.raises(OSError, match="No space"):
        landing.land(checkout(tree), order(tree))
    assert contents(tree) == before


# ---------------------------------------------------------------- whatever the trees are

NAMES = st.sampled_from(["a", "b", "a/b", "a/c", "a/b/c", "d/e", "-x", "new\nline", "\udcff"])
FILES = st.dictionaries(NAMES, st.sampled_from(["1", "2", "#!x", "-> a"]), max_size=6)


def lay(tree: Tree, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = tree.path / name
        if any(parent.is_file() or parent.is_symlink() for parent in path.parents):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            continue
        if text.startswith("-> "):
            path.symlink_to(text[3:])
        else:
            path.write_text(text)
            path.chmod(0o755 if text.startswith("#!") else 0o644)


def wipe(tree: Tree) -> None:
    tree.git("rm", "-rq", "--ignore-unmatch", ".")


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(old=FILES, new=FILES, own=FILES)
def test_it_lands_whole_or_not_at_all(
    tmp_path_factory: pytest.TempPathFactory,
    old: dict[str, str],
    new: dict[str, str],
    own: dict[str, str],
) -> None:
    tree = made(tmp_path_factory.mktemp("p") / "repo")
    lay(tree, {**new, "always": "1"})
    work = tree.commit("new")
    tree.git("branch", "work")
    wipe(tree)
    lay(tree, {**old, "always": "1"})
    tree.commit("old")
    for name, text in own.items():
        path = tree.path / name
        if path.is_file() and not path.is_symlink():
            path.write_text(f"own {text}")
    lay(tree, {name: text for name, text in own.items() if not os.path.lexists(tree.path / name)})
    status = tree.status()
    before = everything(tree.path)
    with contextlib.suppress(OverlapError):
        refused = True
        landing.land(checkout(tree), order(tree))
        refused = False
    if refused:
        assert everything(tree.path) == before
        assert status
        return
    assert tree.git("rev-parse", "main") == work
    after = everything(tree.path)
    dirty = {line[3:].strip('"') for line in status}
    assert {line[3:].strip('"') for line in tree.status()} == dirty
    for line in dirty & set(own):
        assert after[str(tree.path / line)] == before[str(tree.path / line)]
