"""Settle: a session whose container has ended gets its end, from whoever looks after it or from us.

Whoever attends a session finishes its record; only when nobody does, we attend it ourselves.
"""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from outrig.core.ending import EXIT_OWN_FAILURE, Finding, interrupted_early, judge, never_started
from outrig.core.session import ended, parse_time, with_fields
from outrig.errors import ContainerGoneError, SessionBusyError, StoreError
from outrig.runner.reach import current
from outrig.store import intents, lock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from outrig.core.ending import Ending, Intent
    from outrig.core.engine import Exit, Seen
    from outrig.core.session import Session
    from outrig.engine import Engine
    from outrig.runner.reach import Connect
    from outrig.store.finding import Found
    from outrig.store.sessions import SessionStore

PAUSE_SECONDS = 0.05


def settle(found: Found, connect: Connect) -> Session:
    """Block until the record has ended; the container must have, or be about to."""
    while not (session := current(found)).ended:
        if found.store is None:
            raise StoreError(f"the session root of {session.id} is gone, and its locks with it")
        try:
            attendance = lock.attend(found.store.root, session.id)
        except SessionBusyError:
            time.sleep(PAUSE_SECONDS)
            continue
        with closing(attendance):
            if not current(found).ended:
                finish(found.store, session.id, connect)
    return session


def finish(store: SessionStore, session_id: str, connect: Connect) -> Session:
    """End a session that we attend and that nobody follows; its container goes."""
    session = store.load(session_id)
    engine = connect(session.text("engine") or None)
    seen = _seen(engine, session)
    exit_ = _exit(engine, seen)
    ending = _ending(intents.read(store.directory(session_id)), exit_)
    store.update(session_id, lambda one: ended(one, ending, at=datetime.now(UTC)))
    for one in seen:
        engine.remove(one.ref)
    return store.update(session_id, lambda one: with_fields(one, resources=[]))


def _seen(engine: Engine, session: Session) -> Sequence[Seen]:
    """By label, because a runner may have died between making a container and noting its id."""
    found = engine.seen(session.text("root_id"))
    return [seen for seen in found if seen.session == session.id]


def _exit(engine: Engine, seen: Sequence[Seen]) -> Exit | None:
    for one in seen:
        if one.role == "agent":
            try:
                return engine.wait(one.ref)
            except ContainerGoneError:
                return None
    return None


def _ending(intent: Intent | None, exit_: Exit | None) -> Ending:
    if exit_ is None:
        return judge(intent, Finding(code=None))
    if not exit_.started:
        early = never_started("start-failed", exit_code=EXIT_OWN_FAILURE)
        return interrupted_early(intent) if intent else early
    finding = Finding(
        code=exit_.code,
        oom=exit_.oom,
        engine_died=exit_.engine_died,
        at=parse_time(exit_.finished_at),
    )
    return judge(intent, finding)
