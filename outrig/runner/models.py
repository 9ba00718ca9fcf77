"""What a session has used of models, as its broker counts; whether that is more than it may."""

from __future__ import annotations

import time

from outrig.core.ending import Intent
from outrig.store import file, places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from outrig.core.session import Session
    from outrig.runner.launched import Launched

LOOK_SECONDS = 0.5
COUNTED = ("requests", "tokens", "refused")


def used(directory: Path) -> Mapping[str, int]:
    """Requests, tokens, and requests that were refused; empty where there was no broker."""
    try:
        found = file.read_object(f"{directory}/{places.GATEWAY}/{places.USAGE}")
    except (OSError, file.UnreadableError):
        return {}
    counts = ((name, found.get(name)) for name in COUNTED)
    return {name: count for name, count in counts if isinstance(count, int)}


def exceeded(directory: Path, session: Session) -> Intent | None:
    """That the broker has refused a request, and for which limit."""
    said, limits = used(directory), session.fields.get("limits")
    if not said.get("refused") or not isinstance(limits, dict):
        return None
    for name in ("requests", "tokens"):
        limit, count = limits.get(f"model_{name}"), said.get(name, 0)
        if isinstance(limit, int) and count >= limit:
            words = f"{count} {name} of models, and limits.model-{name} is {limit}"
            return Intent(kind="budget", limit=f"model_{name}", evidence=words)
    return None


class Models:
    """`due` is when it will be looked at again (time.monotonic); None: there is no limit."""

    def __init__(self, run: Launched) -> None:
        limits = run.held.session.fields.get("limits")
        self._run = run
        bounded = isinstance(limits, dict) and {"model_requests", "model_tokens"} & limits.keys()
        self.due = time.monotonic() + LOOK_SECONDS if bounded else None

    def keep(self, now: float) -> Intent | None:
        """Why the session shall end, if it shall."""
        if self.due is None or now < self.due:
            return None
        self.due = now + LOOK_SECONDS
        return exceeded(self._run.held.directory, self._run.held.session)
