"""What is removed again while the containers that had it may still be going."""

from __future__ import annotations

import time

from outrig.engine.failure import CONFLICT, NOT_FOUND, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from outrig.engine.wire import Wire

BUSY_SECONDS = 10.0  # its containers have just been removed
PAUSE_SECONDS = 0.05


def remove(wire: Wire, path: str, what: str, *, busy: str | None = None) -> None:
    """Gone already is no error. `busy`: words by which the engine says that it is, beside a 409."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        answer = wire.call("DELETE", path)
        if answer.fine or answer.status == NOT_FOUND:
            return
        waits = answer.status == CONFLICT or (busy is not None and busy in answer.message)
        if not waits or time.monotonic() > deadline:
            raise refusal(answer, f"remove {what}")
        time.sleep(PAUSE_SECONDS)
