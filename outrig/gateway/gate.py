"""The gate: each connection of the session is looked at, judged, dialled or refused, and told of.

| it came to               | asked for                | looked at before a byte goes out         |
|--------------------------|--------------------------|------------------------------------------|
| a stand-in, port 443     | the name it stands for   | a whole ClientHello that names it        |
| a stand-in, port 80      | the same                 | one HTTP request with that Host          |
| a stand-in, another port | the same                 | as above if it looks like TLS or HTTP    |
| another address          | that address             | nothing: by rules of addresses only      |
| proxy: CONNECT, SOCKS    | the host in the request  | as for a stand-in                        |
| proxy: http://...        | the host in the URL      | that Host is the same                    |

A protocol in which the server speaks first (ssh, smtp) is let through after a moment of silence;
what the client says first is then looked at all the same.
"""

from __future__ import annotations

import asyncio
import re
from time import monotonic
from typing import TYPE_CHECKING, Any

from outrig.gateway import hello, http, relay, socks
from outrig.gateway.dial import DialError, dial
from outrig.gateway.hello import HelloError
from outrig.gateway.http import HTTP, HTTPS, Asked, HttpError, Place

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    import h11

    from outrig.core.address import Address
    from outrig.gateway.dial import Dialled
    from outrig.gateway.journal import Journal
    from outrig.gateway.names import Names
    from outrig.gateway.policy import Policy

SILENCE = 0.25  # seconds after which a client is taken to wait for the server's first words
HELLO_SECONDS = 5.0
_PIECE = 64 * 1024
# A request as the most lenient server takes it: empty lines before it, any white space within.
_BEGINNING = rb"\s*[A-Za-z][!#$%&'*+.^_`|~0-9A-Za-z-]{0,255}[ \t\r\v\f]"
_HTTP_LINE = re.compile(_BEGINNING + rb"[^\n\0]*?HTTP/")
_PERHAPS_HTTP = re.compile(rb"\s*(?:[A-Za-z][!-~]{0,255})?|" + _BEGINNING + rb"[^\n\0]*")
_LONGEST_LINE = 8192
_CONNECTED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_SOCKS5, _SOCKS4 = 5, 4

Wanted = tuple["h11.Request", Place, bytes]  # the path is what a server is asked for


class RefusedError(Exception):
    """Why a connection ends here: the rule, in words."""


class PlainHttpError(Exception):
    """What is said in a tunnel is an HTTP request, which begins with `first`."""

    def __init__(self, first: bytes) -> None:
        super().__init__("plain HTTP")
        self.first = first


class Visit:
    """One connection of the session: where it wants to go, and what the journal is told of it."""

    def __init__(self, journal: Journal, connection: socket.socket, proto: str) -> None:
        self.connection = connection
        self.proto = proto
        self.to: Place | None = None
        self.sni: str | None = None
        self.count = relay.Count()
        self._journal = journal
        self._begun = monotonic()

    def refuse(self, why: str, status: int | None = None) -> None:
        """Told, and ended: with an answer in HTTP if there is a status for one."""
        self._journal.refused(rule=why, proto=self.proto, **self._wanted())
        self._end(http.refusal(status, why) if status else b"")

    def not_dialled(self, error: DialError, *, answer: bool) -> None:
        """Not allowed, or out of reach."""
        if error.verdict is None:
            status, rule, why = 502, "unreachable", str(error)
        else:
            status, rule, why = 403, error.verdict.rule, None
        address = str(error.address) if error.address else None
        facts = {**self._wanted(), "address": address, "why": why}
        self._journal.refused(rule=rule, proto=self.proto, **facts)
        words = why or f"{facts['host']}:{facts['port']} is not allowed ({rule})"
        self._end(http.refusal(status, words) if answer else b"")

    def over(self, out: Dialled) -> None:
        """A connection that was allowed has ended, however it did."""
        out.connection.close()
        self._journal.connection(
            rule=out.verdict.rule,
            proto="tls" if self.sni else self.proto,
            **self._wanted(),
            sni=self.sni,
            address=str(out.address),
            sent=self.count.sent,
            received=self.count.received,
            seconds=round(monotonic() - self._begun, 3),
        )

    def _wanted(self) -> dict[str, Any]:
        return {"host": str(self.to.host), "port": self.to.port} if self.to else {}

    def _end(self, words: bytes) -> None:
        """Words that fit into a socket's buffer, or a reset."""
        try:
            if words:
                self.connection.send(words)
                return
        except OSError:
            pass
        relay.reset(self.connection)


class Gate:
    """What each connection is handed to."""

    def __init__(self, policy: Policy, names: Names, journal: Journal) -> None:
        self.policy = policy
        self.names = names
        self.journal = journal

    # ------------------------------------------------------------------ two ways in
    async def stand_in(self, connection: socket.socket, address: Address, port: int) -> None:
        """A connection to a stand-in, or to anybody else, that was sent here."""
        visit = Visit(self.journal, connection, "tcp")
        if address not in self.names:
            visit.to = Place(address, port)
            await self._tunnel(visit, visit.to, b"")
            return
        name = self.names.name(address)
        if name is None:
            visit.to = Place(address, port)
            visit.refuse("no name leads to this address")
            return
        visit.to = Place(name, port)
        self.names.connected(name)
        try:
            await self._by_name(visit, visit.to)
        finally:
            self.names.disconnected(name)

    async def _by_name(self, visit: Visit, to: Place) -> None:
        first = await _some(visit.connection, SILENCE)
        if to.port == HTTP:
            await self._request(visit, to, first)
        else:
            await self._tunnel(visit, to, first)

    async def _request(self, visit: Visit, to: Place, first: bytes) -> None:
        """Plain HTTP, as a server is asked."""
        visit.proto = "http"
        asked = Asked(visit.connection, first)
        await self._pass_on(visit, asked, lambda: _origin(asked, to))

    async def proxy(self, connection: socket.socket) -> None:
        """A connection of a client that asks a proxy: HTTP, CONNECT or SOCKS."""
        first = await _some(connection, http.HEAD_SECONDS)
        if first[:1] in (bytes([_SOCKS5]), bytes([_SOCKS4])):
            await self._socks(Visit(self.journal, connection, "socks"), first)
        elif first:
            await self._http_proxy(Visit(self.journal, connection, "http"), first)

    async def _http_proxy(self, visit: Visit, first: bytes) -> None:
        asked = Asked(visit.connection, first)
        try:
            request = await asked.head()
            if request.method != b"CONNECT":
                await self._pass_on(visit, asked, lambda: _absolute(request))
                return
            visit.proto = "connect"
            visit.to = to = http.place(bytes(request.target), None)
        except HttpError as error:
            visit.refuse(str(error), error.status)
            return
        await self._tunnel(visit, to, asked.rest(), _established(visit.connection, _CONNECTED))

    async def _socks(self, visit: Visit, first: bytes) -> None:
        try:
            request = socks.request(visit.connection, first)
            to, reply = await asyncio.wait_for(request, http.HEAD_SECONDS)
        except (HttpError, TimeoutError) as error:
            visit.refuse(str(error) or "the SOCKS request does not come")
            return
        visit.to = to
        await self._tunnel(visit, to, b"", _established(visit.connection, reply))

    # ------------------------------------------------------------------ two ways out
    async def _pass_on(
        self, visit: Visit, asked: Asked, wanted: Callable[[], Awaitable[Wanted]]
    ) -> None:
        """One HTTP request and its answer."""
        try:
            request, visit.to, path = await wanted()
            out = await dial(self.policy, *visit.to)
        except HttpError as error:
            visit.refuse(str(error), error.status)
            return
        except DialError as error:
            visit.not_dialled(error, answer=True)
            return
        try:
            await http.forward(asked, request, path, out.connection, visit.count)
        except (OSError, HttpError):  # told by the bytes that went through
            relay.reset(visit.connection)
        finally:
            visit.over(out)

    async def _tunnel(
        self,
        visit: Visit,
        to: Place,
        first: bytes,
        established: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Bytes both ways, once what the client says first may go there."""
        opening = Opening(visit, to, first)
        by_name = isinstance(to.host, str)
        try:
            if established is None and by_name and (first or to.port == HTTPS):
                await opening.words()
            out = await dial(self.policy, *to)
        except PlainHttpError as said:
            await self._request(visit, to, said.first)
            return
        except RefusedError as error:
            visit.refuse(str(error))
            return
        except DialError as error:
            visit.not_dialled(error, answer=established is not None and visit.proto == "connect")
            return
        try:
            if established is not None:
                await established()
            await relay.join(visit.connection, out.connection, visit.count, opening.words)
        except PlainHttpError as said:
            await self._plain_http(visit, to, Asked(visit.connection, said.first), out)
        except RefusedError as error:
            visit.refuse(str(error))
        except OSError:  # told by the bytes that went through
            relay.reset(visit.connection)
        finally:
            visit.over(out)

    async def _plain_http(self, visit: Visit, to: Place, asked: Asked, out: Dialled) -> None:
        """A tunnel in which HTTP is spoken: as without one."""
        visit.proto = "http"
        try:
            request, _, path = await _origin(asked, to)
        except HttpError as error:
            visit.refuse(str(error), error.status)
            return
        try:
            await http.forward(asked, request, path, out.connection, visit.count)
        except (OSError, HttpError):
            relay.reset(visit.connection)


async def _origin(asked: Asked, to: Place) -> Wanted:
    """A request as a server gets it, which must name the host that the connection is for."""
    request = await asked.head()
    if not request.target.startswith(b"/") and request.target != b"*":
        raise HttpError(400, "no proxy is here; ask for a path")
    named = http.place(http.host_header(request), to.port)
    if named != to:
        raise HttpError(403, f"the request names {named.host}, the connection {to.host}")
    return request, to, bytes(request.target)


async def _absolute(request: h11.Request) -> Wanted:
    """A request as a proxy gets it, whose Host says the same as its URL."""
    to, path = http.absolute(bytes(request.target))
    if http.place(http.host_header(request), HTTP) != to:
        raise HttpError(403, "the Host is not the one in the URL")
    return request, to, path


class Opening:
    """What a client says first, and the server that it names, if it does so by TLS.

    Where TLS is due (443), or where it looks like it, it is a whole ClientHello that names the
    host that the connection was asked for. To an address only rules about addresses lead.
    """

    def __init__(self, visit: Visit, to: Place, first: bytes) -> None:
        self._visit = visit
        self._to = to
        self._data = first
        self._looked_at = False

    async def words(self) -> bytes:
        """The first words, once they may be sent on. Raises RefusedError, OSError."""
        if not self._looked_at:
            self._data = self._data or await self._more(_PIECE)
            await self._look()
            self._looked_at = True
        return self._data

    async def _look(self) -> None:
        if not isinstance(self._to.host, str) or not self._data:
            return
        try:
            await asyncio.wait_for(self._whole_line(), HELLO_SECONDS)
        except TimeoutError as error:
            raise RefusedError("the first line does not come") from error
        if _HTTP_LINE.match(self._data):
            if self._to.port == HTTPS:
                raise RefusedError("plain HTTP where TLS is due")
            raise PlainHttpError(self._data)
        if self._to.port == HTTP:  # whatever else a server there might read as a request
            raise PlainHttpError(self._data)
        if self._to.port != HTTPS and self._data[:1] != bytes([hello.HANDSHAKE]):
            return
        try:
            await asyncio.wait_for(self._whole_hello(), HELLO_SECONDS)
        except HelloError as error:
            raise RefusedError(f"TLS: {error}") from error
        except TimeoutError as error:
            raise RefusedError("TLS: the ClientHello does not come") from error
        if self._visit.sni != self._to.host:
            raise RefusedError(f"TLS: the ClientHello names {self._visit.sni}")

    async def _whole_line(self) -> None:
        """Of what begins as HTTP does, so much that it can be told."""
        while _PERHAPS_HTTP.fullmatch(self._data):
            if len(self._data) > _LONGEST_LINE:
                raise RefusedError("a first line that is too long")
            more = await self._more(_PIECE)
            if not more:
                return
            self._data += more

    async def _whole_hello(self) -> None:
        while size := hello.missing(self._data):
            more = await self._more(size)
            if not more:
                raise HelloError("the ClientHello breaks off")
            self._data += more
        self._visit.sni = hello.server_name(self._data)

    async def _more(self, size: int) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self._visit.connection, size)


async def _some(connection: socket.socket, seconds: float) -> bytes:
    """What the client says within so many seconds; nothing, too, when it has ended."""
    try:
        return await asyncio.wait_for(
            asyncio.get_running_loop().sock_recv(connection, _PIECE), seconds
        )
    except (TimeoutError, OSError):
        return b""


def _established(connection: socket.socket, words: bytes) -> Callable[[], Awaitable[None]]:
    """What tells the client of a proxy that it may speak now."""

    async def tell() -> None:
        await asyncio.get_running_loop().sock_sendall(connection, words)

    return tell
