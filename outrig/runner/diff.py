"""What a session changed: its start snapshot against its end, or against now while it runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from outrig.errors import WorkspaceError
from outrig.runner import snapshot
from outrig.workspace.changes import Changes
from outrig.workspace.snapshots import END, START

if TYPE_CHECKING:
    from collections.abc import Sequence

    from outrig.core.session import Session


class Difference(NamedTuple):
    """The changes, and what the reader must know of them."""

    changes: Changes
    notice: str | None


def difference(
    session: Session,
    directory: Path,
    paths: Sequence[bytes] = (),
    *,
    checkpoint: int | None = None,
) -> Difference:
    """Raises WorkspaceError when there is nothing to compare."""
    snapshots = snapshot.of(directory)
    start = snapshots.tree(START)
    if start is None:
        if (kept := _archived(session, tuple(paths))) is not None:
            return kept
        why = session.workspace.get("snapshot_error")
        raise WorkspaceError(
            f"session {session.id} has no start snapshot{f': {why}' if why else ''}",
            hint=f"outrig show {session.id}",
        )
    snapshots.look()
    new, notice = _other(session, directory, checkpoint)
    changes = Changes(git=snapshots.git, old=start, new=new, paths=tuple(paths))
    return Difference(changes, notice or _skipped(session))


def _other(session: Session, directory: Path, checkpoint: int | None) -> tuple[str, str | None]:
    snapshots = snapshot.of(directory)
    if checkpoint is not None:
        tree = snapshots.tree(f"checkpoint/{checkpoint}")
        if tree is None:
            count = len(snapshot.noted(session))
            raise WorkspaceError(f"session {session.id} has {count} checkpoints, no {checkpoint}")
        return tree, None
    end = snapshots.tree(END) if session.ended else None
    if end is not None:
        return end, None
    tree = snapshot.live(directory, session).tree
    if not session.ended:
        return tree, f"session {session.id} has not ended; this is its workspace as it is now"
    why = session.workspace.get("snapshot_error") or "nobody took it"
    return tree, f"no end snapshot ({why}); this is the workspace as it is now"


def _archived(session: Session, paths: tuple[bytes, ...]) -> Difference | None:
    """Of an archived session the snapshots are gone, and its work is a commit of the user's."""
    common = session.workspace.get("common_dir")
    if not isinstance(common, str):
        return None
    from outrig.runner.work import ARCHIVE, base_of  # noqa: PLC0415 - what follows is for few sessions
    from outrig.workspace import waiting  # noqa: PLC0415
    from outrig.workspace.repository import Repository  # noqa: PLC0415

    waiting.refuse(Path(common))
    repository = Repository(git_dir=Path(common), env=os.environ)
    commit = repository.commit(f"{ARCHIVE}/{session.id}")
    if commit is None:
        return None
    old = base_of(session) or repository.empty_tree()
    changes = Changes(git=repository.git(), old=old, new=commit, paths=paths)
    return Difference(changes, f"session {session.id} is archived; this is what was kept of it")


def _skipped(session: Session) -> str | None:
    skipped = session.workspace.get("skipped")
    if not isinstance(skipped, list) or not skipped:
        return None
    first = skipped[0]
    named = f"{first.get('path')} ({first.get('why')})" if isinstance(first, dict) else ""
    more = f" and {len(skipped) - 1} more" if len(skipped) > 1 else ""
    return f"not compared: {named}{more}; all of them: outrig show {session.id}"


def below(session: Session, words: Sequence[str], cwd: Path) -> tuple[bytes, ...]:
    """Paths as typed, below the workspace: from where the user stands in it, else from its top."""
    root = session.workspace.get("path")
    top = os.path.realpath(root) if isinstance(root, str) else ""
    here = os.path.realpath(cwd)
    inside = top and (here == top or here.startswith(f"{top}/"))
    found = []
    for word in words:
        path = os.path.normpath(os.path.join(here if inside else top, word))
        if path != top and not path.startswith(f"{top}/"):
            raise WorkspaceError(f"{word} is outside of the workspace {top}")
        found.append(os.fsencode(os.path.relpath(path, top)))
    return tuple(found)
