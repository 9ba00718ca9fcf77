"""Wait: until a session has ended, whoever sees to that.

While somebody attends it we only look at the disk now and then; when nobody does, it gets a
supervisor. One that has ended is finished by us; where none can be had, the engine is asked.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from outrig.runner import reach
from outrig.runner.keeper import Keeper
from outrig.runner.settle import settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from outrig.core.session import Session
    from outrig.runner.reach import Connect
    from outrig.store.finding import Found

SHORTEST_SECONDS = 0.02  # between two looks; doubled each time, up to
LONGEST_SECONDS = 0.2
TURN_SECONDS = 2.0  # how long the engine is asked before we see whether somebody took it up


def wait(found: Found, connect: Connect, notice: Callable[[str], None]) -> Session:
    """The final record. `notice` is told once why nobody can look after it.

    Raises StoreError, or EngineUnreachableError if only an engine knows.
    """
    pause = SHORTEST_SECONDS
    keeper = Keeper(found, notice)
    while not (session := reach.current(found)).ended:
        if found.attended or not session.ours:
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_SECONDS)
        elif not keeper.look_after() and _container_ended(session, connect):
            return settle(found, connect)
    return session


def _container_ended(session: Session, connect: Connect) -> bool:
    """Within a turn; also when there is none (any more)."""
    ref = reach.agent_ref(session)
    if ref is None:
        return True
    return reach.container_ended(connect(ref.endpoint or None), ref, TURN_SECONDS)
