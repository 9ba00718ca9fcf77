"""A layer over the user's tree: what the session writes lands in a directory of its own.

The engine mounts it (a volume of its local driver), so no privilege of ours is needed. The kernel
does not define what a reader sees when the lower tree changes below a mounted overlay: a file that
the session has not touched yet mostly shows the user's edit, one that it has does not.

What the session changed is the upper directory itself:

| in the upper directory                      | means                                          |
|---------------------------------------------|------------------------------------------------|
| a file or a link                            | written, or its mode changed                   |
| a directory                                 | something in it changed, or it is new          |
| a character device 0/0                      | deleted: a whiteout                            |
| a directory with the xattr `overlay.opaque` | replaced: nothing of the lower one shows in it |
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from typing import TYPE_CHECKING, Literal, NamedTuple

from outrig.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

UPPER, WORK = "upper", "work"
_OPAQUE = "user.overlay.opaque"
_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEEPEST = 1000
# What a mount option cannot carry: they are separated by commas, and lower directories by colons.
_UNSAYABLE = re.compile(r"[,:\\\"\n]")
_NO_UPPER = ("overlay", "nfs", "nfs4", "cifs", "smb3", "fuse", "9p", "virtiofs", "vfat", "exfat")
_NO_LOWER = ("nfs", "nfs4", "cifs", "smb3", "vfat", "exfat")

Kind = Literal["gone", "opaque", "file", "link", "directory"]


class Change(NamedTuple):
    """One path of the upper directory. `opaque` is a directory of which nothing lower shows."""

    path: bytes
    kind: Kind


def refuse(root: Path, session: Path, *, rootless: bool, mounts: str) -> None:
    """Raise WorkspaceError where the engine or a file system cannot.

    `mounts` is the text of /proc/self/mountinfo.
    """
    if rootless:
        raise WorkspaceError(
            "--workspace overlay: a rootless engine does not mount one for a volume",
            hint="--workspace worktree, or copy",
        )
    for place in (root, session):
        if _UNSAYABLE.search(str(place)):
            raise WorkspaceError(
                f'--workspace overlay: {place} holds one of , : \\ " and no mount option can',
                hint="--workspace worktree, or copy",
            )
    for place, cannot, role in ((root, _NO_LOWER, "lower"), (session, _NO_UPPER, "upper")):
        kind = _filesystem(place, mounts)
        if kind in cannot:
            raise WorkspaceError(
                f"--workspace overlay: {place} is on {kind}, which cannot be its {role} directory",
                hint="--session-root on another file system, or --workspace copy",
            )


def make(root: Path, session: Path) -> Mapping[str, str]:
    """The layer's directories in `session`, and the options of the volume that shows it."""
    upper, work = session / UPPER, session / WORK
    found = root.stat()
    if not upper.is_dir():  # else it is that of a session that goes on
        for made in (upper, work):
            made.mkdir(mode=0o700)
        upper.chmod(stat.S_IMODE(found.st_mode))
        if os.geteuid() == 0:
            os.chown(upper, found.st_uid, found.st_gid)
    layers = f"lowerdir={root},upperdir={upper},workdir={work},userxattr"
    return {"type": "overlay", "device": "overlay", "o": layers}


def changes(upper: Path) -> Iterator[Change]:
    """What the session changed, each directory before what is in it. Links are not followed."""
    try:
        top = os.open(upper, _ENTER)
    except FileNotFoundError:
        return
    try:
        yield from _changes(top, b"", 0)
    finally:
        os.close(top)


class Layer(NamedTuple):
    """What a layer does to the paths that the lower tree held, and the new ones."""

    gone: list[bytes]
    changed: list[bytes]
    new: list[bytes]


def over(upper: Path, held: Iterable[bytes]) -> Layer:
    """The layer against the files that were there, without anything of a .git."""
    known = dict.fromkeys(held)
    hidden: list[bytes] = []  # directories of which nothing lower shows
    gone: list[bytes] = []
    shown: list[bytes] = []
    for path, kind in changes(upper):
        if b".git" in path.lower().split(b"/"):
            continue
        if kind in ("file", "link"):
            shown.append(path)
            continue
        gone += [path] if path in known else []
        if kind != "directory":
            hidden.append(path + b"/")
    covered = tuple(hidden)
    gone += [path for path in known if covered and path.startswith(covered)]
    return Layer(
        gone=list(dict.fromkeys(gone)),
        changed=[path for path in shown if path in known],
        new=[path for path in shown if path not in known],
    )


def _changes(folder: int, below: bytes, depth: int) -> Iterator[Change]:
    for name in sorted(map(os.fsencode, os.listdir(folder))):
        path = below + name
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            continue
        if stat.S_ISCHR(found.st_mode) and found.st_rdev == 0:
            yield Change(path, "gone")
        elif stat.S_ISLNK(found.st_mode):
            yield Change(path, "link")
        elif stat.S_ISREG(found.st_mode):
            yield Change(path, "file")
        elif stat.S_ISDIR(found.st_mode) and depth < _DEEPEST:
            yield from _directory(folder, name, path, depth)


def _directory(folder: int, name: bytes, path: bytes, depth: int) -> Iterator[Change]:
    try:
        inner = os.open(name, _ENTER, dir_fd=folder)
    except OSError:  # it went meanwhile, or is locked: then it has no change that could be read
        yield Change(path, "directory")
        return
    try:
        yield Change(path, "opaque" if _is_opaque(inner) else "directory")
        yield from _changes(inner, path + b"/", depth + 1)
    finally:
        os.close(inner)


def _is_opaque(folder: int) -> bool:
    with contextlib.suppress(OSError):
        return os.getxattr(folder, _OPAQUE) == b"y"
    return False


def _filesystem(place: Path, mounts: str) -> str:
    """The type of the file system that holds it, by its device; "" if that is not listed."""
    state = place.stat()
    device = f"{os.major(state.st_dev)}:{os.minor(state.st_dev)}"
    for line in mounts.splitlines():
        own, _, rest = line.partition(" - ")
        fields = own.split(" ")
        if len(fields) > 2 and fields[2] == device:  # noqa: PLR2004 - id, parent, device
            return rest.split(" ")[0]
    return ""
