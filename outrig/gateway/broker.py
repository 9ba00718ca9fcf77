"""The broker: adds a key to requests on their way to the one place that it is for.

    http://outrig-broker:3130/NAME/v1/x  ->  https://UPSTREAM/v1/x, with the key's header

| what is asked                                           | answer                                |
|---------------------------------------------------------|---------------------------------------|
| no HTTP, or no path                                     | 400                                   |
| a route that is none                                    | 404                                   |
| a method that the route has not                         | 405                                   |
| a path outside of its prefixes, or one that is not clean | 403                                  |
| a websocket                                             | 426                                   |
| more than limits.model-requests or model-tokens         | 429, not to be tried again            |
| an upstream that cannot be reached                      | 502                                   |

Every request is taken apart and written anew; keys of the session's own and what belongs to one
connection are left out. Both bodies go through as they come, and the key, in any of its forms, is
taken out of the answer. The session never sees it, nor where it could send it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import ssl
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import h11

from outrig.core.redact import Redaction, Sieve
from outrig.gateway.usage import Counter

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Mapping, Sequence

    from outrig.gateway.journal import Journal
    from outrig.gateway.usage import Budget

PORT, NAME = 3130, "outrig-broker"
HEAD_SECONDS = 30.0
CONNECT_SECONDS = 20.0
_LONGEST_HEAD = 64 * 1024
_LONGEST_REWRITTEN = 64 * 1024 * 1024
_PIECE = 64 * 1024
_CLEAN = re.compile(r"/[!-~]*", re.ASCII)
# What servers may take for another path than the one that was looked at.
_UNCLEAN = re.compile(
    r"(^|/)(\.|%2e){1,2}(;[^/]*)?(/|$)|//|\\|%2f|%5c|%00|#", re.IGNORECASE | re.ASCII
)
_KEYS = (b"authorization", b"x-api-key", b"x-goog-api-key", b"api-key", b"cookie")
_HOP_BY_HOP = (
    *(b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization", b"te", b"trailer"),
    *(b"transfer-encoding", b"upgrade", b"proxy-authenticate", b"expect"),
)
_UNBUDGETED = ("/count_tokens", ":countTokens")  # questions about a request, not one
_CERTIFICATES = (  # of this machine, where Python was built for another place
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


class Route(NamedTuple):
    """One key and where it goes."""

    name: str
    host: str
    port: int
    tls: bool
    prefix: str  # before each path
    header: tuple[bytes, bytes]
    methods: Sequence[str]
    paths: Sequence[str]
    redaction: Redaction

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Route:
        """From the setting (runner/gateway.py)."""
        url = urlsplit(said["upstream"])
        name, _, form = said["header"].partition(": ")
        tls = url.scheme == "https"
        return cls(
            name=said["name"],
            host=url.hostname or "",
            port=url.port or (443 if tls else 80),
            tls=tls,
            prefix=url.path.rstrip("/"),
            header=(name.lower().encode(), form.replace("{}", said["value"]).encode()),
            methods=said["methods"],
            paths=said["paths"],
            redaction=Redaction({said["name"]: said["value"]}),
        )


class _RefusedError(Exception):
    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Broker:
    """Its routes; `ca` is the text of certificates to trust beside this machine's own."""

    def __init__(
        self, routes: Iterable[Route], budget: Budget, journal: Journal, *, ca: str | None = None
    ) -> None:
        self._routes = {route.name: route for route in routes}
        self._budget = budget
        self._journal = journal
        self._ca = ca
        self._tls: ssl.SSLContext | None = None

    async def visit(self, connection: socket.socket) -> None:
        """One connection of the session, with one request."""
        reader, writer = await asyncio.open_connection(sock=connection)
        client = _Client(reader, writer)
        try:
            await self._serve(client)
        except h11.LocalProtocolError as error:  # it ended before it was answered
            raise ConnectionResetError from error
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _serve(self, client: _Client) -> None:
        try:
            request = await asyncio.wait_for(client.head(), HEAD_SECONDS)
            route, path = self._asked(request)
        except _RefusedError as error:
            self._journal.refused(rule=str(error), proto="broker")
            await client.refuse(error.status, str(error))
            return
        except TimeoutError:
            return
        counted = request.method == b"POST" and not path.partition("?")[0].endswith(_UNBUDGETED)
        spent = self._budget.exceeded() if counted else None
        if spent:
            self._budget.refuse()
            self._journal.refused(rule=spent, proto="broker", host=route.host, port=route.port)
            await client.refuse(429, f"{spent}; this session may ask no more models")
            return
        if counted:
            self._budget.request()
        await self._pass_on(client, request, route, path, counted=counted)

    def _asked(self, request: h11.Request) -> tuple[Route, str]:
        """The route, and the path behind it. Raises _RefusedError."""
        target = request.target.decode("ascii", "replace")
        if not _CLEAN.fullmatch(target):
            raise _RefusedError(400, "ask for a path: /NAME/...")
        name, slash, rest = target[1:].partition("/")
        route = self._routes.get(name)
        if route is None:
            raise _RefusedError(404, "no secret has this route")
        path, question, query = f"{slash}{rest}".partition("?")
        if any(header == b"upgrade" for header, _ in request.headers):
            raise _RefusedError(426, f"{name}: no websockets here; ask by HTTP")
        if request.method.decode("ascii", "replace") not in route.methods:
            raise _RefusedError(405, f"{name}: this method is not allowed")
        if _UNCLEAN.search(path) or not path.startswith(tuple(route.paths)):
            raise _RefusedError(403, f"{name}: this path is not allowed")
        left = [one for one in query.split("&") if not one.startswith(("key=", "api_key="))]
        return route, f"{path}{question if any(left) else ''}{'&'.join(left)}"

    async def _pass_on(
        self, client: _Client, request: h11.Request, route: Route, path: str, *, counted: bool
    ) -> None:
        begun = monotonic()
        try:
            upstream = await asyncio.wait_for(self._dial(route), CONNECT_SECONDS)
        except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
            why = str(error) or "no answer"
            self._journal.refused(
                rule="unreachable", proto="broker", host=route.host, port=route.port, why=why
            )
            await client.refuse(502, f"{route.host} cannot be reached: {why}")
            return
        passing = _Passing(client, upstream, route)
        try:
            rewrite = self._budget.counts_tokens and path.endswith("/chat/completions")
            await passing.carry(request, path, rewrite=rewrite)
        finally:
            upstream.writer.close()
            tokens = passing.tokens
            if counted and tokens:
                self._budget.used(tokens)
            self._journal.connection(
                rule=f"secret {route.name}",
                proto="broker",
                host=route.host,
                port=route.port,
                method=request.method.decode("ascii", "replace"),
                path=route.redaction.text(path.partition("?")[0]),
                status=passing.status,
                tokens=tokens or None,
                sent=passing.sent,
                received=passing.received,
                seconds=round(monotonic() - begun, 3),
            )

    async def _dial(self, route: Route) -> _Upstream:
        tls = self._context() if route.tls else None
        reader, writer = await asyncio.open_connection(route.host, route.port, ssl=tls)
        return _Upstream(reader, writer)

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            if not self._tls.cert_store_stats()["x509_ca"]:
                _load_first(self._tls, _CERTIFICATES)
            if self._ca:
                self._tls.load_verify_locations(cadata=self._ca)
        return self._tls


def _load_first(context: ssl.SSLContext, files: Sequence[str]) -> None:
    for file in files:
        try:
            context.load_verify_locations(file)
        except OSError:
            continue
        return


class _Upstream(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class _Client:
    """The session's side of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.http = h11.Connection(h11.SERVER, max_incomplete_event_size=_LONGEST_HEAD)
        self._reader = reader
        self._writer = writer

    async def head(self) -> h11.Request:
        found = await self.event()
        if isinstance(found, h11.ConnectionClosed):
            raise ConnectionResetError
        if not isinstance(found, h11.Request):
            raise _RefusedError(400, "no request")
        names = [name for name, _ in found.headers]
        if b"content-length" in names and b"transfer-encoding" in names:
            raise _RefusedError(400, "two lengths of one body")
        return found

    async def event(self) -> h11.Event:
        """What comes next. Raises _RefusedError for what is no HTTP."""
        try:
            while (found := self.http.next_event()) is h11.NEED_DATA:
                if self.http.they_are_waiting_for_100_continue:
                    await self.send(h11.InformationalResponse(status_code=100, headers=[]))
                self.http.receive_data(await self._reader.read(_PIECE))
        except h11.RemoteProtocolError as error:
            raise _RefusedError(400, "this is no HTTP/1.1") from error
        if isinstance(found, type):
            raise ConnectionResetError
        return found

    async def send(self, event: h11.Event) -> None:
        self._writer.write(self.http.send(event) or b"")
        await self._writer.drain()

    async def refuse(self, status: int, why: str) -> None:
        """In a form that the clients of each API show to their user, and do not try again."""
        error = {"type": "outrig_broker", "code": status, "message": f"outrig: {why}"}
        body = json.dumps({"type": "error", "error": error}).encode()
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
            ("X-Should-Retry", "false"),
        ]
        await self.send(h11.Response(status_code=status, headers=headers))
        await self.send(h11.Data(data=body))
        await self.send(h11.EndOfMessage())


class _Passing:
    """One request on its way out, and its answer on its way in."""

    def __init__(self, client: _Client, upstream: _Upstream, route: Route) -> None:
        self._client = client
        self._upstream = upstream
        self._route = route
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)
        self._sieve = Sieve(route.redaction)
        self._counter = Counter("")
        self._tokens: int | None = None
        self.status = 0
        self.sent = self.received = 0

    @property
    def tokens(self) -> int:
        """Of all that came, also of an answer that broke off."""
        if self._tokens is None:
            self._tokens = self._counter.end()
        return self._tokens

    async def carry(self, request: h11.Request, path: str, *, rewrite: bool) -> None:
        """Both ways at once, until the answer has ended or a side breaks."""
        out = asyncio.ensure_future(self._out(request, path, rewrite=rewrite))
        back = asyncio.ensure_future(self._back())
        try:
            await asyncio.wait((out, back), return_when=asyncio.FIRST_COMPLETED)
            if not back.done():
                out.result()
            await back
        except (OSError, h11.RemoteProtocolError, _RefusedError) as error:
            if not self.status:
                await self._client.refuse(502, f"{self._route.host} broke off")
                return
            raise ConnectionResetError from error
        finally:
            for task in (out, back):
                task.cancel()
            await asyncio.gather(out, back, return_exceptions=True)

    # ------------------------------------------------------------------ out
    async def _out(self, request: h11.Request, path: str, *, rewrite: bool) -> None:
        headers = self._headers(request)
        target = f"{self._route.prefix}{path}".encode()
        body = await self._asking_for_usage() if rewrite else None
        if body is not None:
            headers = [pair for pair in headers if pair[0] != b"content-length"]
            headers.append((b"content-length", str(len(body)).encode()))
        await self._send(h11.Request(method=request.method, target=target, headers=headers))
        if body is not None:
            await self._send(h11.Data(data=body))
            await self._send(h11.EndOfMessage())
            return
        while not isinstance(event := await self._client.event(), h11.EndOfMessage):
            if not isinstance(event, h11.Data):
                raise ConnectionResetError
            await self._send(h11.Data(data=bytes(event.data)))
        await self._send(h11.EndOfMessage())

    async def _asking_for_usage(self) -> bytes:
        """The whole body; a stream of chat completions says what it used only when asked to."""
        body = b""
        while not isinstance(event := await self._client.event(), h11.EndOfMessage):
            if not isinstance(event, h11.Data) or len(body) > _LONGEST_REWRITTEN:
                raise _RefusedError(413, "the request is too long")
            body += event.data
        try:
            said = json.loads(body)
        except (ValueError, RecursionError):
            return body
        if not isinstance(said, dict) or said.get("stream") is not True:
            return body
        options = said.get("stream_options")
        asked = {**(options if isinstance(options, dict) else {}), "include_usage": True}
        return json.dumps({**said, "stream_options": asked}).encode()

    def _headers(self, request: h11.Request) -> list[tuple[bytes, bytes]]:
        named = {
            word.strip().lower()
            for name, value in request.headers
            if name == b"connection"
            for word in value.split(b",")
        } - {b"content-length"}
        name, value = self._route.header
        dropped = {*_HOP_BY_HOP, *_KEYS, *named, b"host", b"accept-encoding", name}
        kept = [(one, held) for one, held in request.headers if one not in dropped]
        chunked = any(one == b"transfer-encoding" for one, _ in request.headers)
        usual = {True: 443, False: 80}[self._route.tls]
        port = "" if self._route.port == usual else f":{self._route.port}"
        return [
            (b"host", f"{self._route.host}{port}".encode()),
            *kept,
            *([(b"transfer-encoding", b"chunked")] if chunked else []),
            (b"accept-encoding", b"identity"),  # what is to be read on its way
            (b"connection", b"close"),
            (name, value),
        ]

    async def _send(self, event: h11.Event) -> None:
        data = self._http.send(event) or b""
        self._upstream.writer.write(data)
        await self._upstream.writer.drain()
        self.sent += len(data)

    # ------------------------------------------------------------------ back
    async def _back(self) -> None:
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                data = await self._upstream.reader.read(_PIECE)
                self.received += len(data)
                self._http.receive_data(data)
            elif isinstance(event, h11.Response):
                await self._begin(event)
            elif isinstance(event, h11.Data):
                data = bytes(event.data)
                self._counter.feed(data)
                await self._give(self._sieve.feed(data))
            elif isinstance(event, h11.EndOfMessage):
                await self._give(self._sieve.end())
                await self._client.send(h11.EndOfMessage())
                return
            elif not isinstance(event, h11.InformationalResponse):
                raise ConnectionResetError

    async def _begin(self, answer: h11.Response) -> None:
        headers = dict(answer.headers)
        self.status = answer.status_code
        kind = headers.get(b"content-type", b"").decode("latin-1").lower()
        encoded = headers.get(b"content-encoding", b"identity") != b"identity"
        self._counter = Counter("" if encoded else kind)
        dropped = {*_HOP_BY_HOP, b"content-length", b"set-cookie", b"alt-svc"}
        clean = self._route.redaction.clean
        kept = [(name, clean(value)) for name, value in answer.headers if name not in dropped]
        kept.append((b"connection", b"close"))
        await self._client.send(h11.Response(status_code=self.status, headers=kept))

    async def _give(self, data: bytes) -> None:
        if data:
            await self._client.send(h11.Data(data=data))
