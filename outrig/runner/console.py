"""What a run needs of the door that follows it: outlets, an input, and what the user does.

The runner prints nothing and installs no signal handlers. The command line hands it a console
made of its terminal; a supervisor, which nobody looks at, hands it a `Silent` one.
"""

from __future__ import annotations

import os

from outrig.core.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from outrig.core.engine import Stream
else:
    Protocol = object

CHUNK = 256 * 1024  # bytes read from an input at once


@frozen(kw_only=False)
class Signalled:
    """outrig itself got this signal."""

    number: int


@frozen(kw_only=False)
class Resized:
    """The terminal has this size now."""

    rows: int
    columns: int


@frozen
class Detached:
    """The user lets go of the session, by keys or by closing the terminal."""


Event = Signalled | Resized | Detached


class Outlet(Protocol):
    """Where a stream is shown. Polled for room before it is written to."""

    def fileno(self) -> int: ...

    def write(self, data: memoryview) -> int:
        """Show a piece that fits; returns its length. Raises OSError when nobody reads."""


class Console(Protocol):
    """`input` is the descriptor to feed the session from; None: there is nothing (more) to feed.

    `keeps_input` says that stdin stays open all the same, for whoever attaches later. `due` is
    when take() wants to be called even though nothing was typed (time.monotonic).
    """

    input: int | None
    keeps_input: bool

    @property
    def due(self) -> float | None: ...

    def fileno(self) -> int:
        """Polls readable when events() has something."""

    def events(self) -> Sequence[Event]: ...

    def take(self) -> bytes | None:
        """What was typed or piped; b"" when there is nothing yet, None at its end."""

    def outlet(self, stream: Stream) -> Outlet | None: ...


class Silent:
    """Nobody looks. A pipe that was being fed to the session goes on being fed."""

    def __init__(self, piped: int | None, *, keeps_input: bool) -> None:
        self.input = piped
        self.keeps_input = keeps_input
        self._never, self._held = os.pipe2(os.O_CLOEXEC)

    @property
    def due(self) -> float | None:
        return None

    def fileno(self) -> int:
        return self._never

    def events(self) -> Sequence[Event]:
        return ()

    def take(self) -> bytes | None:
        assert self.input is not None
        try:
            return os.read(self.input, CHUNK) or None
        except BlockingIOError:
            return b""
        except OSError:  # what it came from is gone
            return None

    def outlet(self, stream: Stream) -> Outlet | None:  # noqa: ARG002 - the protocol's
        return None
