"""Two sockets joined: what one says the other hears, until both have said everything.

Each direction has one buffer of its own and waits for its reader, so a slow side slows down the
other and nothing piles up. Where much comes at once the kernel moves it (gateway/pipe.py): copies
through here had a third of a plain bridge's throughput.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

from outrig.gateway.pipe import Pipes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

BUFFER = 64 * 1024
_pipes = Pipes()


class Count:
    """Bytes that went through: `sent` by the session, `received` by it."""

    def __init__(self) -> None:
        self.sent = 0
        self.received = 0


async def join(
    inner: socket.socket,
    outer: socket.socket,
    count: Count,
    opening: Callable[[], Awaitable[bytes]],
) -> None:
    """Carry bytes both ways until both sides have ended, or one of them breaks.

    `opening` gives the session's first words, which nobody has sent on yet; what it raises ends
    both ways, and not a byte of the session has left.
    """

    def sent(number: int) -> None:
        count.sent += number

    def received(number: int) -> None:
        count.received += number

    async def out() -> None:
        first = await opening()
        await asyncio.get_running_loop().sock_sendall(outer, first)
        sent(len(first))
        await carry(inner, outer, sent)

    ways = [asyncio.ensure_future(out()), asyncio.ensure_future(carry(outer, inner, received))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
        for way in ways:
            if way.done():
                way.result()
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def carry(source: socket.socket, sink: socket.socket, count: Callable[[int], None]) -> None:
    """One direction; the end of it is passed on as an end."""
    loop = asyncio.get_running_loop()
    view = memoryview(bytearray(BUFFER))
    while size := await loop.sock_recv_into(source, view):
        await loop.sock_sendall(sink, view[:size])
        count(size)
        if size == BUFFER and await _pipes.move(source, sink, count):
            break
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def reset(connection: socket.socket) -> None:
    """End it so that the other side cannot take it for a regular end."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()
