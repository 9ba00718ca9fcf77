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
import re
import ssl
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import h11

from outrig.core.redact import Redaction
from outrig.gateway.passing import Client, Passing, RefusedError, Upstream

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Mapping, Sequence

    from outrig.gateway.journal import Journal
    from outrig.gateway.usage import Budget

NAME = "outrig-broker"
HEAD_SECONDS = 30.0
CONNECT_SECONDS = 20.0
_CLEAN = re.compile(r"/[!-~]*", re.ASCII)
# What servers may take for another path than the one that was looked at.
_UNCLEAN = re.compile(
    r"(^|/)(\.|%2e){1,2}(;[^/]*)?(/|$)|//|\\|%2f|%5c|%00|%25|#", re.IGNORECASE | re.ASCII
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
        client = Client(reader, writer)
        try:
            await self._serve(client)
        except h11.LocalProtocolError as error:  # it ended before it was answered
            raise ConnectionResetError from error
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _serve(self, client: Client) -> None:
        try:
            request = await asyncio.wait_for(client.head(), HEAD_SECONDS)
            route, path = self._asked(request)
        except RefusedError as error:
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
        await self._pass_on(client, request, route, path)

    def _asked(self, request: h11.Request) -> tuple[Route, str]:
        """The route, and the path behind it. Raises RefusedError."""
        target = request.target.decode("ascii", "replace")
        if not _CLEAN.fullmatch(target):
            raise RefusedError(400, "ask for a path: /NAME/...")
        name, slash, rest = target[1:].partition("/")
        route = self._routes.get(name)
        if route is None:
            raise RefusedError(404, "no secret has this route")
        path, question, query = f"{slash}{rest}".partition("?")
        if any(header == b"upgrade" for header, _ in request.headers):
            raise RefusedError(426, f"{name}: no websockets here; ask by HTTP")
        if request.method.decode("ascii", "replace") not in route.methods:
            raise RefusedError(405, f"{name}: this method is not allowed")
        if _UNCLEAN.search(path) or not path.startswith(tuple(route.paths)):
            raise RefusedError(403, f"{name}: this path is not allowed")
        left = [one for one in query.split("&") if not one.startswith(("key=", "api_key="))]
        return route, f"{path}{question if any(left) else ''}{'&'.join(left)}"

    async def _pass_on(self, client: Client, request: h11.Request, route: Route, path: str) -> None:
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
        passing = Passing(client, upstream, route)
        try:
            asked = path.partition("?")[0].rstrip("/")
            rewrite = self._budget.counts_tokens and asked.endswith("/completions")
            hear_out = self._budget.counts_tokens
            await passing.carry(request, path, rewrite=rewrite, hear_out=hear_out)
        finally:
            upstream.writer.close()
            tokens = passing.tokens
            if tokens:  # also of one that was begun in the background and is fetched now
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

    async def _dial(self, route: Route) -> Upstream:
        tls = self._context() if route.tls else None
        reader, writer = await asyncio.open_connection(route.host, route.port, ssl=tls)
        return Upstream(reader, writer)

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
