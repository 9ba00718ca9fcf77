"""What a session's difference needs is made its own: the user's `gc` takes away what it borrows.

Snapshots borrow the objects of the user's repository, and after a rebase nothing there holds those
that a session began with. So both versions of each changed file, and the trees on the way to them,
are copied into a pack beside the snapshots: as much as has changed, and not the repository.
"""

from __future__ import annotations

import struct

from outrig.errors import WorkspaceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from outrig.workspace.git import Git

_ALL = ("diff-tree", "-r", "-t", "-z", "--raw", "--no-renames", "--no-abbrev")
_GITLINK = "160000"
_FANOUT = 8, 1024  # where in the index of a pack (version 2), and how long


def keep(git: Git, directory: Path, old: str, new: str) -> None:
    """Copy what the difference of two trees needs, and is not in this repository itself.

    What is borrowed and gone already, as in a partial clone, stays gone.
    """
    if old == new:
        return
    needed = {old, new, *_named(git(*_ALL, old, new))}
    missing = sorted(needed.difference(_own(directory / "objects", len(old))))
    if not missing:
        return
    try:
        _pack(git, directory, missing)
    except WorkspaceError:
        _pack(git, directory, _there(git, missing))


def _named(raw: bytes) -> Iterator[str]:
    """The objects of both sides, as `diff-tree --raw -z` tells them."""
    for said in raw.split(b"\0")[:-1:2]:  # each is followed by a path, which may look like one
        old_mode, new_mode, old, new, _ = said[1:].decode("ascii").split(" ")
        sides = ((old_mode, old), (new_mode, new))
        yield from (name for mode, name in sides if mode != _GITLINK and name.strip("0"))


def _own(objects: Path, digits: int) -> set[str]:
    """All that lies here, loose or packed. The repository is ours: it is as git wrote it."""
    found = {path.parent.name + path.name for path in objects.glob("[0-9a-f][0-9a-f]/*")}
    for path in (objects / "pack").glob("*.idx"):
        found.update(_of_pack(path.read_bytes(), digits // 2))
    return found


def _of_pack(index: bytes, size: int) -> Iterator[str]:
    at, length = _FANOUT
    (count,) = struct.unpack_from(">I", index, at + length - 4)
    begin = at + length
    return (index[begin + n * size : begin + (n + 1) * size].hex() for n in range(count))


def _there(git: Git, names: Iterable[str]) -> list[str]:
    asked = "".join(f"{name}\n" for name in names).encode()
    said = git("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=asked)
    rows = (line.split() for line in said.decode().splitlines())
    return [name for name, kind in rows if kind != "missing"]


def _pack(git: Git, directory: Path, names: Iterable[str]) -> None:
    """Differences between versions are not looked for: that takes longer than it saves here."""
    listed = "".join(f"{name}\n" for name in names).encode()
    if listed:
        place = str(directory / "objects/pack/pack")
        git("pack-objects", "-q", "--window=0", place, stdin=listed)
