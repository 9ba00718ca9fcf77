"""Reach: from a session's record to its container, for verbs that act on it from elsewhere.

Such a verb works from the disk and the engine alone: whoever looks after the session sees what
was done by its effects, and need not be asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from outrig.core.engine import Ref
from outrig.core.frozen import frozen
from outrig.errors import ContainerGoneError, SessionNotRunningError, StoreError
from outrig.store import belonging
from outrig.store.file import UnreadableError
from outrig.store.sessions import read_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from outrig.core.session import Session
    from outrig.engine import Engine
    from outrig.store.finding import Found

    Connect = Callable[[str | None], Engine]  # the engine at an endpoint; the door closes it


@frozen(kw_only=False)
class Reached:
    """A session that runs: its record, its engine and its container there."""

    session: Session
    engine: Engine
    ref: Ref


def current(found: Found) -> Session:
    """The record as it is now. Raises StoreError."""
    try:
        return read_record(found.directory)
    except UnreadableError as error:
        raise StoreError(f"the record of {found.session.id} cannot be read: {error}") from error


def agent_ref(session: Session) -> Ref | None:
    """The container of the agent; None before it was made and after it was removed."""
    for item in session.resources:
        ref = item.get("ref")
        if item.get("kind") == "container" and item.get("role") == "agent" and ref:
            return Ref(engine="docker", endpoint=session.text("engine"), id=str(ref))
    return None


def container_ended(engine: Engine, ref: Ref, seconds: float) -> bool:
    """Whether it has, waiting for so long at most. One that is gone has ended, too."""
    try:
        return engine.ended(ref, seconds)
    except ContainerGoneError:
        return True


def ours(session: Session) -> None:
    """Raise StoreError for a session of another tool, which is left alone."""
    if not session.ours:
        raise StoreError(f"session {session.id} belongs to another tool; outrig only looks at it")


def here(session: Session) -> None:
    """Raise StoreError also for one that runs on another machine: its engine is not ours."""
    ours(session)
    if belonging.another_machine(session):
        raise StoreError(
            f"session {session.id} belongs to another machine; here outrig only looks at it"
        )


def running(found: Found, connect: Connect) -> Reached:
    """Reach a session that runs.

    Raises SessionNotRunningError, StoreError or EngineUnreachableError.
    """
    session = current(found)
    here(session)
    if session.ended:
        raise SessionNotRunningError(
            f"session {session.id} has ended", hint=f"outrig logs {session.id}"
        )
    ref = agent_ref(session)
    if ref is None or session.status != "running":
        raise SessionNotRunningError(
            f"session {session.id} has not started yet", hint=f"outrig show {session.id}"
        )
    return Reached(session, connect(ref.endpoint or None), ref)
