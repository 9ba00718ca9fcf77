"""Refs of a repository that an agent could write: read as data, and kept in one of ours.

HEAD, loose and packed branches; whatever is no plain name of a commit is passed over. Nothing is
followed, and no git runs there.
"""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING

from outrig.core.frozen import frozen
from outrig.errors import WorkspaceError
from outrig.workspace.folders import Folders

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from outrig.workspace.repository import Repository

_SMALL = 4096  # bytes of HEAD or of a loose ref
_PACKED = 64 * 1024 * 1024  # bytes of packed-refs
_MOST_REFS = 10_000
_DEEPEST = 20  # directories in refs/heads

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NAME = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)
_HEAD = re.compile(rb"refs/heads/[^\x00-\x20\x7f~^:?*\[\\]+", re.ASCII)


@frozen
class Refs:
    """What a repository's refs say: the commit at HEAD, its branch, and the branches."""

    head: str | None
    branch: str | None
    heads: Mapping[str, str]  # refs/heads/NAME -> commit


def read_refs(git_dir: Path) -> Refs:
    """HEAD and branches of a hostile repository, as data."""
    with Folders(git_dir) as folders:
        heads = dict(_packed(_text(folders, b"packed-refs", _PACKED)))
        for path in _loose_refs(folders, b"refs/heads", 0):
            value = _text(folders, path, _SMALL).strip()
            if _HEAD.fullmatch(path) and b".." not in path and _NAME.fullmatch(value):
                heads[os.fsdecode(path)] = value.decode()
            if len(heads) > _MOST_REFS:
                raise WorkspaceError(f"the session's repository has more than {_MOST_REFS} refs")
        said = _text(folders, b"HEAD", _SMALL).strip()
    if _NAME.fullmatch(said):
        return Refs(head=said.decode(), branch=None, heads=heads)
    ref = os.fsdecode(said.removeprefix(b"ref: ").strip())
    branch = ref if _HEAD.fullmatch(os.fsencode(ref)) and ".." not in ref else None
    return Refs(head=heads.get(ref), branch=branch, heads=heads)


def kept(ours: Repository, refs: Refs, tips: set[str]) -> Refs:
    """The refs whose commits have come, in our repository too, so that nothing lets go of them."""
    heads = {ref: commit for ref, commit in refs.heads.items() if commit in tips and _utf8(ref)}
    head = refs.head if refs.head in tips else None
    lines = [f"create refs/session/{ref.removeprefix('refs/')}" for ref in heads]
    ours.run("update-ref", "--stdin", stdin=_forgotten(ours))
    wanted = [f"{line} {commit}" for line, commit in zip(lines, heads.values(), strict=True)]
    wanted += [f"create refs/session/HEAD {head}"] if head else []
    valid = [line for line in wanted if _is_ref(line.split(" ")[1])]
    ours.run("update-ref", "--stdin", stdin="".join(f"{line}\n" for line in valid).encode())
    return Refs(head=head, branch=refs.branch, heads=heads)


def _forgotten(ours: Repository) -> bytes:
    """Refs of an earlier time; a branch may have made way for a directory of branches."""
    return ours.run("for-each-ref", "--format=delete %(refname)", "refs/session")


def _is_ref(name: str) -> bool:
    """What git takes for a ref's name, but for what the reader's pattern refused already."""
    parts = name.split("/")
    return (
        not any(part.startswith(".") or part.endswith((".", ".lock")) or not part for part in parts)
        and "@{" not in name
    )


def _utf8(ref: str) -> bool:
    return ref.isascii() or not any("\ud800" <= character <= "\udfff" for character in ref)


def names(folders: Folders, path: bytes) -> list[bytes]:
    """What a directory holds; nothing where it is none, or a link."""
    try:
        spot = folders.spot(path + b"/x")
        return [os.fsencode(name) for name in os.listdir(spot.folder)] if spot else []  # noqa: PTH208
    except OSError:
        return []


def _text(folders: Folders, path: bytes, most: int) -> bytes:
    """A small regular file; b"" for anything else."""
    try:
        spot = folders.spot(path)
        descriptor = os.open(spot.name, _READ, dir_fd=spot.folder) if spot else -1
    except OSError:
        return b""
    if descriptor < 0:
        return b""
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > most:
            return b""
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(descriptor)


def _packed(text: bytes) -> Iterator[tuple[str, str]]:
    for line in text.splitlines()[:_MOST_REFS]:
        name, _, ref = line.partition(b" ")
        if _NAME.fullmatch(name) and _HEAD.fullmatch(ref) and b".." not in ref:
            yield os.fsdecode(ref), name.decode()


def _loose_refs(folders: Folders, path: bytes, depth: int) -> Iterator[bytes]:
    for name in names(folders, path) if depth < _DEEPEST else ():
        below = path + b"/" + name
        spot = folders.spot(below)
        found = spot.look() if spot else None
        if found and stat.S_ISDIR(found.st_mode):
            yield from _loose_refs(folders, below, depth + 1)
        elif found and not name.endswith(b".lock"):
            yield below
