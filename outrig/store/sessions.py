"""SessionStore: the records below one session root, read, rewritten and listed.

A record is rewritten under its `.record` lock and swapped whole; `.open/<id>` exists from before
the record until after its end, so what is unfinished is found without reading everything.
Listing is lazy: ids are their own order, and records are read only as far as somebody asks.
What cannot be read is handed to `skip` with the reason and never stops a listing.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from datetime import UTC, datetime

from outrig.core import events
from outrig.core.naming import is_id
from outrig.core.session import Session
from outrig.errors import StoreError
from outrig.store import file, lock, reserve
from outrig.store.events import append
from outrig.store.file import UnreadableError
from outrig.store.places import LOCKS, LOGS, NAMES, OPEN, RECORD, ROOT_ID, TIMING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    Heard = Callable[[Mapping[str, Any], Session], None]

_SECOND = 15  # characters of an id that are its second
_YOUNG = 10  # seconds in which a session may be without its record
_EPOCH = datetime.fromtimestamp(0, UTC)


class MissingRecordError(UnreadableError):
    """The session's directory is there, its record is not (or not yet)."""


class SessionStore:
    """All sessions below one root. Making the object touches nothing.

    `heard` is told of each change that is made through it, once it is on the disk.
    """

    def __init__(self, root: Path, heard: Heard | None = None) -> None:
        self.root = root
        self.heard = heard

    # ------------------------------------------------------------------ the root
    def root_id(self) -> str:
        """128 random bits in hex, made at the first call, with the root itself if need be."""
        known = self.known_root_id()
        if known:
            return known
        self.make_root()
        with lock.exclusive(self.root, "", "root-id"):
            known = self.known_root_id()
            if not known:
                known = os.urandom(16).hex()
                file.replace(f"{self.root}/{ROOT_ID}", f"{known}\n".encode())
        return known

    def known_root_id(self) -> str | None:
        """The root's id if it has one; makes nothing."""
        try:
            return file.read(f"{self.root}/{ROOT_ID}").decode("ascii").strip() or None
        except (OSError, UnreadableError, UnicodeDecodeError):
            return None

    def make_root(self) -> None:
        """Make the root and its dot directories, 0700. Raises StoreError."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in (OPEN, LOCKS, NAMES):
                with contextlib.suppress(FileExistsError):
                    os.mkdir(f"{self.root}/{name}", 0o700)
        except OSError as error:
            raise StoreError(
                f"cannot make the session root {self.root}: {error.strerror}",
                hint="choose another with --session-root DIR or OUTRIG_SESSION_ROOT",
            ) from error

    # ------------------------------------------------------------------ one session
    def directory(self, session: str) -> Path:
        """Where a session's files are; for an explicit directory this is a symlink to it."""
        return self.root / session

    def target(self, session: str) -> Path | None:
        """The explicit directory of a session made with --session-dir, dangling or not."""
        try:
            return self.root / os.readlink(self.root / session)
        except OSError:
            return None

    def exists(self, session: str) -> bool:
        """Whether the root has an entry of this id, readable or not."""
        return is_id(session) and os.path.lexists(self.root / session)

    def dangles(self, session: str) -> bool:
        """Whether the root's entry is a link to a directory that is gone, or was moved."""
        path = self.root / session
        return is_id(session) and path.is_symlink() and not path.exists()

    def load(self, session: str) -> Session:
        """Read one record. Raises StoreError that says why it cannot be read."""
        try:
            return self.read(session)
        except UnreadableError as error:
            raise StoreError(
                f"the record of {session} cannot be read: {error}",
                hint=f"outrig discard {session}",
            ) from error

    def read(self, session: str) -> Session:
        """Read one record. Raises UnreadableError with the bare reason."""
        found = read_record(f"{self.root}/{session}")
        if found.id != session:
            raise UnreadableError(f"its record is that of {found.id[:40]!r}")
        return found

    def update(self, session: str, change: Callable[[Session], Session]) -> Session:
        """One read-modify-write of a record under its lock; returns what is on disk now.

        Raises StoreError when it cannot be read or written, or belongs to another tool.
        """
        with lock.exclusive(self.root, session):
            before = self.load(session)
            after = change(before)
            if after.fields != before.fields:
                write_record(self.root / session, after)
            if after.ended and not after.resources:
                reserve.drop(f"{self.root}/{session}")
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(f"{self.root}/{OPEN}/{session}")
            happened = events.changes(before, after, now=datetime.now(UTC))
            append(self.root, happened)  # while nobody else may write, so that they are in order
        self.tell(happened, after)
        return after

    def note(self, event: str, session: Session) -> None:
        """Tell of something that no record shows, such as `detached`."""
        happened = [events.event(event, session, now=datetime.now(UTC))]
        append(self.root, happened)
        self.tell(happened, session)

    def tell(self, happened: Sequence[Mapping[str, Any]], session: Session) -> None:
        """Whoever listens is told, with the record as it is then."""
        if self.heard:
            for event in happened:
                self.heard(event, session)

    def attended(self, session: str) -> bool:
        """Whether a process looks after a session at this moment."""
        return lock.attended(self.root, session)

    def last_heard(self, session: Session) -> datetime:
        """When it last did anything that shows: it started, said something, or ended."""
        moments = [moment for moment in (session.started_at, session.ended_at) if moment]
        if not session.ended:
            with contextlib.suppress(OSError):
                written = os.lstat(f"{self.root}/{session.id}/{LOGS}/{TIMING}").st_mtime
                moments.append(datetime.fromtimestamp(written, UTC))
        return max(moments, default=_EPOCH)

    def is_open(self, session: str) -> bool:
        """Whether the session has not been seen to its end."""
        return os.path.lexists(f"{self.root}/{OPEN}/{session}")

    # ------------------------------------------------------------------ all sessions
    def ids(self) -> list[str]:
        """Every entry shaped like an id, newest second first; nothing is read."""
        return [name for name in self._names() if is_id(name)]

    def every(self, skip: Callable[[str, str], None]) -> Iterator[Session]:
        """Records, newest first, each read when it is asked for.

        Within one second `started_at` decides, so only then are records read ahead.
        """
        names = (name for name in self._names() if is_id(name))
        for _, second in itertools.groupby(names, lambda name: name[:_SECOND]):
            read = [found for name in second if (found := self._read_or_skip(name, skip))]
            yield from sorted(read, key=_newness, reverse=True)

    def unattended(self, sessions: Iterable[str] | None = None) -> list[str]:
        """Which of these, or of all, have not been seen to their end and have nobody for it."""
        if sessions is None:
            try:
                names = os.listdir(f"{self.root}/{OPEN}")
            except OSError:
                return []
        else:
            names = [one for one in sessions if self.is_open(one)]
        return [name for name in names if is_id(name) and not self.attended(name)]

    def unfinished(self) -> list[Session]:
        """Our records that have not ended, newest first, found by their `.open` entries."""
        try:
            names = os.listdir(f"{self.root}/{OPEN}")
        except OSError:
            return []
        read = [self._read_or_skip(name, _ignore) for name in names if is_id(name)]
        found = [session for session in read if session and not session.ended]
        return sorted(found, key=_newness, reverse=True)

    def named(self, name: str) -> str | None:
        """The id of the session that has this name."""
        try:
            session = os.readlink(f"{self.root}/{NAMES}/{name}")
        except (OSError, ValueError):
            return None
        return session if self.exists(session) else None

    def _names(self) -> list[str]:
        try:
            return sorted(os.listdir(self.root), reverse=True)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(
                f"cannot read the session root {self.root}: {error.strerror}"
            ) from error

    def _read_or_skip(self, session: str, skip: Callable[[str, str], None]) -> Session | None:
        try:
            return self.read(session)
        except MissingRecordError as error:
            if not _is_young(session) and not self.attended(session):
                skip(session, str(error))
        except UnreadableError as error:
            if self.exists(session):  # else it was discarded since the names were read
                skip(session, str(error))
        return None


def read_record(directory: Path | str) -> Session:
    """Read the record in a directory. Raises UnreadableError with the bare reason."""
    try:
        return Session(file.read_object(f"{directory}/{RECORD}"))
    except UnreadableError as error:
        raise UnreadableError(f"{RECORD} is {error}") from error
    except OSError as error:
        raise _why_missing(directory, error) from error


def write_record(directory: Path, session: Session) -> None:
    """Swap a record whole. Raises StoreError."""
    try:
        reserve.write_object(str(directory), RECORD, session.fields)
    except OSError as error:
        raise StoreError(f"cannot write {directory}/{RECORD}: {error.strerror}") from error


def _why_missing(directory: Path | str, error: OSError) -> UnreadableError:
    if os.path.isdir(directory):
        if isinstance(error, FileNotFoundError):
            return MissingRecordError(f"no {RECORD}")
        return UnreadableError(f"{RECORD}: {error.strerror}")
    if os.path.islink(directory):
        return UnreadableError(f"its directory {os.readlink(directory)} is gone")
    there = os.path.exists(directory)
    return UnreadableError("not a directory" if there else str(error.strerror))


def _newness(session: Session) -> tuple[str, datetime, str]:
    return session.id[:_SECOND], session.started_at or _EPOCH, session.id


def _is_young(session: str) -> bool:
    try:
        made = datetime.strptime(session[:_SECOND], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return False
    return abs((datetime.now(UTC) - made).total_seconds()) <= _YOUNG


def _ignore(_session: str, _why: str) -> None:
    """Another listing of the same run names it."""
