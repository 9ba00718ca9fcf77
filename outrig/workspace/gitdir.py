"""What of a git directory that an agent could write tells of it: read as data, never by git.

Hooks, and the files by which git does more, or something else: of the directory itself, and of
those of submodules and worktrees within. Paths are opened one component after the other, and no
link is followed.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from outrig.core import gitconfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LARGEST = 1024 * 1024  # bytes of a config
_INNER = 500  # directories below modules and worktrees
_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_TELLING = ("config", "config.worktree", "commondir", "info/attributes", "objects/info/alternates")


def leads(folder: int, name: str, found: os.stat_result) -> str:
    if stat.S_ISLNK(found.st_mode):
        return f"a link to {os.readlink(name, dir_fd=folder)}"
    if not stat.S_ISREG(found.st_mode):
        return "neither a directory nor a file"
    return f"a file: {_read(folder, name)[:200].decode('utf-8', 'replace').strip()}"


def files(folder: int) -> Iterator[str]:
    """Paths in a git directory that tell, and in those of submodules and worktrees within."""
    for below in ("", *_inner(folder)):
        yield from (f"{below}{one}" for one in _TELLING)
        hooks = (name for name in _listed(folder, f"{below}hooks") if not name.endswith(".sample"))
        yield from (f"{below}hooks/{name}" for name in hooks)


def _inner(folder: int) -> Iterator[str]:
    waiting = ["modules/", "worktrees/"]
    for _ in range(_INNER):
        if not waiting:
            return
        above = waiting.pop()
        for name in _listed(folder, above):
            names = _listed(folder, f"{above}{name}/")
            if "HEAD" in names:
                yield f"{above}{name}/"
            if "modules" in names:
                waiting.append(f"{above}{name}/modules/")
            elif names and "HEAD" not in names:  # of a submodule whose path has a slash
                waiting.append(f"{above}{name}/")


def _listed(folder: int, path: str) -> Sequence[str]:
    """The names in a directory; none where there is none, or where a link leads to it."""
    at = os.dup(folder)
    try:
        for part in path.rstrip("/").split("/"):
            below = os.open(part, _ENTER, dir_fd=at)
            os.close(at)
            at = below
        return os.listdir(at)  # noqa: PTH208 - of a handle
    except OSError:
        return ()
    finally:
        os.close(at)


def programs(folder: int, name: str) -> str:
    """What a config makes git run."""
    if not name.endswith(("config", "config.worktree")):
        return ""
    entries = gitconfig.parse(_read(folder, name).decode("utf-8", "replace"))
    keys = sorted({gitconfig.dotted(one) for one in entries if gitconfig.runs_programs(one)})
    return f"runs {', '.join(keys)}" if keys else ""


def _read(folder: int, name: str) -> bytes:
    """A small regular file's bytes; none of anything else."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=folder)
    except OSError:
        return b""
    with os.fdopen(descriptor, "rb") as file:
        return file.read(LARGEST) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
