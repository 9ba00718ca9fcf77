"""The terminal as it is lent to a session: raw while somebody types into it, and put back.

However the session's hold on it ends, the terminal is the user's again: by its end, by an error
of ours, by detach keys, by a signal, and while outrig is stopped (TSTP) until it goes on (CONT).
Only SIGKILL and SIGSTOP leave it as it was; `outrig attach` and letting go again, or `reset`, help.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import time

from outrig.core.modes import Modes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

PATIENCE = 1.0  # seconds for a terminal that takes nothing just now


class Loan:
    """take(), shown() with all that is painted, give_back(); again with take_again()."""

    def __init__(self, outlet: int | None) -> None:
        """`outlet` is the terminal that is painted on, if one is: a non-blocking descriptor."""
        self._outlet = outlet
        self._modes = Modes()
        self._before: list[Any] | None = None  # how the keyboard was, if it is raw now
        self._lent = False

    def take(self, *, keyboard: bool) -> None:
        if keyboard:
            import termios

            self._before = termios.tcgetattr(0)
        self.take_again()

    def take_again(self) -> None:
        """After give_back(); or once more, because somebody else may have had it."""
        if self._before is not None:
            _in_foreground(_set_raw)
        self._write(self._modes.on())
        self._lent = True

    def shown(self, data: bytes | memoryview) -> None:
        if self._outlet is not None:
            self._modes.feed(bytes(data))

    def give_back(self) -> None:
        """No mode of the session's stays on, and no answer to its questions in the keyboard."""
        if not self._lent:
            return
        self._lent = False
        self._write(self._modes.off())
        if self._before is not None and _in_front():
            _set(self._before, forget=self._modes.left_on)
        if not self._modes.at_line_start:
            self._write(b"\r\n")

    def _write(self, data: bytes) -> None:
        """A terminal that hung up needs nothing, and one that stalls gets what it takes."""
        left = memoryview(data)
        until = time.monotonic() + PATIENCE
        while left and self._outlet is not None and time.monotonic() < until:
            try:
                left = left[os.write(self._outlet, left) :]
            except BlockingIOError:
                select.select((), (self._outlet,), (), PATIENCE)
            except OSError:
                return


def _in_front() -> bool:
    """Whoever sets a terminal from the background is stopped; a shell is in front then."""
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:  # not our controlling terminal: nobody is stopped for it
        return True


def _set_raw() -> None:
    import termios
    import tty

    tty.setraw(0, termios.TCSANOW)


def _set(modes: list[Any], *, forget: bool) -> None:
    """Not after everything was written: a terminal that stalls would hold us for ever."""
    import termios

    with contextlib.suppress(termios.error):  # it hung up
        termios.tcsetattr(0, termios.TCSANOW, modes)
        if forget:
            termios.tcflush(0, termios.TCIFLUSH)


def _in_foreground(act: Callable[[], None]) -> None:
    """In the background the kernel stops us in `act`, and says EINTR when we are in front again."""
    import termios

    while True:
        try:
            return act()
        except termios.error as error:
            if error.args[0] != errno.EINTR:
                return None  # it hung up: what comes from it says so
