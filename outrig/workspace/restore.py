"""Putting a tree back: from one snapshot to another, exactly the paths in which they differ.

| a path now is            | what happens                                               |
|--------------------------|------------------------------------------------------------|
| as in `current`          | it is put to what it is in `wanted`                        |
| as in `wanted` already   | nothing                                                    |
| anything else            | a conflict: somebody changed it since, nothing is touched  |

Files are replaced whole, by a rename in their own folder, and every folder is entered by handle: a
link that a session left where a folder was is never followed. Deletions come first, deepest first.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from outrig.core.frozen import frozen
from outrig.errors import WorkspaceError
from outrig.workspace.changes import NONE, Change, Changes, Contents
from outrig.workspace.folders import Folders

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from outrig.workspace.folders import Spot
    from outrig.workspace.git import Git

_ASKED = 200  # paths in one question: each may have 4096 bytes, and all arguments 2 MiB
_LINK, _PROGRAM = "120000", "100755"


@frozen
class Restoration:
    """What would be done. `current` and `wanted` are trees, as all in changes.py."""

    steps: tuple[Change, ...]  # from current (old) to wanted (new)
    conflicts: tuple[bytes, ...]
    done: int  # paths that are as wanted already


def planned(git: Git, *, current: str, wanted: str, now: str) -> Restoration:
    """What it takes to go from `current` to `wanted` in a tree that is `now`."""
    every = Changes(git=git, old=current, new=wanted).listed(renames=False)
    since = _since(git, current, now, [step.path for step in every])
    steps, conflicts, done = [], [], 0
    for step in every:
        found = since.get(step.path)
        if found is None:
            steps.append(step)
        elif found == (step.new_mode, step.new_id):
            done += 1
        else:
            conflicts.append(step.path)
    return Restoration(steps=tuple(steps), conflicts=tuple(conflicts), done=done)


def _since(
    git: Git, current: str, now: str, paths: Sequence[bytes]
) -> dict[bytes, tuple[str, str]]:
    """What is there now, of these paths where it is not as in `current`.

    Only trees on the way to them are read: of `current` the user's repository may have lost others.
    """
    found: dict[bytes, tuple[str, str]] = {}
    for start in range(0, len(paths), _ASKED):
        some = tuple(paths[start : start + _ASKED])
        for one in Changes(git=git, old=current, new=now, paths=some).listed(renames=False):
            found[one.path] = (one.new_mode, one.new_id)
    return found


def carry_out(git: Git, tree: Path, steps: Sequence[Change]) -> None:
    """Do it. Raises WorkspaceError naming what could not be put back; the rest has been."""
    gone = sorted((one for one in steps if one.new_mode == NONE), key=_depth, reverse=True)
    failed: list[str] = []
    with Folders(tree) as folders, Contents(git) as contents:
        for step in (*gone, *(one for one in steps if one.new_mode != NONE)):
            try:
                if step.new_mode == NONE:
                    _remove(folders, step.path)
                else:
                    _put(folders, step, contents.of(step.new_id))
            except OSError as error:
                failed.append(f"{os.fsdecode(step.path)}: {error.strerror}")
    if failed:
        raise WorkspaceError(f"cannot put back {'; '.join(failed)}")


def _depth(step: Change) -> tuple[int, bytes]:
    return step.path.count(b"/"), step.path


def _remove(folders: Folders, path: bytes) -> None:
    """And the folders above it that it leaves empty."""
    spot = folders.spot(path)
    if spot is None:
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(spot.name, dir_fd=spot.folder)
    above = path.rpartition(b"/")[0]
    while above:
        spot = folders.spot(above)
        try:
            if spot is not None:
                os.rmdir(spot.name, dir_fd=spot.folder)
        except OSError:  # not empty
            return
        above = above.rpartition(b"/")[0]


def _put(folders: Folders, step: Change, content: bytes) -> None:
    spot = folders.spot(step.path, make=True)
    if spot is None:
        raise NotADirectoryError(0, "something else stands where its folder was")
    before = spot.look()
    beside = b".outrig-%d-%s.tmp" % (os.getpid(), os.urandom(4).hex().encode())
    try:
        if step.new_mode == _LINK:
            os.symlink(content, beside, dir_fd=spot.folder)
        else:
            _write(spot, beside, content, _mode(step, before))
        _give(spot, beside, before)
        os.replace(beside, spot.name, src_dir_fd=spot.folder, dst_dir_fd=spot.folder)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(beside, dir_fd=spot.folder)
        raise


def _write(spot: Spot, name: bytes, content: bytes, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o666, dir_fd=spot.folder)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        os.fchmod(descriptor, mode)


def _mode(step: Change, before: os.stat_result | None) -> int:
    """As it is now, or as the umask has it; executable or not as it was."""
    mode = 0o666 & ~_mask()
    if before is not None and stat.S_ISREG(before.st_mode):
        mode = stat.S_IMODE(before.st_mode) & 0o777
    return mode | (mode & 0o444) >> 2 if step.new_mode == _PROGRAM else mode & ~0o111


def _mask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _give(spot: Spot, name: bytes, before: os.stat_result | None) -> None:
    """What root puts back belongs to whom it belonged, a new file to whom its folder does."""
    if os.geteuid() == 0:
        whose = before or os.fstat(spot.folder)
        os.chown(name, whose.st_uid, whose.st_gid, dir_fd=spot.folder, follow_symlinks=False)
