"""Blobs: what files of a hostile tree hold, read by handle and stored as they are.

| what stands at a path        | what is recorded                                              |
|------------------------------|---------------------------------------------------------------|
| a regular file               | its bytes, 100755 if its owner may execute it, else 100644    |
| a symlink                    | where it points to, 120000                                    |
| a directory, or nothing      | nothing                                                       |
| a FIFO, socket or device     | nothing: git has no word for it                               |
| a file larger than LARGEST,  | nothing, and it is named with the reason: what was recorded   |
| beyond MOST, or unreadable   | of it before stays                                            |

No filter, line ending or encoding of git's applies: `git fast-import` takes bytes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from outrig.core.frozen import frozen
from outrig.errors import WorkspaceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from outrig.workspace.folders import Folders, Spot
    from outrig.workspace.git import Git, Running

LARGEST = 100 * 1024 * 1024  # bytes of one file
MOST = 512 * 1024 * 1024  # bytes that one snapshot adds
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@frozen(kw_only=False)
class Entry:
    mode: str
    id: str


@frozen(kw_only=False)
class Skipped:
    """A file whose content is not recorded, and why."""

    path: bytes
    why: str


class Blobs:
    """A context manager; what was put is in the repository once it has been left."""

    def __init__(self, git: Git, folders: Folders, *, algorithm: str) -> None:
        self._git = git
        self._folders = folders
        self._algorithm = algorithm
        self._importing: Running | None = None
        self._stored: set[str] = set()
        self._room = MOST

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._importing is None:
            return
        with self._importing as running:
            if kind is None:  # not as input of answer(): one that has died breaks communicate()
                self._feed(b"done\n")
                running.answer()

    def put(self, path: bytes) -> Entry | Skipped | None:
        """Record what is at a path now; None where nothing is that git could hold."""
        try:
            spot = self._folders.spot(path)
            found = spot.look() if spot else None
            if spot is None or found is None:
                return None
            if stat.S_ISLNK(found.st_mode):
                return Entry("120000", self._store(os.readlink(spot.name, dir_fd=spot.folder)))
            return self._file(path, spot) if stat.S_ISREG(found.st_mode) else None
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO, errno.EINVAL):  # it became another thing
                return None
            return Skipped(path, f"cannot be read: {error.strerror}")

    def _file(self, path: bytes, spot: Spot) -> Entry | Skipped | None:
        descriptor = os.open(spot.name, _READ, dir_fd=spot.folder)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            state = os.fstat(descriptor)
            if not stat.S_ISREG(state.st_mode):
                return None
            if state.st_size > LARGEST:
                return Skipped(path, f"{state.st_size} bytes: too large to record")
            if state.st_size > self._room:
                return Skipped(path, f"a snapshot adds at most {MOST} bytes")
            content = file.read(LARGEST + 1)
            while len(content) <= LARGEST and (more := file.read(LARGEST + 1 - len(content))):
                content += more
        if len(content) > LARGEST:  # it grew while it was read
            return Skipped(path, "too large to record")
        mode = "100755" if state.st_mode & stat.S_IXUSR else "100644"
        return Entry(mode, self._store(content))

    def _store(self, content: bytes) -> str:
        import hashlib  # noqa: PLC0415 - OpenSSL is 3.6 MB, which a supervisor waits without

        head = b"blob %d\0" % len(content)
        blob = hashlib.new(self._algorithm, head + content, usedforsecurity=False).hexdigest()
        if blob not in self._stored:
            self._stored.add(blob)
            self._room -= len(content)
            self._feed(b"blob\ndata %d\n" % len(content), content, b"\n")
        return blob

    def _feed(self, *pieces: bytes) -> None:
        if self._importing is None:
            self._importing = self._git.start(
                *("fast-import", "--quiet", "--done", "--depth=0"), piped=True
            )
        pipe = self._importing.process.stdin
        assert pipe
        try:
            for piece in pieces:
                pipe.write(piece)
        except BrokenPipeError:
            with contextlib.suppress(BrokenPipeError):
                self._importing.answer()
            raise WorkspaceError("git fast-import ended early: is the disk full?") from None
