"""One small file of a session: read without being tricked, replaced whole or not at all.

A reader never follows a link, never waits at a FIFO and never takes in a giant; a replacement is
written beside the file, synced, and renamed over it, so that whoever is killed leaves the old
text or the new one.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

LARGEST = 16 * 1024 * 1024  # bytes; a record has a few thousand


class UnreadableError(Exception):
    """Why a file cannot be used, in a few words."""


def read(path: str, *, dir_fd: int | None = None) -> bytes:
    """The whole file. Raises FileNotFoundError, UnreadableError or another OSError."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    fd = os.open(path, flags, dir_fd=dir_fd)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise UnreadableError("not a regular file")
        if found.st_size > LARGEST:
            raise UnreadableError(f"larger than {LARGEST} bytes")
        return _read_all(fd, found.st_size)
    finally:
        os.close(fd)


def read_object(path: str, *, dir_fd: int | None = None) -> dict[str, Any]:
    """The JSON object in a file. Raises as read() does, or UnreadableError if it is no object."""
    data = read(path, dir_fd=dir_fd)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UnreadableError("not JSON" if data.strip() else "empty") from error
    if not isinstance(value, dict):
        raise UnreadableError("not a JSON object")
    return value


def write_object(path: str, value: Mapping[str, Any]) -> None:
    """Replace a file by the JSON of `value`, pretty-printed, 0600, durable when this returns."""
    replace(path, encoded(value))


def encoded(value: Mapping[str, Any]) -> bytes:
    """Pretty-printed JSON.

    A path that is not UTF-8 has lone surrogates here; JSON escapes them just as Python does.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace")


def replace(path: str, data: bytes, *, mode: int = 0o600) -> None:
    """Swap the file whole: temporary file, fsync, rename, fsync of the directory."""
    new = beside(path)
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            os.fchmod(fd, mode)  # whatever the caller's umask is
            write_all(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(new, path)
    except BaseException:  # a Ctrl-C, too: nobody would look for it
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise
    sync_directory(path.rpartition("/")[0])


def beside(path: str) -> str:
    """A name in the same directory that nobody else takes, by which is_temporary() knows it."""
    directory, _, name = path.rpartition("/")
    return f"{directory}/.{name}.{os.getpid()}-{os.urandom(4).hex()}.tmp"


def sync_directory(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def is_temporary(name: str) -> bool:
    """Whether a name is that of a replacement that was never finished."""
    return name.startswith((".session.json.", ".intent.json.", ".config.toml.")) and name.endswith(
        ".tmp"
    )


def is_unfinished(name: str, of: Collection[str]) -> bool:
    """Whether a name is that of a replacement of one of these that was never finished."""
    return name.endswith(".tmp") and any(name.startswith(f".{one}.") for one in of)


def _read_all(fd: int, size: int) -> bytes:
    """Asked for a byte more than there should be, so that one read also finds the end."""
    parts = []
    left = LARGEST
    while left > 0 and (part := os.read(fd, min(left, size + 1))):
        parts.append(part)
        left -= len(part)
        if len(part) <= size:
            break
    return b"".join(parts)


def write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
