"""A directory tree that an agent wrote is removed, however deep, wide or locked it is.

Where it is deeper than descriptors and recursion should go, a subdirectory is lifted to the top
and has its turn later; what is lifted has a name of its own, by which the next attempt knows it
after a kill. Links are removed, never followed.
"""

from __future__ import annotations

import contextlib
import os
import stat

_HOISTED = ".discarding-"
_DEEPEST = 50  # descriptors open at once
_LOOK = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def is_hoisted(name: str) -> bool:
    """Whether a name is that of a lifted directory that was never removed."""
    return name.startswith(_HOISTED)


def remove(name: str, above: int) -> None:
    """Remove the tree `name` in the directory `above`; a file or a link goes as it is.

    Raises OSError with the path, as far as it is known, of what cannot be removed.
    """
    waiting = [name]
    while waiting:
        waiting += _remove(waiting.pop(), above, top=above, depth=0)


def _remove(name: str, above: int, *, top: int, depth: int) -> list[str]:
    """Remove one entry; returns the names, in `top`, of what lay too deep and was lifted."""
    mode = os.stat(name, dir_fd=above, follow_symlinks=False).st_mode
    if not stat.S_ISDIR(mode):
        os.unlink(name, dir_fd=above)
        return []
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        _unlock(name, above)
    if depth == _DEEPEST:
        return [_lift(name, above, top)]
    try:
        directory = os.open(name, _ENTER, dir_fd=above)
    except PermissionError:
        if os.geteuid() == 0 or not _gone(name, above):
            raise
        return []
    lifted = []
    try:
        for inner in os.listdir(directory):
            lifted += _remove(inner, directory, top=top, depth=depth + 1)
    except OSError as error:
        error.filename = f"{name}/{error.filename}"
        raise
    finally:
        os.close(directory)
    os.rmdir(name, dir_fd=above)
    return lifted


def _gone(name: str, above: int) -> bool:
    """An empty directory goes without a look into it: the kernel leaves root's in an overlay's."""
    with contextlib.suppress(OSError):
        os.rmdir(name, dir_fd=above)
        return True
    return False


def _lift(name: str, above: int, top: int) -> str:
    lifted = _HOISTED + os.urandom(6).hex()
    os.rename(name, lifted, src_dir_fd=above, dst_dir_fd=top)
    return lifted


def _unlock(name: str, above: int) -> None:
    """Give ourselves the permissions that caches of modules take away from their owner."""
    directory = os.open(name, _LOOK, dir_fd=above)
    try:
        with contextlib.suppress(PermissionError):  # another user's: unlinking will say so
            os.chmod(f"/proc/self/fd/{directory}", 0o700)
    finally:
        os.close(directory)
