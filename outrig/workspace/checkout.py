"""Where the user stands: look() -> Checkout, read from files.

No git runs here: a session could have written this tree, and git obeys what it finds in one
(tried: a plain `git status` ran three planted programs). HEAD and refs are data, so they are
read as data, with a size cap, never through a symlink.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from outrig.core.frozen import frozen
from outrig.errors import WorkspaceError

_COMMIT = r"[0-9a-f]{40}(?:[0-9a-f]{24})?"
_REF = r"refs/[^\x00-\x20\x7f~^:?*\[\\]+"
_SMALL = 4096  # bytes of HEAD or of a loose ref
_CONFIG = 1024 * 1024  # bytes of a config
_PACKED = 64 * 1024 * 1024  # bytes of packed-refs; the largest known repositories have 10 MB


@frozen
class Checkout:
    """A git working tree: its root, the commit at HEAD and the branch, as far as they exist.

    `git_dir` holds HEAD and index, `common_dir` objects and refs; a linked worktree has two.
    """

    root: Path
    git_dir: Path
    common_dir: Path
    head: str | None
    branch: str | None


def look(directory: Path, *, uid: int, trusted: bool = False) -> Checkout | None:
    """The checkout around `directory` (symlinks resolved), or None outside of one.

    `trusted`: the user named this directory, so its owner decides nothing. Raises WorkspaceError
    for a .git file whose repository does not know it, for a repository of somebody else, and for
    one with a HEAD that is no plain file: going on upward, as git does, would let a session widen
    what the next one sees.
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
            return _checkout(root, git, git)
        if stat.S_ISREG(found.st_mode):
            return _linked(root, git, directory, uid, trusted=trusted)
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


def _linked(root: Path, file: Path, directory: Path, uid: int, *, trusted: bool) -> Checkout:
    """A linked worktree or a submodule: a .git file, and a repository that says it is its own.

    A session can write the file; what it cannot write is the other repository's word for it.
    """
    said = (_read(file, _SMALL) or "").replace("\0", "")
    git = Path(os.path.realpath(root / said.removeprefix("gitdir:").strip()))
    common = Path(os.path.realpath(git / _line(git / "commondir")))
    if not said.startswith("gitdir:") or not _is_repository_of(git, common):
        raise WorkspaceError(
            f"{file} leads to {git}, and there is no repository",
            hint="git worktree repair, or clone it anew",
        )
    if not trusted:
        for place in {git, common}:
            _refuse_stranger(place, place.stat(), directory, uid)
        if not _knows(git, common, root):
            raise WorkspaceError(
                f"{file} leads to the repository {git}, which knows nothing of {root}",
                hint="git worktree repair; or set [workspace] path in a config of yours",
            )
    return _checkout(root, git, common)


def _is_repository_of(git: Path, common: Path) -> bool:
    return _read(git / "HEAD", _SMALL) is not None and (common / "objects").is_dir()


def _knows(git: Path, common: Path, root: Path) -> bool:
    """A worktree is registered in its repository, a submodule's names its working tree."""
    if git != common:
        registered = _line(git / "gitdir")
        place = Path(os.path.realpath(git / registered))
        return git.parent == common / "worktrees" and place == root / ".git"
    from outrig.core import gitconfig  # noqa: PLC0415 - only for submodules

    entries = gitconfig.parse(_read(git / "config", _CONFIG) or "")
    tree = gitconfig.value(entries, "core", "worktree")
    return tree is not None and os.path.realpath(git / tree) == str(root)


def _line(path: Path) -> str:
    return (_read(path, _SMALL) or "").replace("\0", "").strip()


def _checkout(root: Path, git: Path, common: Path) -> Checkout:
    def found(head: str | None, branch: str | None) -> Checkout:
        return Checkout(root=root, git_dir=git, common_dir=common, head=head, branch=branch)

    text = (_read(git / "HEAD", _SMALL) or "").strip()
    if re.fullmatch(_COMMIT, text):
        return found(text, None)
    ref = text.removeprefix("ref: ").strip()
    if not text.startswith("ref: ") or not re.fullmatch(_REF, ref) or ".." in ref:
        return found(None, None)
    branch = ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else None
    return found(_resolve(common, ref), branch)


def _resolve(common: Path, ref: str) -> str | None:
    loose = (_read(common / ref, _SMALL) or "").strip()
    if re.fullmatch(_COMMIT, loose):
        return loose
    packed = _read(common / "packed-refs", _PACKED) or ""
    at = packed.find(f" {ref}\n")
    line = packed[packed.rfind("\n", 0, max(at, 0)) + 1 : max(at, 0)]
    return line if re.fullmatch(_COMMIT, line) else None


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
