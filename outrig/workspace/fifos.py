"""A git that waits for a FIFO is let go.

Git opens `.gitignore` and `.gitattributes` wherever it finds them, and HEAD and others of a `.git`
in the tree; a FIFO of that name keeps it waiting for a writer. Opened for writing and closed again,
it reads as an empty file.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time

from outrig.workspace import git

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from outrig.workspace.git import Running

PATIENCE = 1.0  # seconds until it is looked what git waits for
_READ_BY_GIT = (".gitignore", ".gitattributes")
_OPEN = os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def answer(running: Running, tree: Path, *, accepted: tuple[int, ...] = (0,)) -> bytes:
    """What a git prints that works on a tree. Raises WorkspaceError."""
    until = time.monotonic() + git.SECONDS
    while time.monotonic() < until:
        try:
            return running.answer(accepted=accepted, seconds=PATIENCE)
        except TimeoutError:
            release(tree)
    return running.answer(accepted=accepted)


def release(tree: Path) -> None:
    """Let whoever waits for one of these FIFOs go on."""
    waiting = [os.fsencode(tree)]
    while waiting:
        folder = waiting.pop()
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif os.fsdecode(entry.name) in _READ_BY_GIT or b"/.git/" in entry.path:
                    _release(entry)


def _release(entry: os.DirEntry[bytes]) -> None:
    if not stat.S_ISFIFO(entry.stat(follow_symlinks=False).st_mode):
        return
    with contextlib.suppress(OSError):  # ENXIO: nobody waits for it
        os.close(os.open(entry.path, _OPEN))
