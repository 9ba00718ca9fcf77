"""Changes land in a directory that is no repository: all of them, or none.

Each changed path must be as the session found it; what stands where one shall be made is in the
way. The journal of the files is the one that checkouts have (journal.py), kept in a place given.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from outrig.workspace import journal, moving, overlap
from outrig.workspace.journal import Journal
from outrig.workspace.landing import OverlapError
from outrig.workspace.overlap import Entry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from outrig.workspace.repository import Change, Repository


def check(root: Path, changes: Sequence[Change]) -> None:
    """Raise OverlapError for what is not as the session found it."""
    known = {
        one.path: Entry(content=one.old, stage=0, absent=False, stat=(0, 0, 0))
        for one in changes
        if one.old
    }
    found = {one.path: one for one in overlap.in_tree(root, known, changes, indexed_at=0)}
    if found:
        raise OverlapError(
            f"{len(found)} of the changed paths are your own work in {root}",
            tuple(found[path] for path in sorted(found)),
        )


def arrived(root: Path, changes: Sequence[Change]) -> bool:
    """Whether every path is as it shall be."""
    top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return all(
            overlap.holds(top, one.path, one.new)
            if one.new
            else overlap.status(top, one.path) is None
            for one in changes
        )
    finally:
        os.close(top)


def land(root: Path, place: Path, repository: Repository, changes: Sequence[Change]) -> None:
    """Let the directory have these paths as they are on their new side."""
    place.mkdir(mode=0o700, exist_ok=True)
    move = Journal(
        ref="", old="", new="", token=os.urandom(4).hex(), changes=moving.ordered(changes)
    )
    check(root, changes)
    journal.begin(place, move)
    try:
        moving.files(root, place, move, repository, set())
    except BaseException:  # a Ctrl-C, too: what moved goes back first
        moving.back(root, place, place, move)
        journal.forget(place)
        raise
    journal.forget(place)


def settle(root: Path, place: Path) -> tuple[bytes, ...]:
    """Take back what somebody who died had begun; paths that were changed since are left."""
    if not place.is_dir():
        return ()
    move = journal.read(place)
    left = moving.back(root, place, place, move) if move else ()
    journal.forget(place)
    return left
