"""Gitlinks in an index that a session wrote: other repositories, to which a checkout would lead.

The file is read as data, never by git: versions 2, 3 and 4 of the index, as git's own
`index-format` documentation has them. One without a gitlink's mode in it anywhere, as nearly all
are, is not taken apart.
"""

from __future__ import annotations

import os
import stat
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGEST = 256 * 1024 * 1024  # bytes
_MODE = 0o160000
_HEADER = struct.Struct(">4sII")
_BEFORE_MODE, _BEFORE_NAME = 24, 40  # bytes of an entry; the object's name follows the latter
_EXTENDED = 0x4000
_PREFIXED = 4  # the version in which a path says what it shares with the one before


def gitlinks(index: Path) -> frozenset[str]:
    """The paths of its gitlinks; none where there is no index. Raises ValueError for damage."""
    data = _read(index)
    if struct.pack(">I", _MODE) not in data:
        return frozenset()
    found = [one for digits in _digits(data) if (one := _try(data, digits)) is not None]
    if not found:
        raise ValueError("no index that could be read")
    return found[0].union(*found)


def _digits(data: bytes) -> tuple[int, ...]:
    """How long objects' names are: the sum at the end tells; if it is wrong, either may be."""
    import hashlib  # noqa: PLC0415 - hardly ever needed

    for digits, name in ((20, "sha1"), (32, "sha256")):
        if hashlib.new(name, data[:-digits]).digest() == data[-digits:]:
            return (digits,)
    return (20, 32)


def _try(data: bytes, digits: int) -> frozenset[str] | None:
    try:
        return frozenset(os.fsdecode(path) for path in _paths(data, digits))
    except (struct.error, ValueError, IndexError):
        return None


def _paths(data: bytes, digits: int) -> Iterator[bytes]:
    magic, version, count = _HEADER.unpack_from(data)
    if magic != b"DIRC" or version not in (2, 3, _PREFIXED):
        raise ValueError("no index of a known version")
    at, path = _HEADER.size, b""
    for _ in range(count):
        begin = at
        (mode,) = struct.unpack_from(">I", data, at + _BEFORE_MODE)
        (flags,) = struct.unpack_from(">H", data, at + _BEFORE_NAME + digits)
        at += _BEFORE_NAME + digits + 2 + (2 if flags & _EXTENDED else 0)
        kept = b""
        if version == _PREFIXED:
            dropped, at = _number(data, at)
            if dropped > len(path):
                raise ValueError("a path shorter than nothing")
            kept = path[: len(path) - dropped]
        end = data.index(b"\0", at)
        path = kept + data[at:end]
        at = end + 1 if version == _PREFIXED else begin + ((end - begin) // 8 + 1) * 8
        if mode == _MODE:
            yield path


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number as pack files write offsets, and where it ends."""
    byte = data[at]
    number = byte & 0x7F
    while byte & 0x80:
        at += 1
        byte = data[at]
        number = ((number + 1) << 7) | (byte & 0x7F)
    return number, at + 1


def _read(index: Path) -> bytes:
    """A regular file's bytes, none of anything else; a FIFO is not waited for."""
    try:
        descriptor = os.open(index, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return b""
        if found.st_size > LARGEST:
            raise ValueError("an index that is too large")
        return file.read(LARGEST)
