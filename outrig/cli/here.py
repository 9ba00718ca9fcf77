"""Here: the project in which the user stands, or which they name."""

from __future__ import annotations

import os
from pathlib import Path

from outrig.errors import UsageError, WorkspaceError


def directory() -> Path:
    """The working directory. Raises UsageError when somebody has removed it."""
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise UsageError("the working directory does not exist any more", hint="cd /") from error


def current() -> str | None:
    """The project around the working directory; None where there is none to speak of."""
    try:
        return _around(directory())
    except UsageError:
        return None


def project(named: str) -> str:
    """What --project means: a directory's project, or a name as it is.

    Raises UsageError for a path that is no directory.
    """
    if "/" not in named and named not in (".", ".."):
        return named
    path = Path(named).expanduser()
    if not path.is_dir():
        raise UsageError(f"--project {named} is no directory", hint="a directory, or a name")
    return _around(path)


def _around(directory: Path) -> str:
    from outrig.workspace import checkout

    found = Path(os.path.realpath(directory))
    try:
        git = checkout.look(found, uid=os.getuid(), trusted=True)
    except WorkspaceError:  # nothing is run there, so that it is odd is no matter here
        return str(found)
    return f"{git.root}/.git" if git else str(found)
