"""A tree of 50,000 files is ready: `worktree` against `git worktree add`, `overlay` against `bind`.

python -m tests.bench.worktree   targets: at most 0.75 of git's; overlay at most 0.1 s over bind

What is timed of worktree is what a session does until its tree stands, pin and check-out, without
container. What is timed of overlay and bind is `outrig run` with each.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from outrig.core import ignore
from outrig.workspace import shadow, worktree
from tests.bench.timing import show, spent
from tests.bench.yardstick import QUIET, yard

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = int(os.environ.get("FILES", "50000"))
ROUNDS = 3
WORKTREE = 0.75  # of `git worktree add`
OVERLAY = 100.0  # milliseconds over bind


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="outrig-bench.") as top:
        repository = _repository(Path(top) / "repository")
        slow = _worktrees(repository, Path(top)) > WORKTREE
        return int(_overlay(repository) > OVERLAY or slow)


def _repository(root: Path) -> Path:
    for number in range(FILES):
        file = root / f"d{number // 100}/f{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"file {number}\n" * 20)
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "gc.auto=0")
    for argv in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "all")):
        subprocess.run(["git", *identity, *argv], cwd=root, check=True)
    subprocess.run(["git", "repack", "-q", "-a", "-d"], cwd=root, check=True)
    return root


def _worktrees(repository: Path, top: Path) -> float:
    taken: dict[str, list[float]] = {"git worktree add": [], "outrig worktree": []}
    for number in range(ROUNDS):
        theirs, ours = top / f"theirs{number}", top / f"ours{number}"
        argv = ["git", "worktree", "add", "-q", "--detach", str(theirs)]
        taken["git worktree add"].append(
            _timed(lambda argv=argv: subprocess.run(argv, cwd=repository, check=True))  # type: ignore[misc]
        )
        taken["outrig worktree"].append(_timed(lambda ours=ours: _make(repository, ours)))  # type: ignore[misc]
        for tree in (theirs, ours):
            shutil.rmtree(tree)
        subprocess.run(["git", "worktree", "prune"], cwd=repository, check=True)
    pairs = zip(taken["outrig worktree"], taken["git worktree add"], strict=True)
    ratio = statistics.median(one / other for one, other in pairs)
    for name, series in taken.items():
        sys.stdout.write(f"{name:18} {statistics.median(series):8.2f} s\n")
    sys.stdout.write(f"{'ratio':18} {ratio:8.2f}\n")
    return ratio


def _timed(do: Callable[[], object]) -> float:
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


def _make(repository: Path, tree: Path) -> None:
    source = shadow.Source(repository / ".git", repository / ".git")
    base = worktree.resolve(source, "HEAD", os.environ)
    worktree.pin(source, tree.name, base, os.environ)
    tree.mkdir()
    worktree.make(
        worktree.Wanted(
            root=repository,
            source=source,
            base=base,
            branch="outrig/run/x",
            include=(),
            exclude=ignore.rules(()),
            changes=False,
            settings={},
            ignored=b"",
            env=os.environ,
            given_away=False,
        ),
        tree,
    )


def _overlay(repository: Path) -> float:
    with yard() as here:
        commands = {
            mode: (*QUIET, *here.outrig("true", options=("--workspace", mode)))
            for mode in ("bind", "overlay")
        }
        env = {**here.env, "OUTRIG_WORKSPACE__PATH": str(repository)}
        found = spent(commands, rounds=5, env=env)
    show(found, "bind")
    more = zip(found["overlay"].wall, found["bind"].wall, strict=True)
    return statistics.median(one - other for one, other in more)


if __name__ == "__main__":
    sys.exit(main())
