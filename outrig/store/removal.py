"""A session leaves the disk: what outrig wrote goes, the record last; what else is there stays.

| entry in the root                  | goes                       | stays                     |
|------------------------------------|----------------------------|---------------------------|
| a directory                        | outrig's files, then it    | the rest, as `<id>.kept`  |
| a link to a --session-dir with the | outrig's files, the link,  | the rest, where it is     |
| record of this id                  | the directory if outrig    |                           |
|                                    | made it and it is empty    |                           |
| another link, or a dangling one    | the link                   | all that it points to     |
| anything else                      |                            | it, as `<id>.kept`        |

Everything is done by directory handle and no link is followed, so nothing outside can be reached
however the files were laid. Whoever is killed halfway leaves an entry that can be removed again.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from outrig.core import sidecars
from outrig.core.session import Session
from outrig.errors import StoreError
from outrig.store import file, tree
from outrig.store.places import CONFIG, INTENT, LOG_FILES, LOGS, NAMES, OPEN, RECORD, RESERVE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from outrig.store.sessions import SessionStore

_FILES = (INTENT, CONFIG, RESERVE)
_TREES = ("etc", "home", "workspace", "run", "snapshots.git")
_FOREIGN_LOGS = (".log", ".stderr")
_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Kept(NamedTuple):
    """What was not outrig's, and where it is now."""

    path: Path
    names: tuple[str, ...]


def remove(store: SessionStore, session: str) -> Kept | None:
    """Remove one entry of the root, and what the dot directories say of it but its locks.

    Raises StoreError when something of outrig's cannot be removed; the record is still there.
    """
    try:
        with _entered(str(store.root)) as root:
            mode = os.stat(session, dir_fd=root, follow_symlinks=False).st_mode
            if stat.S_ISLNK(mode):
                target = store.target(session)
                kept = _explicit(target, session) if target else None
                os.unlink(session, dir_fd=root)
            elif stat.S_ISDIR(mode):
                kept = _automatic(store.root, root, session)
            else:
                kept = _keep(store.root, root, session, (session,))
            os.fsync(root)
    except OSError as error:
        raise _refused(session, error, f"--session-root {store.root} {session}") from error
    forget(store, session)
    return kept


def remove_directory(directory: Path, session: str) -> Kept | None:
    """Remove a session that no root lists any more. Raises StoreError."""
    try:
        return _explicit(directory, session)
    except OSError as error:
        raise _refused(session, error, f"--session-dir {directory}") from error


def forget(store: SessionStore, session: str) -> None:
    """Free the session's name, and call it unfinished no more."""
    names = f"{store.root}/{NAMES}"
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(names):
            with contextlib.suppress(OSError):
                if os.readlink(f"{names}/{name}") == session:
                    os.unlink(f"{names}/{name}")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{store.root}/{OPEN}/{session}")


# ---------------------------------------------------------------- the kinds of entry


def _automatic(root_path: Path, root: int, session: str) -> Kept | None:
    with _entered(session, root) as directory:
        if os.geteuid() not in (os.fstat(directory).st_uid, 0):
            raise StoreError(f"{root_path / session} belongs to another user")
        left = _empty(directory, _record(directory))
    if left:
        return _keep(root_path, root, session, left)
    os.rmdir(session, dir_fd=root)
    return None


def _explicit(path: Path, session: str) -> Kept | None:
    """Only a directory whose record has this id; whatever else is there now is not ours."""
    try:
        with _entered(str(path)) as directory:
            record = _record(directory)
            if record is None or record.id != session:
                names = tuple(sorted(os.listdir(directory)))
                return Kept(path, names) if names else None
            left = _empty(directory, record)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if left:
        return Kept(path, left)
    if record.fields.get("session_dir_made") is True:
        with contextlib.suppress(OSError):
            os.rmdir(path)
    return None


def _keep(root_path: Path, root: int, session: str, names: tuple[str, ...]) -> Kept:
    """Out of the way of listings, under a name that no earlier one has."""
    kept = f"{session}.kept"
    number = 1
    while os.path.lexists(root_path / kept):
        number += 1
        kept = f"{session}.kept{number}"
    os.rename(session, kept, src_dir_fd=root, dst_dir_fd=root)
    return Kept(root_path / kept, names)


# ---------------------------------------------------------------- inside of one


def _record(directory: int) -> Session | None:
    try:
        return Session(file.read_object(RECORD, dir_fd=directory))
    except (OSError, file.UnreadableError):
        return None


def _empty(directory: int, record: Session | None) -> tuple[str, ...]:
    """Remove what outrig wrote, the record last; the names of what is left."""
    foreign = record is not None and not record.ours
    names = () if foreign else tuple(os.listdir(directory))
    for name in names:  # first of all, because these may be refused: the agent's own files
        if name in _TREES or tree.is_hoisted(name):
            tree.remove(name, directory)
    for name in names:
        if name in _FILES or file.is_temporary(name):
            _unlink_regular(name, directory)
    beside = map(sidecars.log_file, sidecars.noted(record)) if record else ()
    _empty_logs(directory, {*LOG_FILES, *beside}, foreign=foreign)
    _unlink_regular(RECORD, directory)
    os.fsync(directory)
    return tuple(sorted(os.listdir(directory)))


def _empty_logs(directory: int, known: Collection[str], *, foreign: bool) -> None:
    with (
        contextlib.suppress(FileNotFoundError, NotADirectoryError),
        _entered(LOGS, directory) as logs,
    ):
        for name in os.listdir(logs):
            known_name = name in known or file.is_unfinished(name, known)
            if known_name or (foreign and name.endswith(_FOREIGN_LOGS)):
                _unlink_regular(name, logs)
        with contextlib.suppress(OSError):  # not empty: somebody put something there
            os.rmdir(LOGS, dir_fd=directory)


def _unlink_regular(name: str, directory: int) -> None:
    """Remove a file; a link or a directory of that name is somebody else's."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISREG(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=directory)


@contextlib.contextmanager
def _entered(name: str, above: int | None = None) -> Iterator[int]:
    """A directory's handle; fails with NotADirectoryError where a link stands in its place."""
    fd = os.open(name, _ENTER, dir_fd=above)
    try:
        yield fd
    finally:
        os.close(fd)


def _refused(session: str, error: OSError, which: str) -> StoreError:
    """`which` names the session to somebody who is not the caller: root has another root."""
    owned = isinstance(error, PermissionError)
    return StoreError(
        f"cannot remove all of {session}: {error.strerror}: {error.filename}",
        hint=f"files of another user need: sudo outrig discard {which}" if owned else None,
    )
