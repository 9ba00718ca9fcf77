"""Growth: whether a session wrote more than limits.disk into its workspace and HOME.

The trees are walked in a thread, and rested from for twenty times as long as that took, so that a
large one costs a twentieth of a processor. What is too much is therefore found out with a delay,
and only what is there at that moment counts.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from outrig.core.ending import Intent
from outrig.core.quantity import size_text
from outrig.runner.snapshot import tree_of, upper_of
from outrig.workspace import size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from outrig.core.session import Session
    from outrig.runner.launched import Launched

LEAST_SECONDS = 1.0  # between two looks
_REST = 20  # times as long as a look took


def measured(directory: Path, session: Session) -> int:
    """Bytes of what the session may write."""
    own = upper_of(session) or tree_of(session)
    return size.taken(tree for tree in (own, directory / "home") if tree)


class Growth:
    """`due` is when it will be looked at again (time.monotonic); None: there is no limit."""

    def __init__(self, run: Launched) -> None:
        session = run.held.session
        limits, before = session.fields.get("limits"), session.fields.get("disk_at_start")
        limit = limits.get("disk") if isinstance(limits, dict) else None
        self._run = run
        self._limit = limit if isinstance(limit, int) and isinstance(before, int) else None
        self._before = before if isinstance(before, int) else 0
        self._grown: int | None = None
        self._thread: threading.Thread | None = None
        self._took = 0.0
        self.due = None if self._limit is None else time.monotonic() + LEAST_SECONDS

    def keep(self, now: float) -> Intent | None:
        """Why the session shall end, if it shall."""
        if self._limit is None or self.due is None or now < self.due:
            return None
        if self._thread is not None and self._thread.is_alive():
            self.due = now + LEAST_SECONDS
            return None
        self.due = now + max(LEAST_SECONDS, self._took * _REST)
        if self._grown is not None and self._grown > self._limit:
            return Intent(kind="disk", evidence=self._words(self._grown))
        self._thread = threading.Thread(target=self._look, name="growth", daemon=True)
        self._thread.start()
        return None

    def _look(self) -> None:
        begun = time.monotonic()
        found = measured(Path(self._run.held.directory), self._run.held.session)
        self._grown, self._took = found - self._before, time.monotonic() - begun

    def _words(self, grown: int) -> str:
        limit = size_text(self._limit or 0)
        return f"workspace and HOME grew by {grown} bytes, and limits.disk is {limit}"
