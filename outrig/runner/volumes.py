"""Volumes of a session whose container has ended: removed; what the session wrote stays.

One that cannot be removed stays noted, for whoever comes next.
"""

from __future__ import annotations

import contextlib

from outrig.core.session import without_resource
from outrig.errors import OutrigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from outrig.core.session import Session
    from outrig.engine import Engine
    from outrig.store.creation import Held

KIND = "volume"


def noted(session: Session) -> Iterator[tuple[str, str]]:
    """The name and the attempt of each."""
    for item in session.resources:
        name, attempt = item.get("ref"), item.get("attempt")
        if item.get("kind") == KIND and isinstance(name, str) and isinstance(attempt, str):
            yield name, attempt


def remove_all(engine: Engine, session: Session) -> None:
    """Each volume of a session, by its labels: a record may name anybody's. Raises EngineError."""
    for one in engine.volumes(session.text("root_id")):
        if one.session == session.id:
            engine.remove_volume(one.name)


def release(engine: Engine, held: Held) -> None:
    """Remove those of a session that we look after."""
    for name, attempt in noted(held.session):
        with contextlib.suppress(OutrigError):
            engine.remove_volume(name)
            _forget(held, attempt)


def _forget(held: Held, attempt: str) -> None:
    held.update(lambda session: without_resource(session, attempt))
