""".reserve: space that a session's directory has from its beginning, for when the disk is full.

A text that must be written then is written into it and takes its new name, so nothing is given
back in between that whoever fills the disk could take. What that frees becomes the next reserve,
as far as it is still there; one that has ended, with nothing left to take away, keeps none.

Its size: a record has 3 to 4 KB, more with a long prompt, and grows by 1 KB until its end
(measured); an intent has 150 bytes. Both fit, in blocks of 4 KiB as file systems give them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from outrig.store import file
from outrig.store.places import RESERVE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

FULL = (errno.ENOSPC, errno.EDQUOT)
_BLOCK = 4096
INTENT = _BLOCK
GROWTH = 2 * _BLOCK  # what a record may gain: the image, limits hit, what the logs lack
_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def make(directory: str, record: int) -> None:
    """Allocate a reserve for a session whose record has so many bytes. Raises OSError."""
    _make(directory, _blocks(record) + GROWTH + INTENT)


def _make(directory: str, size: int) -> None:
    fd = os.open(f"{directory}/{RESERVE}", _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        _allocate(fd, size)
    except BaseException:  # half a reserve is none
        drop(directory)
        raise
    finally:
        os.close(fd)


def drop(directory: str) -> None:
    """Give the space back."""
    with contextlib.suppress(OSError):
        os.unlink(f"{directory}/{RESERVE}")


def write_object(directory: str, name: str, value: Mapping[str, Any]) -> None:
    """Replace a file of the session's, from its reserve when the disk is full. Raises OSError."""
    data = file.encoded(value)
    try:
        file.replace(f"{directory}/{name}", data)
    except OSError as error:
        if error.errno not in FULL or not _become(directory, name, data):
            raise


def _become(directory: str, name: str, data: bytes) -> bool:
    """Let the reserve be the file; False if there is none, or too little."""
    beside = file.beside(f"{directory}/{name}")
    try:
        os.rename(f"{directory}/{RESERVE}", beside)  # now nobody else can use it
    except OSError:
        return False
    try:
        size = _overwrite(beside, data)
        os.rename(beside, f"{directory}/{name}")
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        return False
    file.sync_directory(directory)
    with contextlib.suppress(OSError):  # somebody was quicker: then there is no more
        _make(directory, size - _blocks(len(data)))
    return True


def _overwrite(path: str, data: bytes) -> int:
    """Put the text in the place of what is there; returns how large that was."""
    fd = os.open(path, _FLAGS)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        file.write_all(fd, data)
        os.ftruncate(fd, len(data))
        os.fsync(fd)
    finally:
        os.close(fd)
    return found.st_size


def _blocks(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _allocate(fd: int, size: int) -> None:
    """Real blocks. Where a file system cannot promise them, zeros have to do."""
    try:
        os.posix_fallocate(fd, 0, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise
        file.write_all(fd, bytes(size))
