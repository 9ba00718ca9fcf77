"""A build context as a tar stream, and its digest.

Content decides and times do not: the same files make the same digest and the same stream on every
machine. Files are read piece by piece, and a context that changes meanwhile is never built under
the digest of what it was.
"""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

from outrig.errors import BuildError
from outrig.workspace import beneath
from outrig.workspace.context import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outrig.workspace.context import Context

PIECE = 256 * 1024
BLOCK = 512  # of a tar
# Not 0: zip, and with it Python's packaging, knows no year before 1980.
WHEN = 315_619_200


def digest(context: Context) -> str:
    """64 hex digits over paths, modes and bytes. Reads every file."""
    summed = _Sum()
    for _ in _stream(context, summed):
        pass
    return summed.hex()


def archive(context: Context, expected: str) -> Iterator[bytes]:
    """The tar stream. Raises BuildError at its end when the content is no longer `expected`.

    The engine then has no whole archive, and builds nothing under a tag that would lie.
    """
    summed = _Sum()
    yield from _stream(context, summed)
    if summed.hex() != expected:
        raise BuildError(
            f"the build context {context.root} changed while it was read", hint="build again"
        )
    yield bytes(2 * BLOCK)


class _Sum:
    """A hash of what is fed, each piece with its length: no two contents read alike."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.hex = self._hash.hexdigest

    def head(self, *parts: object) -> None:
        for part in parts:
            data = os.fsencode(str(part))
            self._hash.update(b"%d:" % len(data) + data)

    def data(self, piece: bytes) -> None:
        self._hash.update(piece)


def _stream(context: Context, summed: _Sum) -> Iterator[bytes]:
    """The entries as a tar, without its end; `summed` is fed on the way."""
    folder = beneath.directory(context.root)
    try:
        for entry in context.entries:
            summed.head(entry.kind, entry.path, entry.mode, entry.size, entry.target)
            yield _header(entry)
            if entry.kind == "file":
                for piece in _content(folder, entry):
                    summed.data(piece)
                    yield piece
                yield bytes(-entry.size % BLOCK)
    finally:
        os.close(folder)
    for path, data in sorted(context.made.items()):
        summed.head("file", path, 0o644, len(data), "")
        summed.data(data)
        yield _header(Entry(path=path, kind="file", mode=0o644, size=len(data)))
        yield data + bytes(-len(data) % BLOCK)


def _header(entry: Entry) -> bytes:
    import tarfile  # noqa: PLC0415 - 13 ms that a run without a build does not pay

    kinds = {"file": tarfile.REGTYPE, "directory": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}
    info = tarfile.TarInfo(entry.path)
    info.type, info.mode, info.mtime = kinds[entry.kind], entry.mode, WHEN
    info.size, info.linkname = entry.size, entry.target
    # GNU's format carries names that are not UTF-8.
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _content(folder: int, entry: Entry) -> Iterator[bytes]:
    """Exactly as many bytes as the header says."""
    descriptor = beneath.open_at(folder, entry.path, os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BuildError(f"{entry.path} changed while the build context was read")
        left = entry.size
        while left and (piece := file.read(min(PIECE, left))):
            left -= len(piece)
            yield piece
        if left or file.read(1):
            raise BuildError(f"{entry.path} changed while the build context was read")
