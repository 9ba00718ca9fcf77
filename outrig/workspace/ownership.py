"""What we laid down for a session is given to the session's user."""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def hand_over(tree: Path, uid: int, gid: int) -> bool:
    """Give a tree of ours away, or open it where we may not; True if anything was changed.

    Opening it exposes nothing: the directory above is ours, and closed to everybody else first (an
    explicit --session-dir may have been open). Links are given away and never followed.
    """
    me = os.geteuid()
    if uid == me:
        return False
    if me != 0:
        tree.parent.chmod(0o700)
    above = os.open(tree.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _give(tree.name, above, uid, gid)
    finally:
        os.close(above)
    for _, directories, files, folder in os.fwalk(tree, follow_symlinks=False):
        for name in (*directories, *files):
            _give(name, folder, uid, gid)
    return True


def _give(name: str, folder: int, uid: int, gid: int) -> None:
    if os.geteuid() == 0:
        os.chown(name, uid, gid, dir_fd=folder, follow_symlinks=False)
        return
    mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    if stat.S_ISDIR(mode):
        os.chmod(name, 0o777, dir_fd=folder)
    elif stat.S_ISREG(mode):
        os.chmod(name, 0o777 if mode & stat.S_IXUSR else 0o666, dir_fd=folder)
