"""Regular files and real directories of a repository that may be hostile.

Each component of a path is opened by the handle of the one before it: no link is followed, no FIFO
waited for, nothing larger than said is read or copied.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SMALL = 1024 * 1024  # bytes of a config, a list of ignored files, a message
DEEPEST = 40  # directories in each other
_NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)  # ENXIO: a socket

_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def entered(path: str) -> Iterator[int | None]:
    """A directory's handle; None where there is none, or a link."""
    try:
        folder = os.open(path, _ENTER)
    except (FileNotFoundError, NotADirectoryError):
        yield None
        return
    try:
        yield folder
    finally:
        os.close(folder)


def text(directory: Path, name: str) -> str:
    with entered(str(directory)) as folder:
        data = None if folder is None else read(name, folder, SMALL)
    return (data or b"").decode("utf-8", "surrogateescape")


def _enter(parts: Iterable[str], folder: int) -> int | None:
    """A handle of its own for a directory below `folder`; None where there is none, or a link."""
    at = os.dup(folder)
    for part in parts:
        try:
            below = os.open(part, _ENTER, dir_fd=at)
        except OSError as error:
            if error.errno in _NO_FILE:
                return None
            raise
        finally:
            os.close(at)
        at = below
    return at


@contextlib.contextmanager
def _opened(name: str, folder: int, most: int) -> Iterator[tuple[int, int] | None]:
    """A regular file and its size; None for everything else. No component may be a link."""
    *above, last = name.split("/")
    at = _enter(above, folder)
    if at is None:
        yield None
        return
    try:
        descriptor = os.open(last, _READ, dir_fd=at)
    except OSError as error:
        if error.errno not in _NO_FILE:
            raise
        yield None
        return
    finally:
        os.close(at)
    try:
        state = os.fstat(descriptor)
        good = stat.S_ISREG(state.st_mode) and state.st_size <= most
        yield (descriptor, state.st_size) if good else None
    finally:
        os.close(descriptor)


def read(name: str, folder: int, most: int) -> bytes | None:
    with _opened(name, folder, most) as found:
        if found is None:
            return None
        with os.fdopen(found[0], "rb", closefd=False) as file:
            return file.read(most)


def copy(name: str, folder: int, to: Path, most: int) -> bool:
    """Copy a file to the same name below `to`; False where there is none that may be copied."""
    with _opened(name, folder, most) as found:
        if found is None:
            return False
        target = to / name
        target.parent.mkdir(mode=0o777, parents=True, exist_ok=True)
        made = os.open(target, _MAKE, 0o666)
        try:
            _pour(found[0], made, found[1])
        finally:
            os.close(made)
    return True


def _pour(source: int, copy: int, size: int) -> None:
    while size > 0 and (count := os.sendfile(copy, source, None, size)) > 0:
        size -= count


def copy_tree(
    name: str, folder: int, to: Path, most: int, *, without: str = "", depth: int = 0
) -> None:
    """Copy a directory's files, as deep as they are; links and special files stay behind."""
    at = _enter(name.split("/"), folder)
    if at is None:
        return
    try:
        to.mkdir(mode=0o777, parents=True, exist_ok=True)
        for inner in sorted(os.listdir(at)):
            if inner == without or depth > DEEPEST:
                continue
            if is_directory(inner, at):
                copy_tree(inner, at, to / inner, most, depth=depth + 1)
            elif not inner.endswith(".lock"):
                copy(inner, at, to, most)
    finally:
        os.close(at)


def is_directory(name: str, folder: int) -> bool:
    try:
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except OSError:
        return False
    return stat.S_ISDIR(mode)
