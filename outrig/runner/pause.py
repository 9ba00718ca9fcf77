"""Pause: nothing in a session runs until unpause, and its clocks stand still.

`paused_at` is in the record while it is paused, `paused_seconds` is what earlier pauses took. The
record says so before the engine is asked, and no longer once it goes on: whoever is killed in
between leaves a session whose clocks stand still, which `unpause` puts right.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from outrig.core.moment import parse_time, time_text
from outrig.core.pause import is_paused, paused_seconds
from outrig.core.session import with_fields
from outrig.errors import OutrigError, StoreError
from outrig.runner import reach

if TYPE_CHECKING:
    from collections.abc import Callable

    from outrig.core.session import Session
    from outrig.runner.reach import Connect
    from outrig.store.finding import Found


def pause(found: Found, connect: Connect) -> Session:
    """Raises SessionNotRunningError, or what the engine says."""
    reached = reach.running(found, connect)
    moment = time_text(datetime.now(UTC))
    _update(found, lambda session: _paused(session, moment))
    try:
        reached.engine.pause(reached.ref)
    except OutrigError:
        _update(found, lambda session: _going_on(session, datetime.now(UTC)))
        raise
    return reach.current(found)


def unpause(found: Found, connect: Connect) -> Session:
    """Raises SessionNotRunningError, or what the engine says."""
    reached = reach.running(found, connect)
    reached.engine.unpause(reached.ref)
    return _update(found, lambda session: _going_on(session, datetime.now(UTC)))


def _paused(session: Session, moment: str) -> Session:
    if session.ended or is_paused(session):
        return session
    return with_fields(session, paused_at=moment)


def _going_on(session: Session, now: datetime) -> Session:
    since = parse_time(session.fields.get("paused_at"))
    if session.ended or since is None:
        return session
    seconds = round(paused_seconds(session, now), 3)
    return with_fields(session, paused_at=None, paused_seconds=seconds)


def _update(found: Found, change: Callable[[Session], Session]) -> Session:
    if found.store is None:
        raise StoreError(f"the session root of {found.session.id} is gone, and its locks with it")
    return found.store.update(found.session.id, change)
