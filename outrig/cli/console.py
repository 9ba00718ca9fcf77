"""The terminal as a console for a run: signals, resizes, outlets, keys.

Signals become bytes in a pipe that the run's loop polls, so they are handled between two steps
and never in the middle of one; only within `interruptible()` do they break a step off. While a
session is fed, TSTP gives the terminal back before outrig stops, and CONT takes it again; other
signals that kill (QUIT, USR1, USR2) give it back first.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import struct
import time

from outrig.cli.loan import Loan
from outrig.cli.spout import GOES_ON, Spout, at_its_own_pace
from outrig.core.detach import DetachKeys
from outrig.runner.cancel import CancelledError
from outrig.runner.console import CHUNK, Detached, Resized, Signalled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType
    from typing import Self

    from outrig.core.engine import Stream
    from outrig.core.streams import Stdin, Terminal
    from outrig.runner.console import Event

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PAUSING = (signal.SIGTSTP, signal.SIGCONT)
# Two sizes within milliseconds are one too many for ncurses (tried with 6.4: the second is lost).
NUDGE_SECONDS = 0.15
KILLING = (signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
# Beside the signals that are waiting: the detach keys were typed; paint everything.
DETACHED, REPAINT = 0, -1


def terminal() -> Terminal:
    """What the three standard streams of this process are."""
    from outrig.core.streams import Terminal

    mode = os.fstat(0).st_mode
    # Node and sshd give their children sockets where others give pipes.
    is_data = stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
    return Terminal(
        stdin="terminal" if os.isatty(0) else "data" if is_data else "other",
        all_terminals=all(map(os.isatty, (0, 1, 2))),
        size=_size(),
    )


class TerminalConsole:
    """Use as a context manager: signals are ours within it, and everybody's again after it."""

    def __init__(self, *, show_streams: bool, unread: str = GOES_ON) -> None:
        """`unread` is what becomes of it all when nobody reads any more."""
        self._show = show_streams
        painted = at_its_own_pace(1) if os.isatty(1) else None
        self._loan = Loan(painted)
        self._spouts = {
            "stdout": Spout(1, unread, self._loan),
            "stderr": Spout(2, unread),
            "terminal": Spout(1, unread, self._loan),
        }
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._breaking_off = False
        self._waiting: list[int] = []
        self.input: int | None = None
        self.keeps_input = False
        self._keys = DetachKeys(b"")

    def __enter__(self) -> Self:
        self._before = {number: signal.getsignal(number) for number in (*ENDING, signal.SIGWINCH)}
        for number in (*ENDING, signal.SIGWINCH):
            if number in ENDING and self._before[number] == signal.SIG_IGN:
                continue  # nohup, or a background job of a script: whoever ignored it means it
            signal.signal(number, self._caught)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._reader)
        os.close(self._writer)

    # ------------------------------------------------------------------ runner.console.Console
    def fileno(self) -> int:
        return self._reader

    def events(self) -> Sequence[Event]:
        with contextlib.suppress(BlockingIOError):
            os.read(self._reader, 1024)
        caught, self._waiting = self._waiting, []
        if signal.SIGTSTP in caught:
            self._pause()
        if signal.SIGTSTP in caught or signal.SIGCONT in caught:
            self._loan.take_again()
            self._waiting = [n for n in self._waiting if n != signal.SIGCONT]
            caught.append(REPAINT)
        if REPAINT in caught:
            signal.setitimer(signal.ITIMER_REAL, NUDGE_SECONDS)
        return [event for number in caught if (event := _event(number)) is not None]

    @property
    def due(self) -> float | None:
        return self._keys.due

    def take(self) -> bytes | None:
        now = time.monotonic()
        held = self._keys.release(now)
        if held:
            return held
        typed = self._typed()
        if not typed:
            return typed
        passed, detached = self._keys.feed(typed, now)
        if detached:
            self._wake(DETACHED)
        return passed

    def _typed(self) -> bytes | None:
        assert self.input is not None
        try:
            return os.read(self.input, CHUNK) or None
        except BlockingIOError:
            return b""
        except OSError:  # a terminal that hung up
            return None

    def tell_size(self) -> None:
        """Have events() say the terminal's size, so that everything is painted anew for it."""
        self._wake(REPAINT)

    def outlet(self, stream: Stream) -> Spout | None:
        return self._spouts[stream] if self._show else None

    # ------------------------------------------------------------------ runner.cancel.Cancel
    def check(self) -> None:
        for number in self._waiting:
            if number in ENDING:
                raise CancelledError(number)

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        self._breaking_off = True
        try:
            self.check()
            yield
        finally:
            self._breaking_off = False

    # ------------------------------------------------------------------ the keyboard
    @contextlib.contextmanager
    def feeding(self, stdin: Stdin, detach_keys: bytes = b"") -> Iterator[None]:
        """Feed the session from our stdin; a terminal is raw meanwhile, and restored after."""
        self.input = 0 if stdin in ("pipe", "terminal") else None
        self._keys = DetachKeys(detach_keys if stdin == "terminal" else b"")
        with self._lending(keyboard=stdin == "terminal"):
            yield

    @contextlib.contextmanager
    def _lending(self, *, keyboard: bool) -> Iterator[None]:
        """The terminal is the session's; whatever ends that, or stops us, gives it back first."""
        ours = (*PAUSING, signal.SIGALRM)
        before = {number: signal.getsignal(number) for number in (*ours, *KILLING)}
        try:
            for number in ours:
                if before[number] != signal.SIG_IGN:
                    signal.signal(number, self._caught)
            for number in KILLING:
                if before[number] == signal.SIG_DFL:
                    signal.signal(number, self._die)
            self._loan.take(keyboard=keyboard)
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            self._loan.give_back()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _pause(self) -> None:
        """Stop, as whoever sent TSTP wants it, unless nobody could have us go on."""
        self._loan.give_back()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._caught)

    def _die(self, number: int, _frame: FrameType | None) -> None:
        self._loan.give_back()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _wake(self, what: int) -> None:
        self._waiting.append(what)
        with contextlib.suppress(BlockingIOError):
            os.write(self._writer, b"!")

    def _caught(self, number: int, _frame: FrameType | None) -> None:
        self._wake(number)
        if self._breaking_off and number in ENDING:
            self._breaking_off = False
            raise CancelledError(number)


def _event(number: int) -> Event | None:
    """A terminal that closes lets go of the session, as its detach keys do.

    A program paints everything anew when its size changes, and is not told of one that does not:
    for that it is first told a size that is not ours, and ours when the timer rings.
    """
    if number in {DETACHED, signal.SIGHUP}:
        return Detached()
    if number in PAUSING:
        return None
    if number not in {signal.SIGWINCH, signal.SIGALRM, REPAINT}:
        return Signalled(number)
    size = _size()
    if size is None:
        return None
    rows, columns = size
    return Resized(rows, columns + 1 if number == REPAINT else columns)


def _size() -> tuple[int, int] | None:
    """Rows and columns of the terminal we are on."""
    import fcntl
    import termios

    for descriptor in (0, 1, 2):
        try:
            packed = fcntl.ioctl(descriptor, termios.TIOCGWINSZ, b"\0" * 8)
        except OSError:
            continue
        rows, columns = struct.unpack("HHHH", packed)[:2]
        if rows and columns:
            return rows, columns
    return None
