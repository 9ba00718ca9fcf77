"""What a session keeps in the user's repository: refs of outrig's own names, gone with it.

So is the working tree in which a conflict was laid out, once it is resolved or the session goes.
One that lies where the user wanted it (accept --resolve --in) is theirs, and stays.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from outrig.errors import WorkspaceError, reason
from outrig.store import tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outrig.core.session import Session

KINDS = ("pin", "branch")
OURS = ("refs/outrig/", "refs/heads/outrig/")


def noted(session: Session) -> Iterator[str]:
    """The refs that the record names and that have a name of ours."""
    for item in session.resources:
        ref = item.get("ref")
        if item.get("kind") in KINDS and isinstance(ref, str) and ref.startswith(OURS):
            yield ref


def release(session: Session) -> str | None:
    """Delete them; why one is still there. A repository that is gone has none."""
    refs = list(noted(session))
    workspace = session.fields.get("workspace")
    place = workspace.get("common_dir") if isinstance(workspace, dict) else None
    if not refs or not isinstance(place, str) or not os.path.lexists(f"{place}/HEAD"):
        return None
    from outrig.workspace import waiting  # noqa: PLC0415 - few sessions have any
    from outrig.workspace.repository import Repository  # noqa: PLC0415

    try:
        waiting.refuse(Path(place))
        repository = Repository(git_dir=Path(place), env=os.environ)
        for ref in refs:
            repository.run("update-ref", "--no-deref", "-d", ref)
    except WorkspaceError as error:
        return f"{', '.join(refs)} stays in {place}: {error.message}"
    return None


def forget_resolution(session: Session, directory: Path) -> str | None:
    """Take away the working tree of a conflict, and git's entry of it; why one is still there."""
    path, common = session.fields.get("resolving"), session.workspace.get("common_dir")
    if not isinstance(path, str) or not isinstance(common, str):
        return None
    place = Path(path)
    if place.is_dir() and not place.is_relative_to(os.path.realpath(directory)):
        return f"{place} was made for the conflict and stays: git worktree remove {place}"
    from outrig.workspace import worktrees  # noqa: PLC0415 - few sessions have any

    try:
        if place.is_dir():
            _remove(place)
        worktrees.forget(Path(common), place)
    except OSError as error:
        return f"{place} is still known to git: {reason(error)}; git worktree prune"
    return None


def _remove(place: Path) -> None:
    above = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        tree.remove(place.name, above)
    finally:
        os.close(above)
