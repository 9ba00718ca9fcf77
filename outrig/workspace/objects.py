"""Commits cross the border: objects of a .git that an agent could write, checked one by one.

No git runs there: `git fetch` would, and obeys that repository's settings. HEAD and refs are read
as data, objects are copied by handle into a quarantine, packs are indexed anew, and what the refs
reach goes into a pack of ours that `index-pack --strict` has checked: each object's own name, its
form, and that all it names is there. What it borrows from, and what it says of replacements,
grafts, commit graphs or bitmaps, counts for nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from typing import TYPE_CHECKING

from outrig.core.frozen import replace
from outrig.errors import WorkspaceError
from outrig.workspace.folders import Folders
from outrig.workspace.packs import transfer
from outrig.workspace.refs import Refs, kept, names, read_refs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from outrig.workspace.repository import Repository

MOST_BYTES = 8 * 1024**3  # of all objects together
MOST_FILES = 1_000_000
_PIECE = 256 * 1024

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOOSE = re.compile(rb"[0-9a-f]{38}(?:[0-9a-f]{24})?", re.ASCII)
_FAN = re.compile(rb"[0-9a-f]{2}", re.ASCII)
_LONGEST_PATH = 4096  # bytes; the kernel takes no longer one
_PACK = re.compile(rb"pack-[0-9a-f]{40}(?:[0-9a-f]{24})?\.pack", re.ASCII)


def bring_home(git_dir: Path, ours: Repository, scratch: Path, *, known: Sequence[str]) -> Refs:
    """Take what HEAD and the branches reach into a repository of ours, as refs/session/*.

    `known` are commits of which nothing needs to come; `scratch` is a directory that may be
    written and is removed. Returns the refs whose commits are whole. Raises WorkspaceError for
    objects that are damaged, or too many.
    """
    refs = read_refs(git_dir)
    shutil.rmtree(scratch, ignore_errors=True)
    quarantine = scratch / "objects"
    (quarantine / "pack").mkdir(mode=0o700, parents=True)
    try:
        aside = replace(ours, objects=quarantine, alternates=(ours.git_dir / "objects",))
        for pack in _copied(git_dir, quarantine):
            aside.run("index-pack", "--threads=1", str(pack))
        tips = _commits(aside, {*refs.heads.values(), *([refs.head] if refs.head else [])})
        if refs.head and refs.head not in tips:
            raise WorkspaceError(
                f"the session's HEAD is {refs.head}, and there is no such commit",
                hint="what it did to files is in: outrig patch SESSION",
            )
        if refs.head:
            _must_unfold(aside, refs.head)
        transfer(aside, ours, tips, scratch, known=known, local=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return kept(ours, refs, tips)


def _must_unfold(source: Repository, commit: str) -> None:
    """Raises WorkspaceError for a commit of too many files, or of directories too deep.

    A tree may name another one often: ten objects unfold into a billion files, and comparing those
    took all memory there was (tried). git calls itself for each level, until its stack is full.
    """
    left, longest, rest = MOST_FILES, 0, b""
    with source.git().start("ls-tree", "-r", "-t", "-z", "--name-only", commit) as listing:
        pipe = listing.process.stdout
        assert pipe
        while left >= 0 and longest <= _LONGEST_PATH and (data := pipe.read(_PIECE)):
            *paths, rest = (rest + data).split(b"\0")
            left -= len(paths)
            longest = max(map(len, (*paths, rest)))
    if left < 0 or longest > _LONGEST_PATH:
        what = f"more than {MOST_FILES:,} files" if left < 0 else "directories too deep for a path"
        raise WorkspaceError(
            f"the session's commit {commit} holds {what}",
            hint="what it did to files is in: outrig patch SESSION",
        )


def _copied(git_dir: Path, quarantine: Path) -> list[Path]:
    """Objects and packs as they are, by handle; the packs. Raises WorkspaceError for too many."""
    room = _Room()
    packs = []
    with Folders(git_dir) as folders:
        for fan in names(folders, b"objects"):
            if _FAN.fullmatch(fan):
                for name in names(folders, b"objects/" + fan):
                    if _LOOSE.fullmatch(name):
                        to = quarantine / os.fsdecode(fan) / os.fsdecode(name)
                        _copy(folders, b"objects/" + fan + b"/" + name, to, room)
        for name in names(folders, b"objects/pack"):
            if _PACK.fullmatch(name):
                to = quarantine / "pack" / os.fsdecode(name)
                if _copy(folders, b"objects/pack/" + name, to, room):
                    packs.append(to)
    return packs


class _Room:
    """How much may still come."""

    def __init__(self) -> None:
        self.files = MOST_FILES
        self.bytes = MOST_BYTES

    def take(self, size: int) -> None:
        self.files -= 1
        self.bytes -= size
        if self.files < 0 or self.bytes < 0:
            raise WorkspaceError(
                f"the session's repository has more than {MOST_FILES} objects or {MOST_BYTES} bytes"
            )


def _copy(folders: Folders, path: bytes, to: Path, room: _Room) -> bool:
    try:
        spot = folders.spot(path)
        descriptor = os.open(spot.name, _READ, dir_fd=spot.folder) if spot else -1
    except OSError:
        return False
    if descriptor < 0:
        return False
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return False
        room.take(found.st_size)
        to.parent.mkdir(exist_ok=True)
        copy = os.open(to, _MAKE, 0o600)
        try:
            left = found.st_size
            while left > 0 and (count := os.sendfile(copy, descriptor, None, left)) > 0:
                left -= count
        finally:
            os.close(copy)
    finally:
        os.close(descriptor)
    return True


def _commits(aside: Repository, names: set[str]) -> set[str]:
    """Those of these objects that are commits, and there."""
    asked = "".join(f"{name}\n" for name in sorted(names)).encode()
    said = aside.run("cat-file", "--batch-check", "--buffer", stdin=asked) if names else b""
    rows = (line.split() for line in said.decode().splitlines())
    return {row[0] for row in rows if len(row) == 3 and row[1] == "commit"}  # noqa: PLR2004
