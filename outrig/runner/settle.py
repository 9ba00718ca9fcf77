"""Settle: a session whose container has ended gets its end, from whoever looks after it or from us.

Whoever attends a session finishes its record; only when nobody does, it is reconciled by us.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from outrig.errors import StoreError
from outrig.runner import reconcile
from outrig.runner.reach import current

if TYPE_CHECKING:
    from outrig.core.session import Session
    from outrig.runner.reach import Connect
    from outrig.store.finding import Found

PAUSE_SECONDS = 0.05


def settle(found: Found, connect: Connect) -> Session:
    """Block until the record has ended; the container must have, or be about to.

    Raises StoreError, EngineUnreachableError, or what went wrong instead.
    """
    while not (session := current(found)).ended:
        if found.store is None:
            raise StoreError(f"the session root of {session.id} is gone, and its locks with it")
        settled = reconcile.settle(found.store, [session.id], connect=connect)
        error = settled.failed.get(session.id) or settled.unknown.get(session.id)
        if error and not current(found).ended:
            raise error
        time.sleep(PAUSE_SECONDS)
    return session
