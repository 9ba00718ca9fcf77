"""Slots: start and remove take one of 8 host-wide slots, so that no crowd wedges an old engine.

dockerd below 20.10.27 can deadlock for good when many containers start and stop at once
(moby#46661). A slot is a flock on a file in a sticky directory that all users share; the kernel
frees it when its holder dies. Another user may have put anything there: only regular files count,
links are not followed, and a directory that cannot be used means no slots, never no run.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from contextlib import contextmanager

from outrig.errors import EngineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SLOTS = 8
PATIENCE_SECONDS = 120.0
PAUSE_SECONDS = 0.02

# Non-blocking: a FIFO that somebody planted must not hold us up.
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def slot(directory: Path, *, seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Hold one slot. Raises EngineError when none comes free in time."""
    folder = _opened(directory)
    if folder is None:
        yield
        return
    try:
        held = _taken(folder, directory, seconds)
    finally:
        os.close(folder)
    try:
        yield
    finally:
        if held is not None:
            os.close(held)


def _opened(directory: Path) -> int | None:
    try:
        try:
            return os.open(directory, _FLAGS | os.O_DIRECTORY)
        except FileNotFoundError:
            directory.mkdir()
            directory.chmod(0o1777)  # mkdir's mode is cut by the umask
            return os.open(directory, _FLAGS | os.O_DIRECTORY)
    except OSError:
        return None


def _taken(folder: int, directory: Path, seconds: float) -> int | None:
    """A locked slot; None when no file in the directory can serve as one."""
    deadline = time.monotonic() + seconds
    first = os.getpid() % SLOTS  # so that not everybody begins with the same one
    while True:
        usable = False
        for number in range(SLOTS):
            file = _file(folder, f"slot.{(first + number) % SLOTS}")
            if file is None:
                continue
            usable = True
            if _locked(file):
                return file
            os.close(file)
        if not usable:
            return None
        if time.monotonic() > deadline:
            raise EngineError(
                f"all {SLOTS} places for starting and removing containers stayed taken for "
                f"{seconds:g} s: the engine is wedged, or somebody holds {directory}",
                hint=f"fuser -v {directory}/slot.*",
            )
        time.sleep(PAUSE_SECONDS)


def _file(folder: int, name: str) -> int | None:
    try:
        try:
            file = os.open(name, _FLAGS, dir_fd=folder)
        except FileNotFoundError:
            # Exclusive: the kernel's fs.protected_regular refuses O_CREAT on others' files here.
            file = os.open(name, _FLAGS | os.O_CREAT | os.O_EXCL, 0o444, dir_fd=folder)
            os.fchmod(file, 0o444)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    return None


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
