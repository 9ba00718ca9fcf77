"""Attach: look at a session that somebody else follows, and type into it.

Output is read from the session's logs, from now on; the control socket only says when to look,
and carries input and sizes. So any number may attach, nobody is slowed down by them, and a
follower that dies and is replaced is not even noticed. Letting go, by keys or Ctrl-C, ends nothing.
"""

from __future__ import annotations

import select
import time
from pathlib import Path
from typing import TYPE_CHECKING

from outrig.core.control import encode, encode_size
from outrig.core.pause import is_paused
from outrig.errors import SessionNotRunningError
from outrig.record.log import FILES
from outrig.record.painted import painted
from outrig.record.reading import Logs
from outrig.runner import reach
from outrig.runner.console import Resized
from outrig.runner.control import dial, private
from outrig.runner.keeper import Keeper

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from outrig.core.session import Session
    from outrig.runner.console import Console
    from outrig.store.finding import Found

LOOK_SECONDS = 0.2  # without a word from the follower
KNOCK_SECONDS = 3.0  # for a follower that has just begun


def attach(found: Found, console: Console, notice: Callable[[str], None]) -> Session:
    """Stay until the session has ended, or until the user lets go; the record as it is then.

    `notice` is told, once each, that it is paused, and that the logs take no more: what is not
    kept cannot be shown here.

    Raises SessionNotRunningError when it has ended, or when nobody can be made to follow it.
    """
    session = reach.current(found)
    reach.ours(session)
    if session.ended:
        raise SessionNotRunningError(
            f"session {session.id} has ended", hint=f"outrig logs {session.id}"
        )
    if is_paused(session):
        notice(f"session {session.id} is paused; outrig unpause {session.id}")
    with Logs(found.directory) as logs:
        logs.skip()
        if session.fields.get("tty") is True:
            _show(console, FILES["terminal"], painted(found.directory))
        if _stay(found, console, logs, notice):
            return reach.current(found)
    return _final(found)


class _Full:
    """Whether the session's logs are full, said once."""

    def __init__(self, found: Found, notice: Callable[[str], None]) -> None:
        self._found = found
        self._notice = notice
        self._due: float | None = 0.0

    def look(self) -> None:
        if self._due is None or time.monotonic() < self._due:
            return
        self._due = time.monotonic() + LOOK_SECONDS
        if reach.current(self._found).dropped:
            self._due = None
            self._notice(f"the logs of {self._found.session.id} are full: no more can be shown")


def _stay(found: Found, console: Console, logs: Logs, notice: Callable[[str], None]) -> bool:
    """Until the end (False), or until the user lets go (True); with one follower after another."""
    full, keeper = _Full(found, notice), Keeper(found, notice)
    while True:
        follower = _line(found, keeper)
        if follower is None:
            _show_all(console, logs)
            return False
        with follower as line:
            if console.input is None and not console.keeps_input:
                line.sendall(encode("E"))
            try:
                let_go = _look_on(found, console, line, logs, full=full, keeper=keeper)
            except (BrokenPipeError, ConnectionResetError):  # it died while we typed
                let_go = None
        if let_go is not None:
            return let_go


def _show_all(console: Console, logs: Logs) -> None:
    for chunk in logs.merged():
        _show(console, chunk.source, chunk.data)


def _line(found: Found, keeper: Keeper) -> socket.socket | None:
    """To whoever follows it; None when it has ended meanwhile.

    One that has just taken it up listens once it has read what the engine remembers.
    """
    session = reach.current(found)
    directory = Path(session.text("control_dir"))
    deadline = time.monotonic() + KNOCK_SECONDS
    while True:
        line = dial(directory, session.id)
        if line:
            return line
        attended = keeper.look_after()
        if reach.current(found).ended:
            return None
        if attended and time.monotonic() > deadline:
            private(directory)  # else nobody can ever listen
        if not attended:
            raise SessionNotRunningError(
                f"nobody looks after session {session.id}, so nobody can be attached to it",
                hint=f"outrig logs {session.id}; outrig wait {session.id}",
            )
        time.sleep(LOOK_SECONDS / 4)


def _look_on(
    found: Found,
    console: Console,
    line: socket.socket,
    logs: Logs,
    *,
    full: _Full,
    keeper: Keeper,
) -> bool | None:
    """Until the end (False), until the user lets go (True), or until its follower died (None)."""
    while True:
        over = not found.attended  # asked before the look, so that the last words are not missed
        if over and not reach.current(found).ended and keeper.look_after():
            return None
        for chunk in logs.merged() if over else logs.timed():
            _show(console, chunk.source, chunk.data)
        full.look()
        if over:
            return False
        ready = _wait(console, line)
        if line.fileno() in ready and not line.recv(65536):
            time.sleep(LOOK_SECONDS / 4)  # it hung up: it ended the session, or it died
        for event in console.events() if console.fileno() in ready else ():
            if not isinstance(event, Resized):
                return True
            line.sendall(encode_size(event.rows, event.columns))
        _take_input(console, line, ready)


def _wait(console: Console, line: socket.socket) -> set[int]:
    poll = select.poll()
    poll.register(console.fileno(), select.POLLIN)
    poll.register(line, select.POLLIN)
    if console.input is not None:
        poll.register(console.input, select.POLLIN)
    patience = LOOK_SECONDS
    if console.due is not None:
        patience = min(patience, max(0.0, console.due - time.monotonic()))
    return {descriptor for descriptor, _ in poll.poll(patience * 1000 + 1)}


def _take_input(console: Console, line: socket.socket, ready: set[int]) -> None:
    due = console.due is not None and time.monotonic() >= console.due
    if console.input is None or not (due or console.input in ready):
        return
    data = console.take()
    if data is None:
        console.input = None
        line.sendall(encode("E"))
    elif data:
        line.sendall(encode("I", data))


def _show(console: Console, source: str, data: bytes) -> None:
    outlet = console.outlet("stderr" if source == FILES["stderr"] else "stdout")
    if outlet is None:
        return
    left = memoryview(data)
    while left:
        select.select((), (outlet.fileno(),), ())
        left = left[outlet.write(left) :]


def _final(found: Found) -> Session:
    """The follower lets go of the session only after its record says the end."""
    deadline = time.monotonic() + KNOCK_SECONDS
    while not (session := reach.current(found)).ended and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS / 4)
    return session
