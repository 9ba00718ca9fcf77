"""Cancel: how a door tells a launch that its user has changed their mind.

Between two steps `check()` stops; within a slow step that leaves nothing behind when it is broken
off (a build, a pull), `interruptible()` lets the door break it off at once.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from typing import Any, Protocol
else:
    Protocol = object


class CancelledError(Exception):
    """outrig got signal `number` before the session had started."""

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number
        self.record: Mapping[str, Any] | None = None  # of the session that this ended


class Cancel(Protocol):
    def check(self) -> None:
        """Raise CancelledError if a signal has come."""

    def interruptible(self) -> AbstractContextManager[None]:
        """Within this, a signal raises CancelledError at once."""


class Never:
    """For doors that cannot change their mind."""

    def check(self) -> None:
        return

    def interruptible(self) -> AbstractContextManager[None]:
        from contextlib import nullcontext  # noqa: PLC0415 - one line, one use

        return nullcontext()
