"""A copy of the user's tree: shared blocks where the file system can, bytes where it cannot.

Entered by handle and never through a link. Links stay links, wherever they lead; files that were
one by hard links stay one; sockets, FIFOs and devices stay behind, and setuid bits.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING

from outrig.errors import WorkspaceError, reason

if TYPE_CHECKING:
    from pathlib import Path

    from outrig.core.ignore import Rules

_FICLONE = 0x40049409
_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 30
_PERMISSIONS = 0o777
_DEEPEST = 500  # every level holds two descriptors


def copy(root: Path, to: Path, *, exclude: Rules, without: str = "") -> int:
    """Copy what is in `root` into the directory `to`; returns how many entries stayed behind.

    `without` is a name at the top that is left out. Raises WorkspaceError.
    """
    copier = _Copier(exclude)
    try:
        source, target = os.open(root, _ENTER), os.open(to, _ENTER)
        try:
            copier.directory(source, target, "", without=without)
        finally:
            os.close(source)
            os.close(target)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise WorkspaceError(
                f"no room for a copy of {root} in {to.parent}",
                hint="--workspace overlay or worktree, or --session-root on another disk",
            ) from error
        raise WorkspaceError(f"{root} cannot be copied: {reason(error)}") from error
    return copier.left


class _Copier:
    def __init__(self, exclude: Rules) -> None:
        self._exclude = exclude
        self._made: dict[tuple[int, int], str] = {}
        self._shares = True  # until the file system says that it cannot
        self._top = -1
        self.left = 0

    def directory(
        self, source: int, target: int, below: str, *, without: str = "", depth: int = 0
    ) -> None:
        if self._top < 0:
            self._top = target
        for name in os.listdir(source):
            if name != without:
                self._entry(source, target, name, f"{below}{name}", depth)

    def _entry(self, source: int, target: int, name: str, path: str, depth: int) -> None:
        try:
            found = os.stat(name, dir_fd=source, follow_symlinks=False)
        except FileNotFoundError:  # it went while we looked
            return
        directory = stat.S_ISDIR(found.st_mode)
        if self._exclude and self._exclude.fits(path, directory=directory):
            return
        if directory and depth < _DEEPEST:
            self._below(source, target, path, found, depth)
        elif stat.S_ISLNK(found.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
        elif stat.S_ISREG(found.st_mode):
            self._file(source, target, path, found)
        else:
            self.left += 1

    def _below(
        self, source: int, target: int, path: str, found: os.stat_result, depth: int
    ) -> None:
        name = path.rpartition("/")[2]
        os.mkdir(name, 0o700, dir_fd=target)
        with contextlib.ExitStack() as opened:
            inner = os.open(name, _ENTER, dir_fd=source)
            opened.callback(os.close, inner)
            made = os.open(name, _ENTER, dir_fd=target)
            opened.callback(os.close, made)
            self.directory(inner, made, f"{path}/", depth=depth + 1)
            os.fchmod(made, stat.S_IMODE(found.st_mode) & _PERMISSIONS)
            os.utime(made, ns=(found.st_atime_ns, found.st_mtime_ns))

    def _file(self, source: int, target: int, path: str, found: os.stat_result) -> None:
        name = path.rpartition("/")[2]
        key = found.st_dev, found.st_ino
        if found.st_nlink > 1 and key in self._made:
            os.link(self._made[key], name, src_dir_fd=self._top, dst_dir_fd=target)
            return
        descriptor = os.open(name, _READ, dir_fd=source)
        try:
            state = os.fstat(descriptor)
            if not stat.S_ISREG(state.st_mode):  # it was replaced while we looked
                self.left += 1
                return
            made = os.open(name, _MAKE, 0o600, dir_fd=target)
            try:
                self._pour(descriptor, made)
                os.fchmod(made, stat.S_IMODE(state.st_mode) & _PERMISSIONS)
                os.utime(made, ns=(state.st_atime_ns, state.st_mtime_ns))
            finally:
                os.close(made)
        finally:
            os.close(descriptor)
        if found.st_nlink > 1:
            self._made[key] = path

    def _pour(self, source: int, target: int) -> None:
        if self._shares and self._share(source, target):
            return
        try:
            while os.copy_file_range(source, target, _CHUNK):
                pass
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            while os.sendfile(target, source, None, _CHUNK):
                pass

    def _share(self, source: int, target: int) -> bool:
        import fcntl  # noqa: PLC0415 - only for a copy

        try:
            fcntl.ioctl(target, _FICLONE, source)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            self._shares = False
        return self._shares
