"""One HTTP request taken apart, looked at and passed on, for clients without TLS.

h11 reads it, strictly, and writes it anew, so that no server behind the gate can understand it
otherwise than the gate did. One request a connection: a second one might name another host.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import h11

from outrig.core import address
from outrig.errors import NetworkError
from outrig.gateway.relay import carry

if TYPE_CHECKING:
    import socket

    from outrig.core.address import Address
    from outrig.gateway.relay import Count

LONGEST_HEAD = 64 * 1024
HEAD_SECONDS = 30.0
HTTP, HTTPS = 80, 443
_PIECE = 256 * 1024
_HIGHEST_PORT = 65_535
# Between two neighbours only (RFC 9110, 7.6.1), and what a proxy is asked for.
_HOP_BY_HOP = {
    *(b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization", b"te"),
    *(b"proxy-authenticate", b"upgrade"),
}


class HttpError(Exception):
    """Why a request is not passed on, with the status that says so."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Place(NamedTuple):
    """Where a request wants to go."""

    host: str | Address
    port: int


class Asked:
    """A connection from which one request is read. `first` is what was read of it already."""

    def __init__(self, connection: socket.socket, first: bytes) -> None:
        self.connection = connection
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_HEAD)
        self._first = first

    async def head(self) -> h11.Request:
        """The request's head. Raises HttpError."""
        if self._first:
            self._http.receive_data(self._first)
        try:
            found = await asyncio.wait_for(self.event(), HEAD_SECONDS)
        except TimeoutError:
            raise HttpError(408, "the request does not come") from None
        if not isinstance(found, h11.Request):
            raise HttpError(400, "no request")
        names = [name for name, _ in found.headers]
        if b"content-length" in names and b"transfer-encoding" in names:
            raise HttpError(400, "two lengths of one body")
        return found

    async def event(self) -> type[h11.NEED_DATA | h11.PAUSED] | h11.Event:
        """What comes next. Raises HttpError for what is no HTTP."""
        loop = asyncio.get_running_loop()
        try:
            while (found := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(await loop.sock_recv(self.connection, _PIECE))
        except h11.RemoteProtocolError as error:
            raise HttpError(error.error_status_hint, str(error)) from error
        return found

    def rest(self) -> bytes:
        """Bytes behind the head that were read with it: of a tunnel that was asked for."""
        return bytes(self._http.trailing_data[0])


def place(text: bytes, usual_port: int | None) -> Place:
    """`HOST[:PORT]`, and nothing more. Raises HttpError."""
    try:
        words = text.decode("ascii")
    except UnicodeDecodeError:
        raise HttpError(400, "a host with other than ASCII letters") from None
    name, colon, port = words.rpartition(":")
    if not colon or words.endswith("]"):
        name, port = words, "" if usual_port is None else str(usual_port)
    if not (port.isdecimal() and 0 < int(port) <= _HIGHEST_PORT):
        raise HttpError(400, "no port")
    try:
        return Place(address.host(name), int(port))
    except NetworkError as error:
        raise HttpError(400, error.message) from error


def absolute(target: bytes) -> tuple[Place, bytes]:
    """`http://HOST[:PORT]/PATH`, as a proxy is asked -> where, and the path. Raises HttpError."""
    scheme, found, rest = target.partition(b"://")
    if not found or scheme.lower() != b"http":
        raise HttpError(400, "a proxy is asked with http://HOST/PATH, or with CONNECT")
    cut = min((at for at in map(rest.find, (b"/", b"?", b"#")) if at >= 0), default=len(rest))
    path = rest[cut:]
    return place(rest[:cut], HTTP), path if path.startswith(b"/") else b"/" + path


def host_header(request: h11.Request) -> bytes:
    """The one Host that h11 has seen to. Raises HttpError for a request of HTTP/1.0 without."""
    for name, value in request.headers:
        if name == b"host":
            return bytes(value)
    raise HttpError(400, "no Host")


async def forward(
    asked: Asked, request: h11.Request, path: bytes, outer: socket.socket, count: Count
) -> None:
    """Write the request anew to `outer`, its body as it comes, and carry the answer back.

    Raises HttpError when the body is no HTTP; OSError when a side breaks.
    """
    answer = asyncio.ensure_future(_answer(outer, asked.connection, count))
    body = asyncio.ensure_future(_request(asked, request, path, outer, count))
    try:
        await asyncio.wait((answer, body), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            body.result()  # what is wrong with it; else only the answer is waited for
        await answer
    finally:
        for task in (answer, body):
            task.cancel()
        await asyncio.gather(answer, body, return_exceptions=True)


async def _request(
    asked: Asked, request: h11.Request, path: bytes, outer: socket.socket, count: Count
) -> None:
    loop = asyncio.get_running_loop()
    writer = h11.Connection(h11.CLIENT)

    async def send(event: h11.Event) -> None:
        data = writer.send(event) or b""
        await loop.sock_sendall(outer, data)
        count.sent += len(data)

    await send(h11.Request(method=request.method, target=path, headers=_passed_on(request)))
    while True:
        event = await asked.event()
        if isinstance(event, h11.Data):
            await send(h11.Data(data=bytes(event.data)))
        elif isinstance(event, h11.EndOfMessage):
            await send(h11.EndOfMessage(headers=event.headers))
            return
        else:
            raise HttpError(400, "the request breaks off")


async def _answer(outer: socket.socket, inner: socket.socket, count: Count) -> None:
    def received(number: int) -> None:
        count.received += number

    await carry(outer, inner, received)


def _passed_on(request: h11.Request) -> list[tuple[bytes, bytes]]:
    """The headers but those of this connection, and of those that it names."""
    named = {
        word.strip().lower()
        for name, value in request.headers
        if name == b"connection"
        for word in bytes(value).split(b",")
    } - {b"host", b"content-length", b"transfer-encoding"}
    dropped = _HOP_BY_HOP | named
    kept = [
        (name, value) for name, value in request.headers.raw_items() if name.lower() not in dropped
    ]
    return [*kept, (b"Connection", b"close")]


def refusal(status: int, why: str) -> bytes:
    """A whole answer in plain words."""
    body = f"outrig: {why}\n".encode()
    reason = {400: "Bad Request", 403: "Forbidden", 408: "Request Timeout", 502: "Bad Gateway"}
    head = (
        f"HTTP/1.1 {status} {reason.get(status, 'Refused')}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
