"""The journal of files that are about to move, and whose turn it is.

It lies in a directory beside the repository's index, is on the disk before anything moves, and is
settled once: by who wrote it, or by who comes after a crash.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from typing import TYPE_CHECKING

from outrig.core.frozen import frozen
from outrig.errors import WorkspaceError
from outrig.workspace.repository import Change

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "outrig-landing"  # in the checkout's own git directory
MARK = b"outrig\n"  # in index.lock, so that who comes after a crash knows whose it is

_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@frozen
class Journal:
    """A move that has begun: which branch from where to where, and which files of the tree."""

    ref: str
    old: str  # zeros: the branch was unborn
    new: str
    token: str  # of temporary names
    changes: tuple[Change, ...]  # in the order in which they are done


@contextlib.contextmanager
def alone(git_dir: Path) -> Iterator[Path]:
    """The place of the journal, and nobody else's while we are in it; removed if it is empty."""
    place = git_dir / NAME
    place.mkdir(mode=0o700, exist_ok=True)
    folder = os.open(place, _ENTER)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WorkspaceError(f"another outrig is at work on {git_dir}") from None
        yield place
    finally:
        with contextlib.suppress(OSError):
            place.rmdir()
        os.close(folder)


def begin(place: Path, journal: Journal) -> None:
    """Say what is going to happen, on the disk."""
    data = {
        "ref": journal.ref,
        "old": journal.old,
        "new": journal.new,
        "token": journal.token,
        "changes": [[os.fsdecode(one.path), one.old, one.new] for one in journal.changes],
    }
    descriptor = os.open(place / "journal.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        json.dump(data, file)
        file.flush()
        os.fsync(descriptor)
    (place / "journal.new").replace(place / "journal.json")
    (place / "files").mkdir(mode=0o700)


def read(place: Path) -> Journal | None:
    """The move that somebody began; None when there is none, or it had not begun yet."""
    try:
        data = json.loads((place / "journal.json").read_bytes())
    except FileNotFoundError:
        return None
    return Journal(
        ref=data["ref"],
        old=data["old"],
        new=data["new"],
        token=data["token"],
        changes=tuple(
            Change(path=os.fsencode(path), old=_content(old), new=_content(new))
            for path, old, new in data["changes"]
        ),
    )


def forget(place: Path) -> None:
    """The move is settled: what was kept for it goes."""
    (place / "journal.json").unlink(missing_ok=True)
    for one in place.iterdir():
        if one.is_dir():
            shutil.rmtree(one)
        else:
            one.unlink()


@contextlib.contextmanager
def locked_index(git_dir: Path) -> Iterator[None]:
    """Hold the lock that git itself takes before it writes the index."""
    lock = git_dir / "index.lock"
    try:
        descriptor = os.open(lock, _MAKE, 0o666)
    except FileExistsError:
        raise WorkspaceError(
            f"git is at work on this checkout: {lock} exists",
            hint=f"wait for it; if no git runs any more: rm {lock}",
        ) from None
    try:
        os.write(descriptor, MARK)
        os.close(descriptor)
        yield
    finally:
        lock.unlink(missing_ok=True)


def unlock(git_dir: Path) -> None:
    """Take away the lock of an outrig that died; only for who is alone()."""
    lock = git_dir / "index.lock"
    with contextlib.suppress(FileNotFoundError):
        if lock.stat().st_size == len(MARK) and lock.read_bytes() == MARK:
            lock.unlink()


def _content(value: list[str] | None) -> tuple[str, str] | None:
    return None if value is None else (value[0], value[1])
