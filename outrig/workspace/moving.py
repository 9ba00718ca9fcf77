"""Files of a checkout move to another commit's content, and back if that comes to a bad end.

What is about to move is on the disk before anything does: a journal (journal.py) beside the
repository's index, and of each file that goes or changes a second link, so that it comes back as it
was, times and all. Contents are written as the commit has them; no filter runs (LFS gives its
pointers). The journal is settled once: forgotten when the branch has moved, and played back when
it has not.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from typing import TYPE_CHECKING, Any

from outrig.workspace import overlap
from outrig.workspace.repository import LINK, SUBMODULE, Change

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from outrig.workspace.journal import Journal
    from outrig.workspace.repository import Repository


_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


# ---------------------------------------------------------------- forth


def ordered(changes: Sequence[Change]) -> tuple[Change, ...]:
    """What goes, the deepest first, then what comes: a file may take a directory's place."""
    gone = sorted((one for one in changes if not one.new), key=lambda one: one.path, reverse=True)
    return (*gone, *(one for one in changes if one.new))


def files(
    root: Path, place: Path, journal: Journal, repository: Repository, absent: set[bytes]
) -> None:
    """Move them; those in `absent` have no place in a sparse checkout."""
    top = os.open(root, _ENTER)
    try:
        with repository.contents() as read:
            for number, change in enumerate(journal.changes):
                if change.path not in absent:
                    kept = place / "files" / str(number)
                    _move(top, kept, _temporary(journal, number), change, read)
    finally:
        os.close(top)


def _move(top: int, kept: Path, temporary: bytes, change: Change, read: Any) -> None:
    name = change.path.rpartition(b"/")[2]
    with _parent(top, change.path, make=change.new is not None) as folder:
        _keep(folder, name, kept)
        if change.new is None:
            _remove(folder, name, change)
        elif change.new[0] == SUBMODULE:
            _clear(folder, name)
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, dir_fd=folder)
        else:
            _make(folder, temporary, change.new, read)
            with contextlib.suppress(OSError):  # an empty directory, or there is none
                os.rmdir(name, dir_fd=folder)
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    if change.new is None:
        _prune(top, change.path)


def _keep(folder: int, name: bytes, kept: Path) -> None:
    """A second link to a file, or a copy where there can be none."""
    try:
        os.link(name, kept, src_dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EACCES):
            raise
        _copy(folder, name, kept)


def _copy(folder: int, name: bytes, kept: Path) -> None:
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    source = f"/proc/self/fd/{folder}/".encode() + name
    if overlap.kind(found) is not None:
        shutil.copy2(source, os.fsencode(kept), follow_symlinks=False)


def _make(folder: int, name: bytes, content: tuple[str, str], read: Any) -> None:
    mode, blob = content
    if mode == LINK:
        os.symlink(b"".join(read(blob)), name, dir_fd=folder)
    else:
        permissions = 0o777 if mode == "100755" else 0o666  # less the caller's umask, as git does
        descriptor = os.open(name, _MAKE, permissions, dir_fd=folder)
        with os.fdopen(descriptor, "wb") as file:
            for chunk in read(blob):
                file.write(chunk)
    _hand_over(folder, name)


def _hand_over(folder: int, name: bytes) -> None:
    """What root makes in somebody's tree is theirs."""
    if os.geteuid() == 0:
        whose = os.fstat(folder)
        os.chown(name, whose.st_uid, whose.st_gid, dir_fd=folder, follow_symlinks=False)


def _remove(folder: int, name: bytes, change: Change) -> None:
    if change.old and change.old[0] == SUBMODULE:
        _clear(folder, name)
    else:
        os.unlink(name, dir_fd=folder)


def _clear(folder: int, name: bytes) -> None:
    """Make way for a directory: a file goes, an empty directory too, a full one stays."""
    with contextlib.suppress(OSError):
        os.rmdir(name, dir_fd=folder)
    with contextlib.suppress(FileNotFoundError, IsADirectoryError, PermissionError):
        os.unlink(name, dir_fd=folder)


def _prune(top: int, path: bytes) -> None:
    """Directories that are empty now go, as git lets them."""
    while b"/" in path:
        path = path.rpartition(b"/")[0]
        try:
            with overlap.parent(top, path) as folder:
                os.rmdir(path.rpartition(b"/")[2], dir_fd=folder)
        except OSError:
            return


@contextlib.contextmanager
def _parent(top: int, path: bytes, *, make: bool) -> Iterator[int]:
    """The directory of a path, no link followed; made on the way if need be."""
    at = os.dup(top)
    try:
        for part in path.split(b"/")[:-1]:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=at)
                    _hand_over(at, part)
            below = os.open(part, _ENTER, dir_fd=at)
            os.close(at)
            at = below
        yield at
    finally:
        os.close(at)


def _temporary(journal: Journal, number: int) -> bytes:
    return f".outrig-{journal.token}-{number}".encode()


# ---------------------------------------------------------------- the index


def swap_index(git_dir: Path, place: Path) -> None:
    """The new index, written as `index.new`, takes the old one's place, which is kept."""
    index = git_dir / "index"
    with contextlib.suppress(FileNotFoundError):
        found = index.stat()
        (place / "index.new").chmod(found.st_mode & 0o777)
        if os.geteuid() == 0:
            os.chown(place / "index.new", found.st_uid, found.st_gid)
        os.link(index, place / "index.old")
    os.link(place / "index.new", place / "index.mine")
    (place / "index.new").replace(index)


# ---------------------------------------------------------------- back


def back(root: Path, git_dir: Path, place: Path, journal: Journal) -> tuple[bytes, ...]:
    """Everything as it was. Paths that somebody else changed since are left, and returned."""
    left = []
    top = os.open(root, _ENTER)
    try:
        for number, change in reversed(list(enumerate(journal.changes))):
            if not _put_back(top, place / "files" / str(number), journal, number, change):
                left.append(change.path)
    finally:
        os.close(top)
    _index_back(git_dir / "index", place)
    return tuple(left)


def _index_back(index: Path, place: Path) -> None:
    """Only if the index still is the one that we wrote."""
    mine, old = place / "index.mine", place / "index.old"
    if not (mine.exists() and index.exists() and mine.samefile(index)):
        return
    if old.exists():
        old.replace(index)
    else:
        index.unlink()


def _put_back(top: int, kept: Path, journal: Journal, number: int, change: Change) -> bool:
    name = change.path.rpartition(b"/")[2]
    begun = os.path.lexists(kept)
    if change.old is not None and not begun:
        return True
    try:
        with _parent(top, change.path, make=begun) as folder:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(_temporary(journal, number), dir_fd=folder)
            found = overlap.status(top, change.path)
            if found is not None and not _ours(top, change, found, kept):
                return change.old is not None and overlap.holds(top, change.path, change.old)
            if begun:
                _restore(folder, name, kept)
            elif found is not None:
                _clear(folder, name)
    except (FileNotFoundError, NotADirectoryError):
        return not begun  # what was to be added never came so far
    if not begun:
        _prune(top, change.path)
    return True


def _ours(top: int, change: Change, found: os.stat_result, kept: Path) -> bool:
    """What stands there is what we put there, or has not moved yet."""
    if change.new is not None and overlap.holds(top, change.path, change.new):
        return True
    try:
        return os.path.samestat(found, kept.lstat())
    except FileNotFoundError:
        return False


def _restore(folder: int, name: bytes, kept: Path) -> None:
    with contextlib.suppress(OSError):  # an empty directory made for a submodule
        os.rmdir(name, dir_fd=folder)
    try:
        os.rename(kept, name, dst_dir_fd=folder)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
        target = f"/proc/self/fd/{folder}/".encode() + name
        shutil.copy2(os.fsencode(kept), target, follow_symlinks=False)
        kept.unlink()
