"""One flock per session and purpose; the kernel frees it when its holder dies.

`<id>.attend` is held by whoever looks after a session, for its whole life: the descriptor may be
handed to a child, which then holds the same lock. `<id>.record` is held for the milliseconds of
one read-modify-write. A probe takes the attend lock shared for microseconds, so those who take it
in earnest try again for a moment before they believe that somebody else has it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time

from outrig.errors import SessionBusyError
from outrig.store.places import LOCKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PATIENCE = 0.2  # seconds; a probe holds the lock for microseconds
_PAUSE = 0.005


class Attendance:
    """The attend lock of one session, held until close() or the end of the process."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        """The descriptor to hand to a child process that shall hold the lock from then on."""
        return self._fd

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def attend(root: Path, session: str) -> Attendance:
    """Begin to look after a session. Raises SessionBusyError when somebody else does."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        fd = _try_lock(_path(root, session, "attend"))
        if fd is not None:
            return Attendance(fd)
        if time.monotonic() > deadline:
            raise SessionBusyError(f"somebody else looks after session {session}")
        time.sleep(_PAUSE)


def attended(root: Path, session: str) -> bool:
    """Whether anybody looks after a session. Makes nothing, disturbs nobody."""
    try:
        fd = os.open(_path(root, session, "attend"), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def holders(root: Path, session: str) -> list[int]:
    """The processes that look after a session, as far as the kernel shows them to us."""
    path = os.path.realpath(_path(root, session, "attend"))
    try:
        inode = str(os.stat(path).st_ino)
        with open("/proc/locks", encoding="ascii") as table:
            rows = [line.split() for line in table]
    except OSError:
        return []
    writers = [row[4:6] for row in rows if row[1:4:2] == ["FLOCK", "WRITE"]]
    pids = [int(pid) for pid, where in writers if where.rpartition(":")[2] == inode]
    return [pid for pid in pids if pid > 0 and _has_open(pid, path)]


def _has_open(pid: int, path: str) -> bool:
    """Inodes are numbered anew on each file system."""
    found = set()
    with contextlib.suppress(OSError):
        for one in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):  # closed meanwhile
                found.add(os.readlink(f"/proc/{pid}/fd/{one}"))
    return path in found


@contextlib.contextmanager
def exclusive(root: Path, session: str, purpose: str = "record") -> Iterator[None]:
    """Wait for a short lock, such as that of one rewrite of the record, and hold it."""
    path = _path(root, session, purpose)
    fd = None
    while fd is None:
        fd = _lock(path, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(fd)


def forget(root: Path, session: str) -> None:
    """Remove the lock files of a session that is gone; its holders keep what they hold."""
    for purpose in ("attend", "record"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_path(root, session, purpose))


def _path(root: Path, session: str, purpose: str) -> str:
    return f"{root}/{LOCKS}/{session}.{purpose}"


def _try_lock(path: str) -> int | None:
    try:
        return _lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None


def _lock(path: str, how: int) -> int | None:
    """Open and lock; None when the file was removed in between, so that the lock means nothing."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, how)
    except OSError:
        os.close(fd)
        raise
    if os.fstat(fd).st_nlink == 0:
        os.close(fd)
        return None
    return fd
