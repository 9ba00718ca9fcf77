"""A session's end snapshot of 50,000 files against `git status` on the same tree.

python -m tests.bench.snapshot   target: at most twice what `git status` takes
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from outrig.workspace.bare import Source
from outrig.workspace.snapshots import Snapshots

if TYPE_CHECKING:
    from collections.abc import Callable

TARGET = 2.0
FOLDERS, FILES = 500, 100
CHANGED = 10
ROUNDS = 9


def tree(top: Path) -> None:
    for folder in range(FOLDERS):
        below = top / f"{folder % 20}" / f"{folder}"
        below.mkdir(parents=True)
        for file in range(FILES):
            (below / f"{file}.txt").write_text(f"{folder} {file}\n")
    for argv in (("init", "-q"), ("add", "."), ("-c", "gc.auto=0", "commit", "-q", "-m", "all")):
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", *who, *argv], cwd=top, check=True, stdout=subprocess.DEVNULL)
    time.sleep(1.1)  # what is as young as the index would be read again by both
    subprocess.run(["git", "status"], cwd=top, check=True, stdout=subprocess.DEVNULL)


def change(top: Path) -> None:
    for number in range(CHANGED):
        (top / f"{number}" / f"{number}" / "1.txt").write_text("changed\n")
        (top / f"new {number}").write_text("new\n")


def seconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        work = Path(name) / "work"
        work.mkdir()
        tree(work)
        snapshots = Snapshots(Path(name) / "snapshots.git", os.environ)
        snapshots.directory.mkdir()
        source = Source(common_dir=f"{work}/.git", index=f"{work}/.git/index")
        home = Path(name)
        begun = seconds(lambda: snapshots.start(work, source, home / "none", home))
        change(work)
        status = ("git", "status", "--porcelain")
        taken: dict[str, list[float]] = {"git status": [], "end snapshot": []}
        for _ in range(ROUNDS):
            taken["git status"].append(
                seconds(lambda: subprocess.run(status, cwd=work, check=True, capture_output=True))
            )
            taken["end snapshot"].append(seconds(lambda: snapshots.take(work, "end")))
    found = {name: statistics.median(times) for name, times in taken.items()}
    ratio = found["end snapshot"] / found["git status"]
    sys.stdout.write(f"{'start':<14} {begun * 1000:7.1f} ms\n")
    for name, median in found.items():
        sys.stdout.write(f"{name:<14} {median * 1000:7.1f} ms\n")
    sys.stdout.write(f"{'ratio':<14} {ratio:7.2f}\n")
    return int(ratio > TARGET)


if __name__ == "__main__":
    sys.exit(main())
