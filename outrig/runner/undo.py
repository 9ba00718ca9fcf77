"""Undo: what a session changed in the user's own tree is put back, and forth again.

What the tree was like before stays in the session, as `refs/snapshots/undo/N`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from outrig.errors import SessionBusyError, WorkspaceError
from outrig.runner import snapshot
from outrig.workspace import restore
from outrig.workspace.snapshots import END, START

if TYPE_CHECKING:
    from pathlib import Path

    from outrig.core.session import Session
    from outrig.workspace.restore import Restoration
    from outrig.workspace.snapshots import Snapshots


class Undo(NamedTuple):
    """What would be done, looked at; carry_out() does it."""

    tree: Path
    now: str  # the tree's snapshot
    snapshots: Snapshots
    plan: Restoration

    def carry_out(self) -> None:
        """Raises WorkspaceError naming what could not be put back."""
        self.snapshots.name(_next(self.snapshots), self.now)
        restore.carry_out(self.snapshots.git, self.tree, self.plan.steps)


def look(session: Session, directory: Path, *, redo: bool = False) -> Undo:
    """Raises SessionBusyError while it runs, WorkspaceError where there is nothing to put back."""
    if not session.ended:
        raise SessionBusyError(
            f"session {session.id} is running", hint=f"end it first: outrig stop {session.id}"
        )
    mode = session.workspace.get("mode", "bind")
    if mode != "bind":
        raise WorkspaceError(
            f"session {session.id} worked on a tree of its own ({mode}): yours is as it was",
            hint=f"outrig discard {session.id}",
        )
    snapshots, tree = snapshot.of(directory), snapshot.tree_of(session)
    start, end = snapshots.tree(START), snapshots.tree(END)
    if tree is None or start is None or end is None:
        why = session.workspace.get("snapshot_error") or "they were not taken"
        raise WorkspaceError(f"session {session.id} lacks its snapshots: {why}")
    snapshots.look()
    now = snapshots.take(tree).tree
    current, wanted = (start, end) if redo else (end, start)
    plan = restore.planned(snapshots.git, current=current, wanted=wanted, now=now)
    return Undo(tree, now, snapshots, plan)


def _next(snapshots: Snapshots) -> str:
    number = 1
    while snapshots.tree(f"undo/{number}") is not None:
        number += 1
    return f"undo/{number}"
