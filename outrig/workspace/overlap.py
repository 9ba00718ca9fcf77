"""What is in the way of a change: paths of a checkout that are not as its commit has them.

The user's index is read by git, which looks at no file for that; the files themselves are looked
at here, each component opened from the handle of the one before it, no link followed. A file that
the index calls unchanged is so, whatever a filter made of it; else its bytes are compared.

| the changed path is                            | then it is in the way as |
|------------------------------------------------|--------------------------|
| otherwise in the index than in the commit      | staged                   |
| in a conflict of the user's own                | unmerged                 |
| other in the tree than in the index, or gone   | changed                  |
| to be made where a file is that git has not    | untracked                |
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
from typing import TYPE_CHECKING, Literal

from outrig.core.frozen import frozen
from outrig.workspace.repository import LINK, SUBMODULE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from outrig.workspace.repository import Change, Repository

Why = Literal["staged", "unmerged", "changed", "untracked"]

_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHUNK = 1 << 20
_SOME = 20  # untracked files named of one directory
_ENTRY = re.compile(
    rb"(?P<tag>.) (?P<mode>\d+) (?P<name>[0-9a-f]+) (?P<stage>\d)\t(?P<path>[^\0]+)\0"
    rb"  ctime: \d+:\d+\n  mtime: (?P<seconds>\d+):(?P<nanoseconds>\d+)\n"
    rb"  dev: \d+\tino: (?P<inode>\d+)\n  uid: \d+\tgid: \d+\n  size: (?P<size>\d+)\t"
    rb"flags: [0-9a-f]+\n"
)


@frozen
class Entry:
    """A path in an index; `stat` is mtime, inode and size as git knew them."""

    content: tuple[str, str]  # mode and object
    stage: int
    absent: bool  # skip-worktree: outside of a sparse checkout
    stat: tuple[int, int, int]


@frozen
class Overlap:
    """A path in the way, and how."""

    path: bytes
    why: Why


def entries(repository: Repository) -> dict[bytes, Entry]:
    """The index of a checkout; of a path in conflict the highest stage."""
    listed = repository.run("ls-files", "-z", "-s", "-v", "--debug")
    found = {}
    for match in _ENTRY.finditer(listed):
        mtime = int(match["seconds"]) * 10**9 + int(match["nanoseconds"])
        found[match["path"]] = Entry(
            content=(match["mode"].decode(), match["name"].decode()),
            stage=int(match["stage"]),
            absent=match["tag"] in b"Ss",
            stat=(mtime, int(match["inode"]), int(match["size"])),
        )
    return found


def in_index(known: Mapping[bytes, Entry], changes: Sequence[Change]) -> Iterator[Overlap]:
    """Changed paths of which the index holds something else than the commit does."""
    removed = {change.path for change in changes if change.old and not change.new}
    made = {change.path for change in changes if change.new and not change.old}
    for path, entry in known.items():
        if entry.stage:
            yield Overlap(path=path, why="unmerged")
        elif made and path not in removed and not made.isdisjoint(_above(path)):
            yield Overlap(path=path, why="staged")
    for change in changes:
        entry_ = known.get(change.path)
        if (entry_ and not entry_.stage and entry_.content != change.old) or (
            change.old and not entry_
        ):
            yield Overlap(path=change.path, why="staged")
        elif change.path in made:
            blocking = (above for above in _above(change.path) if above in known)
            yield from (
                Overlap(path=above, why="staged") for above in blocking if above not in removed
            )


def in_tree(
    root: Path, known: Mapping[bytes, Entry], changes: Sequence[Change], *, indexed_at: int
) -> Iterator[Overlap]:
    """Changed paths of which the tree holds something else than the index does.

    `indexed_at` is the index's own time: what changed as late as that, git cannot vouch for.
    """
    removed = {change.path for change in changes if change.old and not change.new}
    top = os.open(root, _ENTER)
    try:
        for change in changes:
            entry = known.get(change.path)
            if change.old is None:
                yield from _untracked(top, change.path, removed)
            elif entry and not entry.absent and not _clean(top, change, entry, indexed_at):
                yield Overlap(path=change.path, why="changed")
    finally:
        os.close(top)


@contextlib.contextmanager
def parent(top: int, path: bytes) -> Iterator[int]:
    """The directory that holds a path. Raises OSError where a component is no directory."""
    at = os.dup(top)
    try:
        for part in path.split(b"/")[:-1]:
            below = os.open(part, _ENTER, dir_fd=at)
            os.close(at)
            at = below
        yield at
    finally:
        os.close(at)


def holds(top: int, path: bytes, content: tuple[str, str]) -> bool:
    """Whether a path in a tree has this mode and, byte for byte, this content."""
    mode, name = content
    found = status(top, path)
    if found is None:
        return False
    if mode == SUBMODULE:
        return stat.S_ISDIR(found.st_mode)
    if kind(found) != mode:
        return False
    try:
        with parent(top, path) as folder:
            if mode == LINK:
                target = os.readlink(path.rpartition(b"/")[2], dir_fd=folder)
                return _name(len(name), len(target), [target]) == name
            return _hashed(folder, path.rpartition(b"/")[2], len(name)) == name
    except OSError:
        return False


def status(top: int, path: bytes) -> os.stat_result | None:
    """Lstat of a path in a tree; None where there is nothing, or a way there leads over a link."""
    try:
        with parent(top, path) as folder:
            return os.stat(path.rpartition(b"/")[2], dir_fd=folder, follow_symlinks=False)
    except OSError:
        return None


def kind(found: os.stat_result) -> str | None:
    """The mode that git gives it; None for what git does not keep."""
    if stat.S_ISLNK(found.st_mode):
        return LINK
    if stat.S_ISREG(found.st_mode):
        return "100755" if found.st_mode & stat.S_IXUSR else "100644"
    return None


# ---------------------------------------------------------------- one path


def _clean(top: int, change: Change, entry: Entry, indexed_at: int) -> bool:
    found = status(top, change.path)
    if found is None:
        return False
    mode, _ = entry.content
    if mode == SUBMODULE:
        stays = change.new is not None and change.new[0] == SUBMODULE
        return stat.S_ISDIR(found.st_mode) and (stays or not _files(top, change.path, set()))
    known = (found.st_mtime_ns, found.st_ino & 0xFFFFFFFF, found.st_size & 0xFFFFFFFF)
    if kind(found) == mode and known == entry.stat and found.st_mtime_ns < indexed_at:
        return True
    return holds(top, change.path, entry.content)


def _untracked(top: int, path: bytes, removed: set[bytes]) -> Iterator[Overlap]:
    """What stands where a path shall be made, or in the way there."""
    for above in reversed(list(_above(path))):
        found = status(top, above)
        if found is None:
            return
        if not stat.S_ISDIR(found.st_mode):
            if above not in removed:
                yield Overlap(path=above, why="untracked")
            return
    found = status(top, path)
    if found is None:
        return
    if not stat.S_ISDIR(found.st_mode):
        yield Overlap(path=path, why="untracked")
        return
    for inside in _files(top, path, removed):
        yield Overlap(path=inside, why="untracked")


def _files(top: int, path: bytes, removed: set[bytes]) -> list[bytes]:
    """Some of the files in a directory that are not to be removed."""
    found: list[bytes] = []
    try:
        with parent(top, path + b"/x") as folder:
            names = sorted(os.listdir(folder))  # noqa: PTH208 - by handle
            for name in map(os.fsencode, names):
                below = path + b"/" + name
                state = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if stat.S_ISDIR(state.st_mode):
                    found += _files(top, below, removed)
                elif below not in removed:
                    found.append(below)
                if len(found) >= _SOME:
                    break
    except OSError:
        found.append(path)  # what cannot be looked at is in the way
    return found


def _above(path: bytes) -> Iterator[bytes]:
    """The directories above a path, the nearest first."""
    while b"/" in path:
        path = path.rpartition(b"/")[0]
        yield path


def _hashed(folder: int, name: bytes, digits: int) -> str | None:
    descriptor = os.open(name, _READ, dir_fd=folder)
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            return None
        chunks = iter(lambda: os.read(descriptor, _CHUNK), b"")
        return _name(digits, state.st_size, chunks)
    finally:
        os.close(descriptor)


def _name(digits: int, size: int, chunks: Iterator[bytes] | Sequence[bytes]) -> str:
    """The object's name that git gives to a content, by the length of the repository's names."""
    hashed = hashlib.sha256() if digits == 64 else hashlib.sha1(usedforsecurity=False)  # noqa: PLR2004
    hashed.update(b"blob %d\0" % size)
    for chunk in chunks:
        hashed.update(chunk)
    return hashed.hexdigest()
