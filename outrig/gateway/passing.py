"""One request through the broker: read strictly, written anew with the key, and its answer back.

Both bodies go through as they come. What belongs to one connection, and keys of the session's own,
stay behind; what the provider says was used is counted, and the key is taken out of the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, NamedTuple

import h11

from outrig.core.redact import Sieve
from outrig.gateway import complaint
from outrig.gateway.usage import Counter

if TYPE_CHECKING:
    from outrig.gateway.broker import Route

_LONGEST_HEAD = 64 * 1024
_LONGEST_REWRITTEN = 64 * 1024 * 1024
_PIECE = 64 * 1024
_HEAR_OUT_SECONDS = 60.0
_KEYS = (b"authorization", b"x-api-key", b"x-goog-api-key", b"api-key", b"cookie")
# By which a server may take a request for another one than was looked at here.
_OTHERWISE = (
    *(b"x-http-method-override", b"x-http-method", b"x-method-override"),
    *(b"x-original-url", b"x-rewrite-url", b"x-forwarded-host", b"x-forwarded-prefix"),
    *(b"x-host", b"forwarded"),
)
_HOP_BY_HOP = (
    *(b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization", b"te", b"trailer"),
    *(b"transfer-encoding", b"upgrade", b"proxy-authenticate", b"expect"),
)


class RefusedError(Exception):
    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Upstream(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Client:
    """The session's side of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.http = h11.Connection(h11.SERVER, max_incomplete_event_size=_LONGEST_HEAD)
        self._reader = reader
        self._writer = writer
        self._asked = ""

    async def head(self) -> h11.Request:
        found = await self.event()
        if isinstance(found, h11.ConnectionClosed):
            raise ConnectionResetError
        if not isinstance(found, h11.Request):
            raise RefusedError(400, "no request")
        self._asked = found.target.decode("latin-1")
        names = [name for name, _ in found.headers]
        if b"content-length" in names and b"transfer-encoding" in names:
            raise RefusedError(400, "two lengths of one body")
        return found

    async def event(self) -> h11.Event:
        """What comes next. Raises RefusedError for what is no HTTP."""
        try:
            while (found := self.http.next_event()) is h11.NEED_DATA:
                if self.http.they_are_waiting_for_100_continue:
                    await self.send(h11.InformationalResponse(status_code=100, headers=[]))
                self.http.receive_data(await self._reader.read(_PIECE))
        except h11.RemoteProtocolError as error:
            raise RefusedError(400, "this is no HTTP/1.1") from error
        if isinstance(found, type):
            raise ConnectionResetError
        return found

    async def send(self, event: h11.Event) -> None:
        self._writer.write(self.http.send(event) or b"")
        await self._writer.drain()

    async def refuse(self, status: int, why: str) -> None:
        """In a form that the clients of each API show to their user, and do not try again."""
        body = complaint.body(status, why, self._asked)
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
            ("X-Should-Retry", "false"),
        ]
        await self.send(h11.Response(status_code=status, headers=headers))
        await self.send(h11.Data(data=body))
        await self.send(h11.EndOfMessage())


class Passing:
    """One request on its way out, and its answer on its way in."""

    def __init__(self, client: Client, upstream: Upstream, route: Route) -> None:
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

    async def carry(
        self, request: h11.Request, path: str, *, rewrite: bool, hear_out: bool
    ) -> None:
        """Both ways at once, until the answer has ended or a side breaks.

        `hear_out`: what is used is said at the end, and who hangs up before it does not hide it.
        """
        out = asyncio.ensure_future(self._out(request, path, rewrite=rewrite))
        back = asyncio.ensure_future(self._back())
        try:
            await asyncio.wait((out, back), return_when=asyncio.FIRST_COMPLETED)
            if not back.done():
                out.result()
            await back
        except (OSError, h11.RemoteProtocolError, RefusedError) as error:
            if not self.status:
                await self._client.refuse(502, f"{self._route.host} broke off")
                return
            if hear_out:
                with contextlib.suppress(OSError, TimeoutError, h11.RemoteProtocolError):
                    await asyncio.wait_for(self._hear_out(), _HEAR_OUT_SECONDS)
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
                raise RefusedError(413, "the request is too long")
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
        dropped = {*_HOP_BY_HOP, *_KEYS, *_OTHERWISE, *named, b"host", b"accept-encoding", name}
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

    async def _hear_out(self) -> None:
        """Nobody listens any more; only what it says of its use is heard."""
        while not isinstance(event := self._http.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                data = await self._upstream.reader.read(_PIECE)
                self.received += len(data)
                self._http.receive_data(data)
            elif isinstance(event, h11.Data):
                self._counter.feed(bytes(event.data))
            else:
                return

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
