"""Wire: calls to one engine, over connections that are kept for the next call.

The hot path of a run: the docker SDK costs 100 ms of imports and `http.client` 28. Every wait has
an end, except where a caller asks for none.
"""

from __future__ import annotations

import json
import socket
import struct
from contextlib import contextmanager

from outrig.engine.endpoint import DOCTOR
from outrig.engine.line import NO_CONTENT, NOT_MODIFIED, SECONDS, Answer, Line
from outrig.errors import EngineUnreachableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from outrig.engine.endpoint import Endpoint
    from outrig.engine.line import Head

    Query = Mapping[str, str | bytes | tuple[str, ...]]  # a tuple: the name, several times

OLDEST_API = (1, 40)  # docker 19.03: the first with everything that is used here
NEWEST_API = (1, 47)  # what was read of; a newer engine still speaks it
AGAIN_SECONDS = 0.01

_UNQUOTED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/:")


def quote(text: str | bytes) -> str:
    """Percent-encode for a path or a query (urllib.parse is 10 ms of imports)."""
    data = text.encode() if isinstance(text, str) else text
    return "".join(chr(byte) if byte in _UNQUOTED else f"%{byte:02X}" for byte in data)


class Wire:
    """Calls to one engine, in the newest version of its API that both sides know."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._idle: list[Line] = []  # append and pop are atomic: calls may come from threads
        ping = self._call("GET", "/_ping", b"", SECONDS)
        self.server = ping.headers.get("server", "")
        try:
            self.api = _negotiated(ping, endpoint)
        except BaseException:  # no caller has this object, nor its line
            self.close()
            raise

    def path(self, path: str, query: Query | None = None) -> str:
        pairs = "&".join(
            f"{name}={quote(value)}"
            for name, given in (query or {}).items()
            for value in (given if isinstance(given, tuple) else (given,))
        )
        return f"/v{self.api[0]}.{self.api[1]}{quote(path)}{'?' if pairs else ''}{pairs}"

    def line(self, *, seconds: float | None = SECONDS) -> Line:
        """A connection of its own, for what outlasts a call. The caller closes it."""
        return Line(self.endpoint, seconds=seconds)

    def peer(self) -> int | None:
        """The process that listens on the unix socket, if it is one that we can see."""
        if self.endpoint.path is None:
            return None
        line = self.endpoint.dial()
        try:
            size = struct.calcsize("3i")
            known = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        finally:
            line.close()
        pid: int = struct.unpack("3i", known)[0]
        return pid or None

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        seconds: float = SECONDS,
        meanwhile: Callable[[], None] | None = None,
        until: Callable[[], bool] | None = None,
    ) -> Answer:
        """One request and its whole answer, whatever its status. `body` is sent as JSON.

        `meanwhile` is work to do while the engine is busy with the request; `until` is tried then
        again and again, until it holds.
        """
        data = b"" if body is None else json.dumps(body).encode()
        return self._call(method, self.path(path, query), data, seconds, meanwhile, until=until)

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        doing: str,
    ) -> tuple[Line, Head]:
        """A request on a connection of its own, whose answer goes on after its head.

        The caller closes the line. A refusal is raised; `doing` completes "refused to ...".
        """
        line = self.line()
        try:
            said = {**(headers or {}), **({"Content-Type": "application/json"} if body else {})}
            data = json.dumps(body).encode() if body else b""
            line.send(method, self.path(path, query), body=data, headers=said)
            head = line.head()
            line.check(head, doing)
        except BaseException:  # the caller has no line to close
            line.close()
            raise
        return line, head

    @contextmanager
    def stream(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: bytes | Iterable[bytes] = b"",
        headers: Mapping[str, str] | None = None,
        seconds: float | None = SECONDS,
    ) -> Iterator[tuple[Head, Iterator[bytes]]]:
        """One request whose body or answer is large; the connection ends with the block."""
        line = self.line(seconds=seconds)
        try:
            kind = {} if isinstance(body, bytes) else {"Content-Type": "application/x-tar"}
            said = {**kind, **(headers or {})}
            line.send(method, self.path(path, query), body=body, headers=said)
            head = line.head()
            yield head, line.body(head)
        finally:
            line.close()

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _call(
        self,
        method: str,
        path: str,
        data: bytes,
        seconds: float,
        meanwhile: Callable[[], None] | None = None,
        *,
        until: Callable[[], bool] | None = None,
    ) -> Answer:
        line = self._reused() or Line(self.endpoint)
        kept = False
        try:
            line.patience(seconds)
            headers = {"Content-Type": "application/json"} if data else {}
            line.send(method, path, body=data, headers=headers)
            if meanwhile:
                meanwhile()
            for _ in range(int(seconds / AGAIN_SECONDS) if until else 0):
                if line.ready(AGAIN_SECONDS) or (until and until()):
                    break
            head = line.head()
            answer = Answer(status=head.status, headers=head.headers, body=line.whole(head))
            kept = head.headers.get("connection", "").lower() != "close" and _framed(head)
        finally:
            if kept:
                self._idle.append(line)
            else:
                line.close()
        return answer

    def _reused(self) -> Line | None:
        while self._idle:
            line = self._idle.pop()
            if not line.stale:
                return line
            line.close()
        return None


def _framed(head: Head) -> bool:
    """Whether the answer said where it ends, so that another may follow."""
    told = "content-length" in head.headers or "transfer-encoding" in head.headers
    return told or head.status in (NO_CONTENT, NOT_MODIFIED)


def _negotiated(ping: Answer, endpoint: Endpoint) -> tuple[int, int]:
    major, dot, minor = ping.headers.get("api-version", "").partition(".")
    if not ping.fine or not dot or not major.isdecimal() or not minor.isdecimal():
        raise EngineUnreachableError(
            f"what answers at {endpoint.url} ({endpoint.origin}) is no container engine: "
            f"{ping.message}",
            hint=DOCTOR,
        )
    offered = int(major), int(minor)
    if offered < OLDEST_API:
        raise EngineUnreachableError(
            f"the engine at {endpoint.url} is too old: its API is {major}.{minor}, "
            f"outrig needs {OLDEST_API[0]}.{OLDEST_API[1]} (docker 19.03)",
            hint="upgrade the container engine",
        )
    return min(offered, NEWEST_API)
