"""What `exclude` names is unchanged to git inside, not deleted: a commit of all leaves it alone.

The session's .git is marked before the session can write it, so what git obeys there is ours.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from outrig.workspace.git import Git

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from outrig.core.ignore import Rules


def mark(git_dir: Path, exclude: Rules, objects: Iterable[str], env: Mapping[str, str]) -> None:
    """Mark the tracked ones of a repository that borrows `objects`. Raises WorkspaceError."""
    if not exclude or not (git_dir / "index").is_file():
        return
    git = Git(
        git_dir=str(git_dir),
        path=env.get("PATH", os.defpath),
        alternates=tuple(objects),
        variables={"GIT_OPTIONAL_LOCKS": "1"},
    )
    listed = dict.fromkeys(git("ls-files", "-z").split(b"\0")[:-1])
    hidden = [path for path in listed if exclude.fits_below(os.fsdecode(path), directory=False)]
    if hidden:
        named = b"".join(path + b"\0" for path in hidden)
        git("update-index", "-z", "--skip-worktree", "--stdin", stdin=named)
