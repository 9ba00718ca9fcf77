"""Looking at a tree that an agent wrote, for what no snapshot of it can tell.

| found by                          | what                                                        |
|-----------------------------------|-------------------------------------------------------------|
| a look before the session         | repositories, FIFOs, sockets and devices that are there     |
| a look after it, with `since`     | those that are there now; and of what is new or changed:    |
|                                   | files with a name that counts, links out of the tree,       |
|                                   | setuid and setgid, which are taken away where we may,       |
|                                   | hooks and settings of repositories                          |

That a file is new or changed is told by its ctime: the kernel sets it, and nobody sets it back.
Everything is opened by handle, one component after the other; no link is followed and no git run.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections import deque
from pathlib import Path

from outrig.core import tamper
from outrig.core.frozen import frozen
from outrig.core.tamper import Trace
from outrig.workspace.folders import Folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    How = Literal["there", "changed", "named"]

MOST = 500_000  # entries that one look takes in
_DEEPEST = 100
_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SET_ID = stat.S_ISUID | stat.S_ISGID
_SPECIAL = {stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket"}
_SPECIAL |= {stat.S_IFCHR: "device", stat.S_IFBLK: "device"}


@frozen(kw_only=False)
class Seen:
    """One thing that a look found.

    It is there, and may have been before; or it is new, or was changed, since: then a snapshot may
    tell more of it, if it was found by its name.
    """

    trace: Trace
    how: How


@frozen
class Look:
    """What a look found; `unseen` says what it did not look at, if anything."""

    seen: tuple[Seen, ...]
    unseen: str | None = None


def look(tree: Path, *, since: int | None, own_git: bool = False) -> Look:
    """Look at a tree. Raises OSError when it cannot be entered at all.

    `since`, in nanoseconds: what is new or changed from then on is found too. `own_git`: the .git
    at the top is one that the session could write.
    """
    with Folders(tree) as folders:
        return _Look(folders, since, own_git=own_git).all()


class _Look:
    def __init__(self, folders: Folders, since: int | None, *, own_git: bool) -> None:
        self._folders = folders
        self._since = since
        self._own_git = own_git
        self._left = MOST
        self._unread = 0
        self._seen: list[Seen] = []
        self._waiting: deque[str] = deque([""])  # directories, shallow ones first
        self._later: deque[str] = deque()  # those of packages, and .git

    def all(self) -> Look:
        while self._left > 0 and (self._waiting or self._later):
            self._directory((self._waiting or self._later).popleft())
        words = [f"only {MOST} entries were looked at"] if self._waiting or self._later else []
        words += [f"{self._unread} could not be read"] if self._unread else []
        return Look(seen=tuple(self._seen), unseen="; ".join(words) or None)

    def _directory(self, path: str) -> None:
        """One directory; its subdirectories wait."""
        try:
            spot = self._folders.spot(os.fsencode(path) + b"/." if path else b".")
            if spot is None:  # it went meanwhile
                return
            with os.scandir(folder := spot.folder) as entries:
                names = {entry.name for entry in entries if self._entry(folder, path, entry)}
            if ".git" not in path.lower().split("/"):
                self._bare(folder, path, names)
        except OSError:
            self._unread += 1

    def _entry(self, folder: int, above: str, entry: os.DirEntry[str]) -> bool:
        self._left -= 1
        name = entry.name
        try:
            if name.lower() == ".git":
                self._git(folder, name, _joined(above, name))
            elif entry.is_dir(follow_symlinks=False):
                self._wait(_joined(above, name))
            elif self._since is not None or not _is_usual(entry):
                found = entry.stat(follow_symlinks=False)
                if self._fresh(found) or not _is_usual(entry):
                    self._file(folder, name, _joined(above, name), found)
        except FileNotFoundError:  # it went meanwhile
            return False
        except OSError:
            self._unread += 1
        return True

    def _wait(self, path: str) -> None:
        if path.count("/") > _DEEPEST:
            self._unread += 1
        elif tamper.made(f"{path}/"):
            self._later.append(path)
        else:
            self._waiting.append(path)

    def _file(self, folder: int, name: str, path: str, found: os.stat_result) -> None:
        """What is special, or new or changed."""
        mode = found.st_mode
        if special := _SPECIAL.get(stat.S_IFMT(mode)):
            if not (stat.S_ISCHR(mode) and found.st_rdev == 0):  # what overlay calls deleted
                self._add("there", special, path)
            return
        if mode & stat.S_ISUID or (mode & stat.S_ISGID and mode & stat.S_IXGRP):
            self._add("changed", "setuid", path, _cleared(folder, name))
        if tamper.made(path):
            return
        if stat.S_ISLNK(mode):
            target = os.readlink(name, dir_fd=folder)
            if tamper.leaves(path, target):
                self._add("named", "link", path, f"-> {target}")
        if kind := tamper.kind(path):
            self._add("named", kind, path)

    def _fresh(self, found: os.stat_result) -> bool:
        return self._since is not None and found.st_ctime_ns >= self._since

    def _add(self, how: How, kind: str, path: str, what: str = "") -> None:
        self._seen.append(Seen(Trace(kind=kind, path=path, what=what), how))

    # ------------------------------------------------------------------ repositories
    def _git(self, folder: int, name: str, path: str) -> None:
        """A .git, whatever it is: a directory, or a file or a link that leads to one."""
        from outrig.workspace import gitdir  # noqa: PLC0415 - many trees have none

        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISDIR(found.st_mode):
            what = gitdir.leads(folder, name, found)
            self._add("there", "repository", path, what)
            if self._fresh(found):
                self._add("changed", "git-config", path, what)
        elif self._own_git or path != name:
            inner = os.open(name, _ENTER, dir_fd=folder)
            try:
                self._repository(inner, path)
            finally:
                os.close(inner)
            self._later.append(path)  # for setuid and special files
        else:
            self._add("there", "repository", path)

    def _bare(self, folder: int, path: str, names: set[str]) -> None:
        """A directory that git takes for a repository, although it is not called .git."""
        if "HEAD" in names and ({"objects", "refs"} <= names or "commondir" in names):
            self._repository(folder, path or ".")

    def _repository(self, folder: int, path: str) -> None:
        from outrig.workspace import gitdir  # noqa: PLC0415 - as above

        self._add("there", "repository", path)
        for one in gitdir.files(folder) if self._since is not None else ():
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                if self._fresh(os.stat(one, dir_fd=folder, follow_symlinks=False)):
                    kind = "git-hook" if "hooks/" in one else "git-config"
                    self._add("changed", kind, f"{path}/{one}", gitdir.programs(folder, one))


def _joined(above: str, name: str) -> str:
    return f"{above}/{name}" if above else name


def _is_usual(entry: os.DirEntry[str]) -> bool:
    return entry.is_file(follow_symlinks=False) or entry.is_symlink()


def _cleared(folder: int, name: str) -> str:
    """Take the bits from a file; by a handle that needs no right to read it."""
    flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        handle = os.open(name, flags, dir_fd=folder)
    except OSError as error:
        return f"not cleared: {error.strerror}"
    try:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            return "not cleared: it became something else"
        Path(f"/proc/self/fd/{handle}").chmod(stat.S_IMODE(mode) & ~_SET_ID)
    except OSError as error:
        return f"not cleared: {error.strerror}"
    finally:
        os.close(handle)
    return "cleared"


# ---------------------------------------------------------------- before and after


def known(found: Look) -> list[tuple[str, str]]:
    """What was there before the session; kind and path."""
    return [(one.trace.kind, one.trace.path) for one in found.seen if one.how == "there"]


def planted(found: Look, before: Iterable[tuple[str, str]]) -> list[Trace]:
    """What a look after the session found that no snapshot can tell of."""
    there = frozenset(before)
    traces = [
        one.trace
        for one in found.seen
        if one.how == "changed"
        or (one.how == "there" and (one.trace.kind, one.trace.path) not in there)
    ]
    return [*traces, *([Trace(kind="unseen", path="", what=found.unseen)] if found.unseen else [])]


def named(found: Look) -> list[Trace]:
    """New and changed files that a snapshot may tell more of, if it holds them."""
    return [one.trace for one in found.seen if one.how == "named"]
