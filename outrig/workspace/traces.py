"""What of the differences between two snapshots could act on the host later.

Judged by name, and where that helps by content: a package.json counts for its scripts. Links count
where they lead out of the workspace, programs where there was none before.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from outrig.core import tamper
from outrig.core.tamper import Trace
from outrig.workspace.changes import NONE, Contents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outrig.workspace.git import Git

_CONTENTS = 500  # changed files that are read
_LINK, _PROGRAM = "120000", "100755"


class _Change(NamedTuple):
    old_mode: str
    new_mode: str
    old_id: str
    new_id: str
    status: str


def between(git: Git, old: str, new: str) -> Iterator[Trace]:
    """What differs between two snapshots, as far as it counts. Raises WorkspaceError."""
    raw = git("diff-tree", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", old, new)
    words = iter(raw.split(b"\0")[:-1])
    room = _CONTENTS
    with Contents(git) as contents:
        for facts in words:
            path = os.fsdecode(next(words))
            change = _Change(*facts[1:].decode("ascii").split(" "))
            if change.new_mode == NONE:
                continue
            kind = tamper.kind(path)
            if room and (kind or change.new_mode == _LINK):
                room -= 1
                yield from _told(path, kind, change, contents)
            elif kind:
                yield Trace(kind=kind, path=path)
            if change.new_mode == _PROGRAM and change.old_mode != _PROGRAM:
                yield Trace(kind="executable", path=path)


def _told(path: str, kind: str | None, change: _Change, contents: Contents) -> Iterator[Trace]:
    new = contents.of(change.new_id)
    if change.new_mode == _LINK:
        target = os.fsdecode(new)
        if tamper.leaves(path, target):
            yield Trace(kind="link", path=path, what=f"-> {target}")
        if kind:
            yield Trace(kind=kind, path=path, what=f"-> {target}")
    elif kind:
        old = b"" if change.old_mode == NONE else contents.of(change.old_id)
        what = tamper.telling(path, old, new)
        if what is not None:
            yield Trace(kind=kind, path=path, what=what)


def held(git: Git, tree: str) -> frozenset[str]:
    """Every path of a snapshot."""
    listed = git("ls-tree", "-r", "-z", "--name-only", tree).split(b"\0")
    return frozenset(os.fsdecode(path) for path in listed if path)
