"""Snapshots of a test's repository, and what is in them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from outrig.workspace.bare import Source
from outrig.workspace.snapshots import Snapshots, Taken

if TYPE_CHECKING:
    from pathlib import Path


ODD = os.fsdecode(b"-odd\n\x1b[2J\xff")


class Begun(Snapshots):
    """Snapshots whose user ignores *.swp everywhere."""

    def begin(self, tree: Path, source: Source | None) -> Taken:
        ignored = self.directory.parent / "ignored"
        ignored.write_text("*.swp\n")
        return self.start(tree, source, ignored, self.directory.parent)


def source(work: Path) -> Source:
    return Source(common_dir=str(work / ".git"), index=str(work / ".git/index"))


def names(snapshots: Snapshots, tree: str) -> set[str]:
    listed = snapshots.git("ls-tree", "-r", "-z", "--name-only", tree).split(b"\0")
    return {os.fsdecode(name) for name in listed if name}


def modes(snapshots: Begun, tree: str) -> dict[str, str]:
    lines = snapshots.git("ls-tree", "-r", "-z", tree).split(b"\0")
    split = (os.fsdecode(line).partition("\t") for line in lines if line)
    return {name: facts.split()[0] for facts, _, name in split}


def content(snapshots: Begun, tree: str, name: str) -> bytes:
    return snapshots.git("cat-file", "blob", f"{tree}:{name}")
