"""A directory tree that an agent wrote is removed, however deep, wide or locked it is.

Each subdirectory is lifted to the top before its parent is removed, so that two descriptors
suffice where recursion would run out of them; what is lifted has a name of its own, by which the
next attempt knows it after a kill. Links are removed, never followed.
"""

from __future__ import annotations

import contextlib
import os
import stat

_HOISTED = ".discarding-"
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
        one = waiting.pop()
        with contextlib.suppress(FileNotFoundError):
            if _is_directory(one, above):
                waiting += _strip(one, above)
                os.rmdir(one, dir_fd=above)
            else:
                os.unlink(one, dir_fd=above)


def _strip(name: str, above: int) -> list[str]:
    """Empty one directory; returns the names its subdirectories have beside it now."""
    _unlock(name, above)
    directory = os.open(name, _ENTER, dir_fd=above)
    lifted = []
    try:
        for inner in os.listdir(directory):
            if _is_directory(inner, directory):
                lifted.append(_lift(inner, directory, above))
            else:
                os.unlink(inner, dir_fd=directory)
    except OSError as error:
        error.filename = f"{name}/{error.filename}"
        raise
    finally:
        os.close(directory)
    return lifted


def _lift(name: str, directory: int, above: int) -> str:
    lifted = _HOISTED + os.urandom(6).hex()
    _unlock(name, directory)  # moving a directory rewrites its "..", which takes write permission
    os.rename(name, lifted, src_dir_fd=directory, dst_dir_fd=above)
    return lifted


def _unlock(name: str, above: int) -> None:
    """Give ourselves the permissions that caches of modules take away from their owner."""
    directory = os.open(name, _LOOK, dir_fd=above)
    try:
        with contextlib.suppress(PermissionError):  # another user's: unlinking will say so
            os.chmod(f"/proc/self/fd/{directory}", 0o700)
    finally:
        os.close(directory)


def _is_directory(name: str, above: int) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode)
