"""A session that has changed a real tree, with its snapshots, and without an engine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from outrig.core.session import with_workspace
from outrig.runner import snapshot
from outrig.workspace.bare import Source
from outrig.workspace.snapshots import Snapshots
from tests import records

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from outrig.store.creation import Held
    from outrig.store.sessions import SessionStore


def begun(store: SessionStore, work: Path, **workspace) -> Held:
    """A running session of this tree, with its start snapshot."""
    held = records.begin(store, workspace={"mode": "bind", "path": str(work), **workspace})
    git = work / ".git"
    source = Source(common_dir=str(git), index=str(git / "index")) if git.is_dir() else None
    snapshots = Snapshots(held.directory / "snapshots.git", os.environ)
    said = snapshot.fields(
        "start", lambda: snapshots.start(work, source, work / "no rules", work.parent)
    )
    held.update(lambda session: with_workspace(session, **said))
    return held


def ended(held: Held) -> str:
    """Its end: the tree as it is now is what the session left."""
    said = snapshot.end(held.directory, held.session)
    held.update(lambda session: with_workspace(session, **said))
    return records.finish(held).id


def session(store: SessionStore, work: Path, change: Callable[[Path], object], **workspace) -> str:
    """A session that made this change."""
    held = begun(store, work, **workspace)
    change(work)
    return ended(held)
