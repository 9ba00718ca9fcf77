"""What a session keeps in the user's repository: refs of outrig's own names, gone with it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from outrig.errors import WorkspaceError

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
    from outrig.workspace.repository import Repository  # noqa: PLC0415 - few sessions have any

    try:
        repository = Repository(git_dir=Path(place), env=os.environ)
        for ref in refs:
            repository.run("update-ref", "--no-deref", "-d", ref)
    except WorkspaceError as error:
        return f"{', '.join(refs)} stays in {place}: {error.message}"
    return None
