"""Whether git would wait for something in a repository: looked at before git opens it.

A session with `[workspace] git = "bind"` can write to the user's own `.git`, and whatever comes
later may find there what one did. A FIFO in place of an index keeps git waiting for ever.

| in the repository, or where it borrows objects        | then                                |
|-------------------------------------------------------|-------------------------------------|
| regular files and directories, links to such          | git may run                         |
| FIFOs, devices, links to such                         | refused, naming it                  |
| `commondir` in a main one                             | refused: git goes somewhere else    |
| sockets, links that lead nowhere, unreadable          | git does not wait: its own error    |
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from outrig.errors import WorkspaceError
from outrig.workspace.worktrees import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

_OPENED = ("objects", "refs", "logs", "info", "worktrees")  # directories in which git opens files
_MOST = 5_000_000  # entries: a link may lead to the whole disk
_DEEPEST = 5  # from one `alternates` to the next, as git has it
_QUOTED = rb'"((?:[^"\\]|\\.)*)"'
_LISTED = 1024 * 1024  # bytes of `alternates`


def refuse(git_dir: Path, common_dir: Path | None = None) -> None:
    """Raises WorkspaceError where git in this repository would wait."""
    common = common_dir or git_dir
    if common == git_dir and os.path.lexists(git_dir / "commondir"):
        raise WorkspaceError(
            f"{git_dir}/commondir makes git take another repository for this one",
            hint=f"look at it, then: rm {git_dir}/commondir",
        )
    for place in {git_dir, common}:
        _look([place], below=False)
        _look(place / name for name in _OPENED)
    refuse_objects(common / "objects")


def refuse_objects(objects: Path, *, loose: bool = True) -> None:
    """The same of objects, and of those that they borrow; `loose` ones git opens one by one."""
    places = _borrowed(objects)
    _look(places if loose else (place / name for place in places for name in ("pack", "info")))


def _borrowed(objects: Path) -> Sequence[Path]:
    """And those that these borrow: each place once, in whatever ring, and however often named."""
    found = dict.fromkeys((objects,))  # in this order
    layer: Collection[Path] = found
    for _ in range(_DEEPEST):
        layer = dict.fromkeys(
            Path(os.path.realpath(place / line))
            for place in layer
            for line in map(_unquoted, text(place / "info/alternates", _LISTED).splitlines())
            if line and not line.startswith("#") and "\0" not in line
        )
        layer = [place for place in layer if place not in found]
        found.update(dict.fromkeys(layer))
    return tuple(found)


def _unquoted(line: str) -> str:
    """As in C, where it has to be."""
    quoted = re.match(_QUOTED, os.fsencode(line))
    if quoted is None:
        return line
    try:
        return os.fsdecode(quoted[1].decode("unicode_escape").encode("latin-1"))
    except ValueError:  # git does not take it for quoted, either
        return line


def _look(tops: Iterable[Path], *, below: bool = True) -> None:
    """At each entry of these directories, and of those below."""
    waiting = [str(top) for top in tops]
    entered: set[tuple[int, int]] = set()
    count = 0
    while waiting:
        try:
            entries = os.scandir(waiting.pop())
        except OSError:  # not there, or not for us: nor for git
            continue
        with entries:
            for entry in entries:
                count += 1
                if entry.is_file(follow_symlinks=False):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting += [entry.path] if below else []
                elif (found := _led(entry)) is not None and below and found not in entered:
                    entered.add(found)
                    waiting.append(entry.path)
        if count > _MOST:
            raise WorkspaceError(f"more than {_MOST} files in a repository: nobody can look at all")


def _led(entry: os.DirEntry[str]) -> tuple[int, int] | None:
    """The directory to which a link leads. Raises WorkspaceError for what git would wait for."""
    try:
        found = entry.stat()
    except OSError:
        return None
    if stat.S_ISDIR(found.st_mode):
        return found.st_dev, found.st_ino
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISSOCK(found.st_mode):
        kind = "FIFO" if stat.S_ISFIFO(found.st_mode) else "device"
        raise WorkspaceError(
            f"{entry.path} is a {kind}: git would wait for it, or never end",
            hint=f"look at it, then: rm {entry.path}",
        )
    return None
