"""The sockets on which a gate listens: whom they are for, and where they are bound.

| socket      | what comes to it                                      |
|-------------|-------------------------------------------------------|
| dns         | questions, by UDP and by TCP                          |
| proxy       | clients that ask a proxy: HTTP, CONNECT, SOCKS        |
| broker      | requests that get a key on their way                  |
| transparent | TCP that was meant for somebody else, of either family |
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

DNS_PORT, PROXY_PORT, TRANSPARENT_PORT, BROKER_PORT = 53, 3128, 3129, 3130
_WAITING = 1024  # connections that nobody has accepted yet
_LOOPBACKS = ("127.0.0.1", "::1")  # where the kernel redirects what is sent from here


class Listeners(NamedTuple):
    dns: socket.socket
    dns_stream: socket.socket
    proxy: socket.socket
    broker: socket.socket
    transparent: Sequence[socket.socket]

    @classmethod
    def near(cls, own: str, device: str) -> Listeners:
        """On the session's own network, which nothing else reaches, whatever is sent to it."""
        return cls._of(own, [_stream(own, TRANSPARENT_PORT, device)], device)

    @classmethod
    def behind(cls, own: str, *, six: bool) -> Listeners:
        """In the session's own namespace."""
        loopbacks = _LOOPBACKS if six else _LOOPBACKS[:1]
        return cls._of(own, [_stream(one, TRANSPARENT_PORT) for one in loopbacks])

    @classmethod
    def _of(cls, own: str, transparent: Sequence[socket.socket], device: str = "") -> Listeners:
        return cls(
            dns=_bound(socket.SOCK_DGRAM, own, DNS_PORT, device),
            dns_stream=_stream(own, DNS_PORT, device),
            proxy=_stream(own, PROXY_PORT, device),
            broker=_stream(own, BROKER_PORT, device),
            transparent=transparent,
        )

    def numbers(self) -> list[int]:
        """To be handed to another process."""
        return [one.fileno() for one in (*self[:4], *self.transparent)]

    @classmethod
    def handed(cls, numbers: Sequence[int]) -> Listeners:
        """What another process has given."""
        dns, dns_stream, proxy, broker, *transparent = (
            socket.socket(fileno=one) for one in numbers
        )
        return cls(dns, dns_stream, proxy, broker, transparent)

    def close(self) -> None:
        for one in (*self[:4], *self.transparent):
            one.close()


def _stream(address: str, port: int, device: str = "") -> socket.socket:
    made = _bound(socket.SOCK_STREAM, address, port, device)
    made.listen(_WAITING)
    return made


def _bound(kind: int, address: str, port: int, device: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    if device:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    made.bind((address, port))
    return made
