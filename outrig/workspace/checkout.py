"""Where the user stands: look() -> Checkout, read from files.

No git runs here: a session could have written this tree, and git obeys what it finds in one
(tried: a plain `git status` ran three planted programs). HEAD and refs are data, so they are
read as data, with a size cap, never through a symlink.
"""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING

from outrig.core.frozen import frozen
from outrig.errors import WorkspaceError

if TYPE_CHECKING:
    from pathlib import Path

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)
_REF = re.compile(r"refs/[^\x00-\x20\x7f~^:?*\[\\]+", re.ASCII)
_SMALL = 4096  # bytes of HEAD or of a loose ref
_PACKED = 64 * 1024 * 1024  # bytes of packed-refs; the largest known repositories have 10 MB


@frozen
class Checkout:
    """A git working tree: its root, the commit at HEAD and the branch, as far as they exist."""

    root: Path
    head: str | None
    branch: str | None


def look(directory: Path, *, uid: int, trusted: bool = False) -> Checkout | None:
    """The checkout around `directory` (symlinks resolved), or None outside of one.

    `trusted`: the user named this directory, so its owner decides nothing. Raises WorkspaceError
    for a linked worktree or submodule (their repository is elsewhere, so git would be broken
    inside a session), for a repository of somebody else, and for one with a HEAD that is no plain
    file: going on upward, as git does, would let a session widen what the next one sees.
    """
    for root in (directory, *directory.parents):
        git = root / ".git"
        try:
            found = git.lstat()
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue
        if stat.S_ISDIR(found.st_mode) and _is_repository(git):
            if not trusted:
                _refuse_stranger(git, found, directory, uid)
            return _checkout(root, git)
        if stat.S_ISREG(found.st_mode):
            raise WorkspaceError(
                f"{root} is a linked worktree or submodule: its .git is a file pointing elsewhere",
                hint="run outrig in the main checkout, or in a clone of it",
            )
        if stat.S_ISLNK(found.st_mode):
            raise WorkspaceError(f"{git} is a symlink; outrig does not follow it")
    return None


def _is_repository(git: Path) -> bool:
    """An empty .git directory is none; one with objects, or with anything named HEAD, is."""
    if not any(map(os.path.lexists, (git / "HEAD", git / "objects"))):
        return False
    if _read(git / "HEAD", _SMALL) is None:
        raise WorkspaceError(
            f"{git} is damaged: its HEAD is not a small regular file that you can read",
            hint=f"look at it with: ls -la {git}",
        )
    return True


def _refuse_stranger(git: Path, found: os.stat_result, directory: Path, uid: int) -> None:
    """As git does: a .git that somebody else put above us must not decide what gets mounted."""
    trusted = {uid, 0}
    if uid == 0:
        trusted.add(directory.stat().st_uid)
    if found.st_uid not in trusted:
        raise WorkspaceError(
            f"{git} belongs to uid {found.st_uid}, not to you",
            hint="set [workspace] path in a config of yours to say which directory you mean",
        )


def _checkout(root: Path, git: Path) -> Checkout:
    text = (_read(git / "HEAD", _SMALL) or "").strip()
    if _COMMIT.fullmatch(text):
        return Checkout(root=root, head=text, branch=None)
    ref = text.removeprefix("ref: ").strip()
    if not text.startswith("ref: ") or not _REF.fullmatch(ref) or ".." in ref:
        return Checkout(root=root, head=None, branch=None)
    branch = ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else None
    return Checkout(root=root, head=_resolve(git, ref), branch=branch)


def _resolve(git: Path, ref: str) -> str | None:
    loose = (_read(git / ref, _SMALL) or "").strip()
    if _COMMIT.fullmatch(loose):
        return loose
    for line in (_read(git / "packed-refs", _PACKED) or "").splitlines():
        commit, _, name = line.partition(" ")
        if name == ref and _COMMIT.fullmatch(commit):
            return commit
    return None


def _read(path: Path, most: int) -> str | None:
    """A regular file's text, or None. Never waits on a FIFO, never follows a symlink."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or state.st_size > most:
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(most).decode("utf-8", "replace")
    finally:
        os.close(descriptor)
