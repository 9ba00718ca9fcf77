"""Pipes between sockets: the kernel moves what goes one way through one, and copies nothing.

What a pipe has taken from one side is counted once the other has it; what it still holds when a
side breaks has gone nowhere, and goes with it. There are few, lent only while they hold something,
for each is two open files and a megabyte at most; who gets none copies.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

MOST = 64
ROOM = 1024 * 1024
_CANNOT = (errno.EINVAL, errno.ENOSYS)  # this kind of socket, this kernel


class Pipe:
    """Raises OSError when there is none to be had."""

    def __init__(self) -> None:
        self._out, self._in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.held = 0
        with contextlib.suppress(OSError):  # a user's pages are limited; a small one does, too
            fcntl.fcntl(self._in, fcntl.F_SETPIPE_SZ, ROOM)

    def close(self) -> None:
        os.close(self._in)
        os.close(self._out)

    def fill(self, source: socket.socket) -> None:
        """Take what is there; nothing at its end. Raises OSError, or BlockingIOError if none is."""
        self.held = os.splice(source.fileno(), self._in, ROOM, flags=os.SPLICE_F_NONBLOCK)

    async def drain(self, sink: socket.socket, count: Callable[[int], None]) -> None:
        """Give all that it holds. Raises OSError."""
        while self.held:
            try:
                gone = os.splice(self._out, sink.fileno(), self.held, flags=os.SPLICE_F_NONBLOCK)
            except BlockingIOError:
                await _writable(sink)
            else:
                self.held -= gone
                count(gone)


class Pipes:
    """At most MOST at a time."""

    def __init__(self) -> None:
        self._idle: list[Pipe] = []
        self._left = MOST

    async def move(
        self, source: socket.socket, sink: socket.socket, count: Callable[[int], None]
    ) -> bool:
        """All that comes until its end. False when the rest, or some of it, is to be copied.

        Raises OSError.
        """
        while pipe := self._lent():
            try:
                pipe.fill(source)
                if not pipe.held:
                    return True
                await pipe.drain(sink, count)
                there = True
            except BlockingIOError:  # of the source: none is lent while nothing comes
                there = False
            except OSError as error:
                if error.errno not in _CANNOT or pipe.held:
                    raise
                return False
            finally:
                self._back(pipe)
            await (asyncio.sleep(0) if there else _readable(source))  # others have their turn
        return False

    def _lent(self) -> Pipe | None:
        if self._idle:
            return self._idle.pop()
        if not self._left:
            return None
        try:
            made = Pipe()
        except OSError:
            return None
        self._left -= 1
        return made

    def _back(self, pipe: Pipe) -> None:
        """One that still holds something is no other's."""
        if pipe.held:
            pipe.close()
            self._left += 1
        else:
            self._idle.append(pipe)


async def _readable(one: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    there = loop.create_future()
    loop.add_reader(one, _tell, there)
    try:
        await there
    finally:
        loop.remove_reader(one)


async def _writable(one: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    there = loop.create_future()
    loop.add_writer(one, _tell, there)
    try:
        await there
    finally:
        loop.remove_writer(one)


def _tell(there: asyncio.Future[None]) -> None:
    if not there.done():
        there.set_result(None)
