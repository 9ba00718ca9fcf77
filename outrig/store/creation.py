"""A session comes into being: its id, directory, lock, name and first record, or nothing at all.

Order matters, because we may be killed between any two steps: what was made without a record is
named by `ls` after ten seconds and can be discarded by its id. What fails is undone in reverse.
"""

from __future__ import annotations

import contextlib
import os

from outrig.core import events
from outrig.core.naming import is_name, session_id
from outrig.core.session import with_fields
from outrig.errors import StoreError, UsageError, reason
from outrig.store import explicit, file, lock, reserve
from outrig.store.belonging import machine
from outrig.store.events import append
from outrig.store.places import LOGS, NAMES, OPEN, RECORD
from outrig.store.sessions import write_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from outrig.core.relations import Work
    from outrig.core.session import Session
    from outrig.store.lock import Attendance
    from outrig.store.sessions import SessionStore

_DRAWS = 1000  # of 65,536 ids in a second


class Held:
    """A session that this process looks after until close(); a context manager."""

    __slots__ = ("attendance", "directory", "session", "store")

    def __init__(
        self, store: SessionStore, session: Session, directory: Path, attendance: Attendance
    ) -> None:
        self.store = store
        self.session = session
        self.directory = directory
        self.attendance = attendance

    @property
    def id(self) -> str:
        return self.session.id

    def update(self, change: Callable[[Session], Session]) -> Session:
        """Rewrite the record; `session` is what is on disk then."""
        self.session = self.store.update(self.id, change)
        return self.session

    def close(self) -> None:
        """Let go of the session; whoever comes next may look after it."""
        self.attendance.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def create(
    store: SessionStore,
    *,
    now: datetime,
    build: Callable[[str, Path], Session],
    name: str | None = None,
    session_dir: Path | None = None,
    writable: Iterable[Path] = (),
    alone: Work | None = None,
) -> Held:
    """Make a session and write its first record, from `build(id, directory)`.

    The store adds what only it knows: name, session_dir, session_root and root_id. `writable`
    are the host directories that the session may write; `alone` is work on which no other
    session may be unfinished. Raises UsageError for a name, a directory or work that is refused,
    before anything is written; StoreError when the disk refuses.
    """
    writable = tuple(writable)
    explicit.refuse_root(store.root, writable)
    _refuse_claims(store, name, alone)
    target = (
        explicit.checked(session_dir, root=store.root, writable=writable) if session_dir else None
    )
    try:
        root_id = store.root_id()
        with _claims_held(store, name, alone), contextlib.ExitStack() as undo:
            made = _take_directory(target, undo) if target else False
            session = _take_id(store, now, target, undo)
            attendance = _attend(store, session, undo)
            _mark(store, session, name, undo)
            directory = target or store.root / session
            record = with_fields(
                build(session, directory),
                name=name,
                session_dir=str(directory),
                session_root=os.path.realpath(store.root),
                root_id=root_id,
                machine=machine(),
                session_dir_made=made or None,
            )
            undo.callback(_unlink, f"{directory}/{RECORD}")
            undo.callback(reserve.drop, str(directory))
            reserve.make(str(directory), len(file.encoded(record.fields)))
            write_record(directory, record)
            undo.pop_all()
        happened = events.changes(None, record, now=now)
        append(store.root, happened)
        store.tell(happened, record)
    except OSError as error:
        raise StoreError(f"cannot make a session: {reason(error)}") from error
    return Held(store, record, directory, attendance)


def refuse_name(store: SessionStore, name: str) -> None:
    """Raise UsageError unless a new session may have this name."""
    if not is_name(name):
        raise UsageError(
            f"{name!r} cannot name a session",
            hint="letters, digits, '.', '_' and '-', at most 63, and not shaped like an id",
        )
    holder = store.named(name)
    if holder:
        raise UsageError(
            f"the name {name} is taken by session {holder}",
            hint=f"choose another, or: outrig discard {holder}",
        )


@contextlib.contextmanager
def _claims_held(store: SessionStore, name: str | None, alone: Work | None) -> Iterator[None]:
    """Nobody else takes a name, or begins the same work, between our look and our record."""
    if name is None and alone is None:
        yield
        return
    with lock.exclusive(store.root, "", "names"):
        _refuse_claims(store, name, alone)
        yield


def _refuse_claims(store: SessionStore, name: str | None, alone: Work | None) -> None:
    if name is not None:
        refuse_name(store, name)
    if alone is not None:
        refuse_work(store, alone)


def refuse_work(store: SessionStore, work: Work) -> None:
    """Raise UsageError when an unfinished session works on it."""
    for session in store.unfinished():
        if work.is_of(session):
            raise UsageError(
                f"session {session.id} works on issue {work.issue} of {work.project} already",
                hint=f"outrig attach {session.id}; or --force for a second one",
            )


def _take_directory(target: Path, undo: contextlib.ExitStack) -> bool:
    """Make or claim an explicit directory; True if it was made here.

    Two that want the same empty one: only one of them can make `logs` in it.
    """
    made = not target.exists()
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    if made:
        undo.callback(_rmdir, str(target))
    try:
        os.mkdir(target / LOGS, 0o700)
    except FileExistsError as error:
        raise UsageError(f"--session-dir {target} was just taken by another session") from error
    undo.callback(_rmdir, f"{target}/{LOGS}")
    return made


def _take_id(
    store: SessionStore, now: datetime, target: Path | None, undo: contextlib.ExitStack
) -> str:
    """The entry in the root: mkdir and symlink fail where one exists, so an id is ours alone."""
    for _ in range(_DRAWS):
        session = session_id(now, int.from_bytes(os.urandom(2), "big"))
        path = f"{store.root}/{session}"
        try:
            if target:
                os.symlink(target, path)
            else:
                os.mkdir(path, 0o700)
        except FileExistsError:
            continue
        if target:
            undo.callback(_unlink, path)
        else:
            undo.callback(_rmdir, path)
            os.mkdir(f"{path}/{LOGS}", 0o700)
            undo.callback(_rmdir, f"{path}/{LOGS}")
        return session
    raise StoreError(f"no free session id in this second in {store.root}", hint="try again")


def _attend(store: SessionStore, session: str, undo: contextlib.ExitStack) -> Attendance:
    undo.callback(lock.forget, store.root, session)
    attendance = lock.attend(store.root, session)
    undo.callback(attendance.close)
    return attendance


def _mark(store: SessionStore, session: str, name: str | None, undo: contextlib.ExitStack) -> None:
    """The session is open, and has its name, before anybody can read its record."""
    path = f"{store.root}/{OPEN}/{session}"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    undo.callback(_unlink, path)
    if name is not None:
        link = f"{store.root}/{NAMES}/{name}"
        _unlink(link)  # what is left of a session that is gone
        os.symlink(session, link)
        undo.callback(_unlink, link)


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _rmdir(path: str) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(path)
