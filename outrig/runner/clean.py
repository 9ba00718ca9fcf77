"""Old sessions, strays and unused images go, and it is verified that they have gone.

Looking and removing are two steps, so that a door can show what would go and ask. Nothing that
somebody attends is touched: a session that is taken up in between is refused, and stays.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from outrig.core import clean
from outrig.errors import EngineError, EngineUnreachableError, OutrigError, StoreError
from outrig.runner.discard import Discarder, doomed_by_id
from outrig.runner.images import inventory
from outrig.store.file import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from outrig.core.clean import Wish
    from outrig.core.engine import Network, Seen, Volume
    from outrig.core.session import Session
    from outrig.engine import Engine
    from outrig.runner.images import Workshop
    from outrig.runner.reach import Connect
    from outrig.store.sessions import SessionStore


class Piece(NamedTuple):
    """One thing that would go. remove() raises OutrigError if it is still there afterwards."""

    kind: str  # "session", "container", "volume", "network", "image"
    name: str
    session: Session | None
    remove: Callable[[], None]


class _Stock(NamedTuple):
    seen: Sequence[Seen]
    volumes: Sequence[Volume]
    networks: Sequence[Network]


class Broom(NamedTuple):
    """Where and how. `notice` is told what cannot be seen, and what was kept."""

    store: SessionStore
    connect: Connect
    notice: Callable[[str], None]
    endpoints: Sequence[str | None]  # besides those that records name

    def look(
        self, wish: Wish, *, now: datetime, workshop: Callable[[], Workshop] | None = None
    ) -> list[Piece]:
        """What would go; images only with a `workshop`."""
        every = list(self.store.every(_quietly))
        old = {session.id: session for session in clean.old(every, wish, now=now)}
        found = [self._session(session) for session in old.values()]
        found += self._strays(every, old, now)
        if workshop:
            found += self._images(workshop, [one for one in every if one.id not in old])
        return found

    # ------------------------------------------------------------------ sessions
    def _session(self, session: Session) -> Piece:
        return Piece("session", session.id, session, functools.partial(self._discard, session.id))

    def _discard(self, session: str) -> None:
        discarder = Discarder(connect=self.connect, notice=self.notice)
        kept = discarder.discard(doomed_by_id(self.store, session))
        if kept:
            self.notice(f"kept what outrig did not write: {kept.path} ({', '.join(kept.names)})")
        if self.store.exists(session):
            raise StoreError(f"{self.store.directory(session)} is still there")

    # ------------------------------------------------------------------ strays
    def _strays(
        self, every: Iterable[Session], old: Iterable[str], now: datetime
    ) -> Iterator[Piece]:
        known: set[str] = set()
        for engine, stock in self._stocks(every):
            for one in clean.strays(stock.seen, self._state, now=now):
                if one.ref.id not in known and one.session not in old:  # those go with it
                    known.add(one.ref.id)
                    remove = functools.partial(self._remove, engine, one)
                    yield Piece("container", one.name or one.ref.id[:12], None, remove)
            for volume in clean.unneeded(stock.volumes, self._state):
                if volume.name not in known and volume.session not in old:
                    known.add(volume.name)
                    remove = functools.partial(engine.remove_volume, volume.name)
                    yield Piece("volume", volume.name, None, remove)
            for network in clean.unneeded(stock.networks, self._state):
                if network.id not in known and network.session not in old:
                    known.add(network.id)
                    remove = functools.partial(engine.remove_network, network.id)
                    yield Piece("network", network.name, None, remove)

    def _stocks(self, every: Iterable[Session]) -> Iterator[tuple[Engine, _Stock]]:
        """What each engine has of this root's; one that is silent is named, once."""
        root = self.store.known_root_id() or ""
        asked: set[str] = set()
        named = {session.text("engine") for session in every if session.ours}
        for endpoint in (*self.endpoints, *sorted(named - {""})):
            try:
                engine = self.connect(endpoint)
                if engine.endpoint in asked:
                    continue
                stock = _Stock(engine.seen(root), engine.volumes(root), engine.networks(root))
            except EngineUnreachableError as error:
                if error.endpoint not in asked:
                    self.notice(f"cannot look for what is left on an engine: {error.message}")
                asked.add(error.endpoint)
                continue
            asked.add(engine.endpoint)
            yield engine, stock

    def _state(self, session: str) -> str:
        """Of a session that somebody attends nothing is said: it is being made, or ended."""
        if self.store.attended(session):
            return "attended"
        try:
            return "ended" if self.store.read(session).ended else "unfinished"
        except UnreadableError:
            return "unreadable" if self.store.exists(session) else "gone"

    def _remove(self, engine: Engine, seen: Seen) -> None:
        engine.remove(seen.ref)
        if any(one.ref.id == seen.ref.id for one in engine.seen(seen.root)):
            raise EngineError("the engine still has it")

    # ------------------------------------------------------------------ images
    def _images(
        self, workshop: Callable[[], Workshop], staying: Iterable[Session]
    ) -> Iterator[Piece]:
        try:
            shop = workshop()
            stocked = inventory(shop.engine, shop.known)
        except OutrigError as error:
            self.notice(f"cannot look for unused images: {error.message}")
            return
        used = {session.text("image_tag") for session in staying}
        for tag in clean.unused(stocked, used):
            yield Piece("image", tag, None, functools.partial(_untag, shop.engine, tag))


def sweep(pieces: Iterable[Piece]) -> Iterator[tuple[Piece, str | None]]:
    """Remove each; with it, why it is still there, if it is."""
    for piece in pieces:
        try:
            piece.remove()
        except OutrigError as error:
            yield piece, error.message
        else:
            yield piece, None


def _untag(engine: Engine, tag: str) -> None:
    engine.remove_image(tag)
    if engine.image(tag):
        raise EngineError("the engine still has it")


def _quietly(_session: str, _why: str) -> None:
    """A listing names what cannot be read; it counts as present here."""
