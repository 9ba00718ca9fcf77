"""SOCKS 5 and 4(a): CONNECT, without a password."""

from __future__ import annotations

import asyncio
import struct
from socket import AF_INET, AF_INET6, inet_ntop
from typing import TYPE_CHECKING

from outrig.gateway import http
from outrig.gateway.http import HttpError, Place

if TYPE_CHECKING:
    import socket

_PIECE = 4096
_LONGEST_NAME = 255
_FOUR = 4
_CONNECT = 1
_IPV4, _NAME, _IPV6 = 1, 3, 4  # RFC 1928
_DONE_5, _DONE_4 = b"\5\0\0\1\0\0\0\0\0\0", b"\0\x5a\0\0\0\0\0\0"


async def request(connection: socket.socket, first: bytes) -> tuple[Place, bytes]:
    """Where a client wants to go, and what to reply once it is there. Raises HttpError."""
    said = _Said(connection, first)
    return await (_socks4(said) if (await said.take(1))[0] == _FOUR else _socks5(said, connection))


async def _socks5(said: _Said, connection: socket.socket) -> tuple[Place, bytes]:
    await said.take((await said.take(1))[0])
    await asyncio.get_running_loop().sock_sendall(connection, b"\5\0")
    _, command, _, kind = await said.take(4)
    _must_connect(command)
    if kind == _NAME:
        host = await said.take((await said.take(1))[0])
    elif kind == _IPV4:
        host = inet_ntop(AF_INET, await said.take(4)).encode()
    elif kind == _IPV6:
        host = b"[%s]" % inet_ntop(AF_INET6, await said.take(16)).encode()
    else:
        raise HttpError(400, "SOCKS: an address of an unknown kind")
    return _place(host, await said.take(2)), _DONE_5


async def _socks4(said: _Said) -> tuple[Place, bytes]:
    (command,) = await said.take(1)
    _must_connect(command)
    port = await said.take(2)
    address = await said.take(4)
    await said.text()  # a user's name
    by_name = address[:3] == b"\0\0\0" and address[3]  # 4a
    host = await said.text() if by_name else inet_ntop(AF_INET, address).encode()
    return _place(host, port), _DONE_4


def _must_connect(command: int) -> None:
    if command != _CONNECT:
        raise HttpError(400, "SOCKS: only CONNECT")


def _place(host: bytes, port: bytes) -> Place:
    return http.place(b"%s:%d" % (host, struct.unpack("!H", port)[0]), None)


class _Said:
    """What a client says, taken piece by piece."""

    def __init__(self, connection: socket.socket, first: bytes) -> None:
        self._connection = connection
        self._data = bytearray(first)

    async def take(self, count: int) -> bytes:
        while len(self._data) < count:
            more = await asyncio.get_running_loop().sock_recv(self._connection, _PIECE)
            if not more:
                raise HttpError(400, "the SOCKS request breaks off")
            self._data.extend(more)
        taken = bytes(self._data[:count])
        del self._data[:count]
        return taken

    async def text(self) -> bytes:
        """Up to a NUL."""
        text = b""
        while (letter := await self.take(1)) != b"\0":
            text += letter
            if len(text) > _LONGEST_NAME:
                raise HttpError(400, "SOCKS: a name that does not end")
        return text
