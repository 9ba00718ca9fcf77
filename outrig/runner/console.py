"""What a run needs of the door that follows it: outlets, an input, and what the user does.

The runner prints nothing and installs no signal handlers. The command line hands it a console
made of its terminal; a door without a terminal hands it `Quiet`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from outrig.core.engine import Stream


class Signalled(NamedTuple):
    """outrig itself got this signal."""

    number: int


class Resized(NamedTuple):
    """The terminal has this size now."""

    rows: int
    columns: int


class Outlet(Protocol):
    """Where a stream is shown. Polled for room before it is written to."""

    def fileno(self) -> int: ...

    def write(self, data: memoryview) -> int:
        """Show a piece that fits; returns its length. Raises OSError when nobody reads."""
        ...


class Console(Protocol):
    """`input` is the descriptor to feed the session from, or None."""

    input: int | None

    def fileno(self) -> int:
        """Polls readable when events() has something."""
        ...

    def events(self) -> Sequence[Signalled | Resized]: ...

    def outlet(self, stream: Stream) -> Outlet | None: ...
