"""From what a user typed, or a directory given with --session-dir, to one session on disk."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from outrig.core.naming import is_id, is_name
from outrig.core.query import candidates, steps_back
from outrig.errors import SessionNotFoundError, StoreError
from outrig.store.file import UnreadableError
from outrig.store.sessions import SessionStore, read_record

if TYPE_CHECKING:
    from outrig.core.session import Session


class Found(NamedTuple):
    """A session, where its files are, and the root that keeps its locks, if that still exists."""

    session: Session
    directory: Path
    store: SessionStore | None
    known: bool = True  # False: it runs or has ended, and nobody can say which

    @property
    def attended(self) -> bool:
        return self.store is not None and self.store.attended(self.session.id)


def find(store: SessionStore, query: str) -> str:
    """The id that a query means; an exact id is taken even if its record is unreadable.

    Raises SessionNotFoundError (none, or several), StoreError (only an unreadable one).
    """
    back = steps_back(query)
    if back is not None:
        return _nth(store, query, back)
    if store.exists(query):
        return query
    named = store.named(query) if is_name(query) else None
    return named or _only(store, query, candidates(query, store.ids()))


def open_session(store: SessionStore, query: str) -> Found:
    """Find a session and read its record."""
    session = store.load(find(store, query))
    return Found(session, store.directory(session.id), store)


def open_directory(directory: Path) -> Found:
    """The session in a directory given in place of a query; no config is needed for it.

    Its record says where its locks are; they count only while that root is still the same one.
    """
    path = Path(os.path.realpath(directory))
    try:
        session = read_record(path)
    except UnreadableError as error:
        raise StoreError(f"no session in {directory}: {error}") from error
    if not is_id(session.id):  # it may have come with somebody's repository, and becomes a path
        raise StoreError(f"no session in {directory}: its record names none")
    return Found(session, path, _own_store(session, path))


def _own_store(session: Session, directory: Path) -> SessionStore | None:
    """The root that lists this very directory; a copy of it elsewhere is nobody's."""
    root, root_id = session.text("session_root"), session.text("root_id")
    if not root.startswith("/") or not root_id:
        return None
    store = SessionStore(Path(root))
    lists_it = is_entry(store, session.id, directory) or store.dangles(session.id)
    return store if lists_it and store.known_root_id() == root_id else None


def is_entry(store: SessionStore, session: str, directory: Path) -> bool:
    """Whether the root's entry of that id leads to this directory."""
    try:
        return store.exists(session) and os.path.samefile(store.directory(session), directory)
    except OSError:
        return False


def _nth(store: SessionStore, query: str, back: int) -> str:
    for session in itertools.islice(store.every(_quietly), back, None):
        return session.id
    raise SessionNotFoundError(f'no session matching "{query}"', hint="outrig ls --all")


def _only(store: SessionStore, query: str, found: list[str]) -> str:
    if len(found) > 1:
        found = [one for one in found if _readable(store, one)] or found
    if len(found) == 1:
        return found[0]
    if not found:
        raise SessionNotFoundError(f'no session matching "{query}"', hint="outrig ls --all")
    raise SessionNotFoundError(
        f'several sessions match "{query}":\n' + "\n".join(found), hint="give more of the id"
    )


def _readable(store: SessionStore, session: str) -> bool:
    try:
        store.read(session)
    except UnreadableError:
        return False
    return True


def _quietly(_session: str, _why: str) -> None:
    """A query is no listing: what cannot be read is not the one that was meant."""
