"""Player: events of a recording onto our stdout, each at its time, and the terminal put right.

Everything passes core/playback.py on its way, whatever it comes from. On a terminal, keys are
neither echoed nor left over (a terminal's answers included): space pauses, q ends.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import time
from typing import TYPE_CHECKING, Any, Self

from outrig.core.cast import OUTPUT, size
from outrig.core.playback import Playback

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

    from outrig.core.cast import Event
    from outrig.record.window import Window

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_COLOUR_LAST = re.compile(r"(?:\x1b\[[0-9;:]*m)+\Z")
_LOOK = 0.5  # seconds between two looks whether it is over
_KEYS = 1024  # bytes read from the keyboard at once


class EndedError(Exception):
    """Somebody ended the replay; `code` is the exit code for that."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Player:
    """A context manager: within it the keyboard and the ending signals are ours.

    `window` stands between a recording that paints and a terminal that may be too small for it.
    """

    def __init__(self, window: Window | None = None) -> None:
        self._playback = Playback()
        self._window = window
        self._keyboard = os.isatty(1) and _is_ours(0)
        self._undo = contextlib.ExitStack()
        self._late = 0.0  # seconds that pauses have added
        self._last = "\n"
        self._code: int | None = None  # a signal has said that it is over

    def __enter__(self) -> Self:
        for number in ENDING:
            if signal.getsignal(number) != signal.SIG_IGN:
                self._undo.callback(signal.signal, number, signal.signal(number, self._end))
        if self._keyboard:
            self._hush()
        self._undo.callback(self._put_back)
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def play(self, events: Iterable[Event]) -> None:
        """Show each event at its time. Raises EndedError; BrokenPipeError when nobody looks."""
        start = time.monotonic()
        for event in events:
            self._wait(start, event.at / 1_000_000)
            if event.code == OUTPUT:
                text = self._playback.feed(event.data.encode("utf-8", "replace"))
                self._show(self._window.feed(text) if self._window else text)
            elif self._window and (resized := size(event)):
                self._show(self._window.resize(*resized))

    def _show(self, text: str) -> None:
        _write(text)
        self._last = _COLOUR_LAST.sub("", text)[-1:] or self._last

    def _put_back(self) -> None:
        """Out of the alternate screen, colour off ..., and onto a line of our own."""
        text = self._playback.close()
        if self._window and self._window.through:  # the terminal has seen nothing of it
            text, self._last = self._window.close(), "\n"
        with contextlib.suppress(OSError):
            _write(text if self._last == "\n" else f"{text}\n")

    # ------------------------------------------------------------------ the keyboard
    def _hush(self) -> None:
        import termios

        before = termios.tcgetattr(0)
        modes: list[Any] = termios.tcgetattr(0)
        modes[3] &= ~(termios.ICANON | termios.ECHO)
        modes[6][termios.VSUSP] = b"\0"  # a replay that is stopped would leave its screen behind
        self._undo.callback(termios.tcsetattr, 0, termios.TCSAFLUSH, before)
        termios.tcsetattr(0, termios.TCSADRAIN, modes)

    def _wait(self, start: float, moment: float) -> None:
        while (left := start + self._late + moment - time.monotonic()) > 0:
            if self._code is not None:
                raise EndedError(self._code)
            if not self._keyboard:
                time.sleep(min(left, _LOOK))
            elif select.select([0], [], [], min(left, _LOOK))[0]:
                self._react(os.read(0, _KEYS))

    def _end(self, number: int, _frame: FrameType | None) -> None:
        """At once; and kept, for Python drops what is raised while it happens to free something."""
        self._code = 128 + number
        raise EndedError(self._code)

    def _react(self, keys: bytes) -> None:
        if not keys or b"q" in keys:
            raise EndedError(0)
        if b" " in keys:
            began = time.monotonic()
            while (keys := os.read(0, _KEYS)) and not set(keys) & set(b" q"):
                pass
            self._late += time.monotonic() - began
            if b" " not in keys:
                raise EndedError(0)


def _is_ours(descriptor: int) -> bool:
    """A terminal, and we are in its foreground: touching it from a background job stops us."""
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return False


def _write(text: str) -> None:
    data = memoryview(text.encode("utf-8", "replace"))
    while data:
        try:
            data = data[os.write(1, data) :]
        except OSError as error:  # EIO: the terminal hung up, and HUP is ignored
            raise BrokenPipeError from error
