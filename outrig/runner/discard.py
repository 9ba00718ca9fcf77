"""A session is discarded: containers, volumes, pins, files; refused while anybody or anything runs.

| the session                               | plain               | --force                        |
|-------------------------------------------|---------------------|--------------------------------|
| somebody attends it                       | refused             | refused                        |
| nobody attends it, its container runs     | refused             | container and files go         |
| unfinished, its container does not run    | it goes             | it goes                        |
| it has containers, the engine is silent   | refused             | files go, and that is said     |
| another tool's, unfinished                | refused             | files go                       |
| ended, or without a readable record       | it goes             | it goes                        |

We attend it ourselves from the first look to the last step, so nobody can take it up in between.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, NamedTuple

from outrig.core.session import Session
from outrig.errors import EngineUnreachableError, OutrigError, SessionBusyError, StoreError
from outrig.runner import network, pins, secrets, volumes
from outrig.runner.eviction import evict
from outrig.store import belonging, lock, removal
from outrig.store.file import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from outrig.core.engine import Seen
    from outrig.engine import Engine
    from outrig.store.removal import Kept
    from outrig.store.sessions import SessionStore


class Doomed(NamedTuple):
    """What shall go. `session` is None when its record cannot be read; `store` if none lists it."""

    id: str
    session: Session | None
    directory: Path
    store: SessionStore | None


class Discarder(NamedTuple):
    """How it is done. `connect` opens the engine at an endpoint; `notice` is told what is odd."""

    connect: Callable[[str | None], Engine]
    notice: Callable[[str], None]
    force: bool = False

    def check(self, doomed: Doomed) -> None:
        """Raise what discard() would raise before it removes anything."""
        root = doomed.store.root if doomed.store else None
        if root and not os.access(root, os.W_OK):
            raise StoreError(
                f"the session root {root} may not be written by you, so {doomed.id} stays listed",
                hint=f"chmod u+w {root}, if it is yours",
            )
        with _attended(doomed) as current:
            self._containers(current)

    def discard(self, doomed: Doomed) -> Kept | None:
        """Remove it; returns what was not outrig's and was kept.

        Raises SessionBusyError, EngineUnreachableError or StoreError.
        """
        with _attended(doomed) as current:
            for engine, seen in self._containers(current):
                engine.remove(seen.ref)
            self._volumes(current)
            self._networks(current)
            self._pins(current)
            if current.session is not None:
                secrets.release(current.session)
            kept = self._remove(current)
            if current.store:
                current.store.note("discarded", current.session or Session({"id": doomed.id}))
            return kept

    def _volumes(self, doomed: Doomed) -> None:
        session = doomed.session
        if session is None or not session.ours or not any(volumes.noted(session)):
            return
        try:
            with contextlib.closing(self.connect(session.text("engine") or None)) as engine:
                volumes.remove_all(engine, session)
        except EngineUnreachableError as error:
            if not self.force:
                raise
            self.notice(f"{doomed.id}: its volume may still be there: {error.message}")

    def _networks(self, doomed: Doomed) -> None:
        session = doomed.session
        if session is None or not session.ours or not any(network.noted(session)):
            return
        try:
            with contextlib.closing(self.connect(session.text("engine") or None)) as engine:
                network.remove_all(engine, session)
        except EngineUnreachableError as error:
            if not self.force:
                raise
            self.notice(f"{doomed.id}: its network may still be there: {error.message}")

    def _pins(self, doomed: Doomed) -> None:
        session = doomed.session
        if session is None or not session.ours:
            return
        for left in (pins.release(session), pins.forget_resolution(session, doomed.directory)):
            if left:
                self.notice(f"{doomed.id}: {left}")

    def _remove(self, doomed: Doomed) -> Kept | None:
        try:
            return _remove_files(doomed)
        except StoreError as refused:
            if not isinstance(refused.__cause__, PermissionError) or not self._evicted(doomed):
                raise
        return _remove_files(doomed)

    def _evicted(self, doomed: Doomed) -> bool:
        """Whether what belongs to the session's own user was removed as that user."""
        session = doomed.session
        if session is None or not session.ours:
            return False
        try:
            with contextlib.closing(self.connect(session.text("engine") or None)) as engine:
                evict(engine, session, doomed.directory)
        except OutrigError as error:
            self.notice(f"{doomed.id}: no helper could remove them: {error.message}")
            return False
        return True

    def _containers(self, doomed: Doomed) -> Sequence[tuple[Engine, Seen]]:
        """The session's containers, once it is certain that they may go."""
        session = doomed.session
        if session is not None and not session.ours:
            self._refuse_foreign(session)
            return ()
        if session is not None and belonging.another_machine(session):
            self._refuse_distant(session)
            return ()
        root_id = _root_id(doomed)
        if root_id is None or not _may_have_containers(doomed):
            return ()
        try:
            engine = self.connect(session.text("engine") or None if session else None)
            found = [seen for seen in engine.seen(root_id) if seen.session == doomed.id]
        except EngineUnreachableError as error:
            if not self.force:
                raise EngineUnreachableError(
                    f"cannot tell whether {doomed.id} still runs: {error.message}",
                    hint=f"to remove its files all the same: outrig discard --force {doomed.id}",
                ) from error
            self.notice(f"{doomed.id}: no engine answers; its container may still be there")
            return ()
        if any(seen.alive for seen in found) and not self.force:
            raise SessionBusyError(
                f"session {doomed.id} still runs, though nobody looks after it",
                hint=f"outrig discard --force {doomed.id}",
            )
        return [(engine, seen) for seen in found]

    def _refuse_foreign(self, session: Session) -> None:
        if not session.ended and not self.force:
            raise SessionBusyError(
                f"session {session.id} belongs to another tool and has no end",
                hint=f"outrig discard --force {session.id}",
            )

    def _refuse_distant(self, session: Session) -> None:
        if not session.ended and not self.force:
            raise SessionBusyError(
                f"session {session.id} belongs to another machine, and may run there",
                hint=f"to remove its files all the same: outrig discard --force {session.id}",
            )


@contextlib.contextmanager
def _attended(doomed: Doomed) -> Iterator[Doomed]:
    """Look after it ourselves, and at its record again: nobody else writes it from here on.

    Raises SessionBusyError while somebody else attends it.
    """
    if doomed.store is None:
        yield doomed
        return
    doomed.store.make_root()  # a root of another tool's has no place for locks
    try:
        attendance = lock.attend(doomed.store.root, doomed.id)
    except SessionBusyError as error:
        raise SessionBusyError(
            f"session {doomed.id} is running", hint="end it first, then discard it"
        ) from error
    except PermissionError as error:
        raise StoreError(
            f"session {doomed.id} belongs to another user",
            hint=f"sudo outrig discard --session-root {doomed.store.root} {doomed.id}",
        ) from error
    try:
        yield _again(doomed)
    finally:
        if not doomed.store.exists(doomed.id):
            lock.forget(doomed.store.root, doomed.id)
        attendance.close()


def _again(doomed: Doomed) -> Doomed:
    store = doomed.store
    if store is None or not store.exists(doomed.id) or store.dangles(doomed.id):
        return doomed
    return doomed_by_id(store, doomed.id)


def _may_have_containers(doomed: Doomed) -> bool:
    """Whatever is made is noted in the record before; without a record, `.open` must do."""
    if doomed.session is not None:
        return any(item.get("kind") not in pins.KINDS for item in doomed.session.resources)
    return doomed.store is not None and doomed.store.is_open(doomed.id)


def _root_id(doomed: Doomed) -> str | None:
    if doomed.session is not None:
        return doomed.session.text("root_id") or None
    return doomed.store.known_root_id() if doomed.store else None


def _remove_files(doomed: Doomed) -> Kept | None:
    """By directory, a moved one leaves a dangling link in its root, which goes too."""
    store = doomed.store
    if store is None or not store.exists(doomed.id):
        return removal.remove_directory(doomed.directory, doomed.id)
    if store.dangles(doomed.id):
        kept = removal.remove_directory(doomed.directory, doomed.id)
        return removal.remove(store, doomed.id) or kept
    return removal.remove(store, doomed.id)


def doomed_by_id(store: SessionStore, session: str) -> Doomed:
    """An entry of the root, whatever state it is in."""
    try:
        record = store.read(session)
    except UnreadableError:
        record = None
    return Doomed(session, record, store.target(session) or store.directory(session), store)
