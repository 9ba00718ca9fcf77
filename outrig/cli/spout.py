"""Spout: where a stream of a session is shown, never more at once than fits without waiting."""

from __future__ import annotations

import os
import stat

from outrig.cli import report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from outrig.cli.loan import Loan

GOES_ON = "the session goes on, into its logs"
ATOMIC = 4096  # bytes; PIPE_BUF: a pipe that polls writable takes this much at once


def at_its_own_pace(descriptor: int) -> int:
    """A terminal opened once more, non-blocking: it polls writable with room for one byte.

    The mode of what we were given is shared with the shell, and stays as it is.
    """
    if not os.isatty(descriptor):
        return descriptor
    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        return os.open(os.ttyname(descriptor), flags)
    except OSError:  # a terminal of another mount namespace has no name here
        return descriptor


class Spout:
    """An outlet onto a descriptor; a terminal is on loan, and what it shows is watched."""

    def __init__(self, descriptor: int, unread: str, loan: Loan | None = None) -> None:
        self._unread = unread
        self._loan = loan
        self._descriptor = at_its_own_pace(descriptor)
        mode = os.fstat(descriptor).st_mode
        never_waits = stat.S_ISREG(mode) or stat.S_ISCHR(mode)
        self._most = None if never_waits and not os.isatty(descriptor) else ATOMIC

    def fileno(self) -> int:
        return self._descriptor

    def write(self, data: memoryview) -> int:
        try:
            written = os.write(self._descriptor, data[: self._most])
        except BlockingIOError:  # somebody made it non-blocking
            return 0
        except OSError:
            name = "stdout" if self._descriptor == 1 else "stderr"
            report.notice(f"nobody reads {name} any more; {self._unread}")
            raise
        if self._loan:
            self._loan.shown(data[:written])
        return written
