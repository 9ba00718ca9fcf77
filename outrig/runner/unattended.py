"""Unattended: a session whose outrig was killed gets a supervisor as soon as somebody needs one.

Whoever looks at it starts one; of several exactly one gets the attend lock, and the others end.
It takes up what the engine remembers, goes on live where that ends, keeps the limits that the
record tells, listens for those who attach, and finishes the record and removes the container.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from outrig.core.moment import parse_time
from outrig.core.session import with_fields
from outrig.engine import connect
from outrig.errors import EngineUnreachableError, OutrigError, SessionBusyError
from outrig.record.log import Recorder
from outrig.record.recovery import mend_timing, recover
from outrig.runner import hooks, reach, reconcile, secrets
from outrig.runner.console import Silent
from outrig.runner.follow import follow
from outrig.runner.launched import Launched
from outrig.store import belonging, lock, places
from outrig.store.creation import Held
from outrig.store.file import UnreadableError
from outrig.store.sessions import SessionStore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from outrig.core.session import Session
    from outrig.engine import Engine
    from outrig.record.recovery import Recovered
    from outrig.record.redact import Redacting
    from outrig.store.lock import Attendance

EXIT_FAILURE = 1
EXIT_SILENT = 2  # the engine is
PAUSE_SECONDS = 0.5  # between two looks at a session that is paused


def can_be_taken_up(store: SessionStore, session: Session) -> bool:
    """Whether it runs, as far as its record knows, and is one of ours on this machine."""
    if session.ended or session.status != "running" or reach.agent_ref(session) is None:
        return False
    return session.ours and not belonging.elsewhere(session, belonging.here(store))


def main(letter: int) -> None:
    """What the new process runs."""
    with os.fdopen(letter) as file:
        left = json.load(file)
    try:
        _look_after(left)
    except OutrigError as error:
        os.write(left["complaint"], error.message.encode())
        silent = isinstance(error, EngineUnreachableError)
        sys.exit(EXIT_SILENT if silent else EXIT_FAILURE)


def _look_after(left: Mapping[str, Any]) -> None:
    heard = hooks.of_user(os.environ) if left["hooks"] else None
    store = SessionStore(Path(left["root"]), heard=heard)
    engine = _engine(left["engine"])  # first: without one nobody is held up
    try:
        attendance = lock.attend(store.root, left["id"])
    except SessionBusyError:
        return
    with closing(attendance):
        followed = _follow(store, left["id"], attendance, engine)
    if not followed:  # it has ended
        settled = reconcile.settle(store, [left["id"]], connect=lambda _: engine)
        for error in settled.failed.values():
            raise error


def _follow(store: SessionStore, one: str, attendance: Attendance, engine: Engine) -> bool:
    while True:
        try:
            session = store.read(one)
        except UnreadableError:  # it was discarded meanwhile
            return False
        ref = reach.agent_ref(session)
        if ref is None or not can_be_taken_up(store, session):
            return False
        if not engine.is_paused(ref):
            break
        time.sleep(PAUSE_SECONDS)  # nobody can listen to one that is paused
    directory = store.target(one) or store.directory(one)
    run = _taken_up(Held(store, session, directory, attendance), engine)
    if run:
        follow(run, Silent(None, keeps_input=run.stdin))
    return run is not None


def _taken_up(held: Held, engine: Engine) -> Launched | None:
    """What its first follower held, as far as it can be had again; None when it has ended."""
    session = held.session
    ref = reach.agent_ref(session)
    assert ref
    if engine.exit(ref) is not None:
        return None
    tty = session.fields.get("tty") is True
    redacting = secrets.redacting(session)
    found = _recovered(held, engine, redacting, tty=tty)
    output = engine.rejoin(ref, tty=tty, kept=found.known, bookmark=found.bookmark)
    if output is None:
        return None
    attempts = [one.get("attempt") for one in session.resources if one.get("ref") == ref.id]
    return Launched(
        engine=engine,
        held=held,
        ref=ref,
        attempt=str(attempts[0]),
        tty=tty,
        stdin=tty,  # a pipe's end reached the session when its outrig died
        output=output,
        recorder=Recorder(
            held.directory,
            tty=tty,
            started=datetime.now(UTC),
            most=session.log_bytes,
            dropped=found.dropped,
        ),
        begun=time.monotonic(),
        wall=_wall(session),
        idle=_seconds(session, "idle"),
        grace=session.grace,
        control=Path(session.text("control_dir")),
        redacting=redacting,
        taken_up=True,
    )


def _recovered(held: Held, engine: Engine, redacting: Redacting | None, *, tty: bool) -> Recovered:
    ref = reach.agent_ref(held.session)
    assert ref
    mend_timing(held.directory, tty=tty)
    found = recover(
        held.directory,
        engine.said(ref, tty=tty),
        tty=tty,
        started=held.session.started_at or datetime.now(UTC),
        most=held.session.log_bytes,
        redacting=redacting,
        ended=False,
    )
    if found.known is None:
        missing = "; ".join(found.doubts)
        held.update(lambda session: with_fields(session, logs_incomplete=missing))
    return found


def _engine(endpoint: str) -> Engine:
    env = os.environ
    return connect(
        endpoint or None,
        env=env,
        home=places.home(env),
        cache=places.cache(env),
        slots=places.slots(env),
    )


def _wall(session: Session) -> float | None:
    """Seconds until the absolute deadline, pauses left out; below zero when it is over."""
    deadline = parse_time(session.fields.get("deadline"))
    return None if deadline is None else (deadline - datetime.now(UTC)).total_seconds()


def _seconds(session: Session, limit: str) -> float | None:
    limits = session.fields.get("limits")
    found = limits.get(limit) if isinstance(limits, dict) else None
    return float(found) if isinstance(found, int | float) else None
