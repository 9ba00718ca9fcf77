"""Who has a branch checked out: the working trees of a repository, read as data, no git run."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from pathlib import Path

from outrig.core.frozen import frozen

_SMALL = 4096  # bytes of HEAD, or of a file that names a directory
_REF = r"refs/heads/[^\x00-\x20\x7f~^:?*\[\\]+"
_UNDER_WAY = {  # what git keeps while somebody is in the middle of it
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "BISECT_LOG": "a bisection",
}


@frozen
class Worktree:
    """One working tree. `ref` is what it has checked out, or is rebasing."""

    path: Path
    git_dir: Path
    ref: str | None
    under_way: str | None


def worktrees(common_dir: Path) -> tuple[Worktree, ...]:
    """The main one first; one whose directory is gone is still named, as git does until a prune."""
    main = common_dir.parent if common_dir.name == ".git" else common_dir
    found = [_worktree(main, common_dir)]
    try:
        names = sorted(path.name for path in (common_dir / "worktrees").iterdir())
    except OSError:
        names = []
    for name in names:
        git_dir = common_dir / "worktrees" / name
        pointer = text(git_dir / "gitdir").strip()
        if pointer:
            found.append(_worktree(Path(pointer).parent, git_dir))
    return tuple(found)


def forget(common_dir: Path, path: Path) -> None:
    """Remove git's entry of a working tree whose directory is gone; there may be none."""
    import shutil  # noqa: PLC0415 - rare

    for one in worktrees(common_dir)[1:]:
        if one.path == path and not os.path.lexists(path):
            shutil.rmtree(one.git_dir)
    with contextlib.suppress(OSError):  # others are left, or there were none
        (common_dir / "worktrees").rmdir()


def text(path: Path, most: int = _SMALL) -> str:
    """A small regular file; "" for anything else. Never waits on a FIFO, never follows a link."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        return os.fsdecode(os.read(descriptor, most))
    finally:
        os.close(descriptor)


def _worktree(path: Path, git_dir: Path) -> Worktree:
    under_way = next(
        (words for name, words in _UNDER_WAY.items() if os.path.lexists(git_dir / name)), None
    )
    return Worktree(path=path, git_dir=git_dir, ref=_ref(git_dir), under_way=under_way)


def _ref(git_dir: Path) -> str | None:
    """A rebase detaches HEAD and keeps its branch's name elsewhere."""
    for name in ("rebase-merge/head-name", "rebase-apply/head-name", "HEAD"):
        found = text(git_dir / name).strip().removeprefix("ref: ")
        if re.fullmatch(_REF, found):
            return found
    return None
