"""Paths of the user's tree that `exclude` hides from a session that works on that very tree.

Only what exists can be hidden: by mounting something empty over it. A link is not mounted over,
and hides nothing that its target does not show elsewhere.
"""

from __future__ import annotations

import os
import stat

from outrig.core.frozen import frozen
from outrig.errors import WorkspaceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from outrig.core.ignore import Rules

_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST = 500  # mounts that a container can reasonably have
_DEEPEST = 500


@frozen(kw_only=False)
class Mask:
    """A path below the root, and what it is."""

    path: str
    directory: bool


def find(root: str, exclude: Rules) -> tuple[Mask, ...]:
    """What is to be hidden. Raises WorkspaceError when that is too much to be mounted over."""
    if not exclude:
        return ()
    top = os.open(root, _ENTER)
    found: list[Mask] = []
    try:
        for mask in _find(top, "", exclude, 0):
            found.append(mask)
            if len(found) > _MOST:
                raise WorkspaceError(
                    f"[workspace] exclude fits more than {_MOST} paths below {root}",
                    hint="exclude the directories that hold them, or use --workspace worktree",
                )
    finally:
        os.close(top)
    return tuple(found)


def first(directory: str, path: str, exclude: Rules) -> str | None:
    """What is to be hidden of a directory, which is `path` below the root; None: nothing is."""
    top = os.open(directory, _ENTER)
    try:
        below = f"{path}/" if path else ""
        return next((mask.path for mask in _find(top, below, exclude, 0)), None)
    finally:
        os.close(top)


def _find(folder: int, below: str, exclude: Rules, depth: int) -> Iterator[Mask]:
    for name in sorted(os.listdir(folder)):
        if name == ".git":
            continue
        path = f"{below}{name}"
        try:
            mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        except FileNotFoundError:
            continue
        directory = stat.S_ISDIR(mode)
        if exclude.fits(path, directory=directory):
            if directory or stat.S_ISREG(mode):
                yield Mask(path, directory)
        elif directory and depth < _DEEPEST:
            yield from _inside(folder, name, path, exclude, depth)


def _inside(folder: int, name: str, path: str, exclude: Rules, depth: int) -> Iterator[Mask]:
    try:
        inner = os.open(name, _ENTER, dir_fd=folder)
    except OSError:  # what the caller may not enter, the session may not either
        return
    try:
        yield from _find(inner, f"{path}/", exclude, depth + 1)
    finally:
        os.close(inner)
