"""Wire: HTTP/1.1 to an engine on a connected stream, with nothing but `socket` and `json`.

The hot path of a run: the docker SDK costs 100 ms of imports and `http.client` 28. One `Line` is
one connection; the `Wire` keeps an idle one for the next call. Every wait has an end, except
where a caller asks for none. The engine is trusted to be an engine, not to be well: a malformed
or broken answer is an EngineUnreachableError, never a traceback or a hang.
"""

from __future__ import annotations

import json
import select
import socket
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from outrig.core.frozen import frozen
from outrig.engine.endpoint import DOCTOR
from outrig.engine.failure import refusal
from outrig.errors import EngineUnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from outrig.engine.endpoint import Endpoint

    Query = Mapping[str, str | bytes | tuple[str, ...]]  # a tuple: the name, several times

OLDEST_API = (1, 40)  # docker 19.03: the first with everything that is used here
NEWEST_API = (1, 47)  # what was read of; a newer engine still speaks it
SECONDS = 30.0  # for one answer, unless the call says otherwise

HEAD_BYTES = 65_536
BODY_BYTES = 64 * 1024 * 1024
READ_BYTES = 262_144
SWITCHING, NO_CONTENT, NOT_MODIFIED = 101, 204, 304
BAD = 400

_UNQUOTED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/:")


def quote(text: str | bytes) -> str:
    """Percent-encode for a path or a query (urllib.parse is 10 ms of imports)."""
    data = text.encode() if isinstance(text, str) else text
    return "".join(chr(byte) if byte in _UNQUOTED else f"%{byte:02X}" for byte in data)


@frozen
class Head:
    status: int
    headers: Mapping[str, str]  # names in lower case


@frozen
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def fine(self) -> bool:
        return self.status < BAD

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise EngineUnreachableError(f"the engine's answer is not JSON: {error}") from error

    @property
    def message(self) -> str:
        """What the engine says went wrong; its plain text when it is not docker's JSON."""
        try:
            found = json.loads(self.body)["message"]
        except (ValueError, KeyError, TypeError):
            found = self.body[:1000].decode(errors="replace").strip()
        return str(found) or f"HTTP {self.status}"


class Line:
    """One connection to the engine: requests go out, answers come in, one after the other."""

    def __init__(self, endpoint: Endpoint, *, seconds: float | None = SECONDS) -> None:
        self._endpoint = endpoint
        self._asked = "connecting"
        self._buffer = bytearray()
        self.socket = endpoint.dial()
        self.patience(seconds)

    def patience(self, seconds: float | None) -> None:
        """How long one read or write may take from now on; None: for ever."""
        self._seconds = seconds
        self.socket.settimeout(seconds)

    def close(self) -> None:
        self.socket.close()

    def ready(self, seconds: float | None) -> bool:
        """Wait until something can be read (the end counts), but no longer than that."""
        if self._buffer:
            return True
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return bool(poll.poll(None if seconds is None else seconds * 1000))

    @property
    def stale(self) -> bool:
        """Whether the engine has closed it, or said something that nobody asked for."""
        self.socket.setblocking(False)  # noqa: FBT003 - the standard library's signature
        try:
            # A TLS line says "want read" in its own way, is taken for stale and dialled anew.
            self.socket.recv(1)
        except OSError as error:
            return not isinstance(error, BlockingIOError)
        return True

    # ------------------------------------------------------------------ out
    def send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | Iterable[bytes] = b"",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a request. A body that is no bytes is sent chunk by chunk, as it is made."""
        self._asked = f"{method} {path.partition('?')[0]}"
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._endpoint.host}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if isinstance(body, bytes):
            self._write(_head(lines, f"Content-Length: {len(body)}") + body)
            return
        self._write(_head(lines, "Transfer-Encoding: chunked"))
        for chunk in filter(None, body):
            self._write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        self._write(b"0\r\n\r\n")

    def _write(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise self._broken(error) from error

    # ------------------------------------------------------------------ in
    def head(self) -> Head:
        """The status and headers of the next answer."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > HEAD_BYTES:
                raise self._malformed("headers without an end")
            self._fill()
        first, *rest = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        words = first.split(" ", 2)
        if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdecimal():  # noqa: PLR2004
            raise self._malformed(first[:80])
        pairs = (line.partition(":") for line in rest)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        return Head(status=int(words[1]), headers=headers)

    def body(self, head: Head) -> Iterator[bytes]:
        """The pieces of the answer's body, as they arrive."""
        if head.status in (SWITCHING, NO_CONTENT, NOT_MODIFIED):
            return
        if head.headers.get("transfer-encoding", "").lower() == "chunked":
            yield from self._chunks()
        elif "content-length" in head.headers:
            yield from self._pieces(self._number(head.headers["content-length"], 10))
        else:
            yield from self._rest()

    def whole(self, head: Head) -> bytes:
        """The whole body, which must not be large."""
        found = bytearray()
        for piece in self.body(head):
            found += piece
            if len(found) > BODY_BYTES:
                raise self._malformed("an answer without an end")
        return bytes(found)

    def check(self, head: Head, doing: str) -> None:
        """Raise what a refusal means; `doing` completes "the engine refused to ..."."""
        if head.status >= BAD:
            said = Answer(status=head.status, headers=head.headers, body=self.whole(head))
            raise refusal(said, doing)

    def taken(self) -> bytes:
        """What has been read beyond the head: the first bytes of a hijacked stream."""
        found = bytes(self._buffer)
        self._buffer.clear()
        return found

    def _chunks(self) -> Iterator[bytes]:
        while size := self._number(self._text().partition(";")[0], 16):
            yield from self._pieces(size)
            if self._text():
                raise self._malformed("a chunk that is longer than it says")
        while self._text():  # trailers
            pass

    def _pieces(self, size: int) -> Iterator[bytes]:
        while size:
            if not self._buffer:
                self._fill()
            piece = bytes(self._buffer[:size])
            del self._buffer[: len(piece)]
            size -= len(piece)
            yield piece

    def _rest(self) -> Iterator[bytes]:
        if self._buffer:
            yield self.taken()
        while piece := self._receive():
            yield piece

    def _text(self) -> str:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > HEAD_BYTES:
                raise self._malformed("a line without an end")
            self._fill()
        found = bytes(self._buffer[:end]).decode("latin-1")
        del self._buffer[: end + 2]
        return found

    def _number(self, text: str, base: int) -> int:
        digits = text.strip()
        if not digits.isascii() or not digits.isalnum():
            raise self._malformed(f"a length that is {digits[:20]!r}")
        try:
            return int(digits, base)
        except ValueError:
            raise self._malformed(f"a length that is {digits[:20]!r}") from None

    def _fill(self) -> None:
        data = self._receive()
        if not data:
            raise EngineUnreachableError(
                f"the engine at {self._endpoint.url} hung up: {self._asked}", hint=DOCTOR
            )
        self._buffer += data

    def _receive(self) -> bytes:
        try:
            return self.socket.recv(READ_BYTES)
        except OSError as error:
            raise self._broken(error) from error

    def _broken(self, error: OSError) -> EngineUnreachableError:
        if isinstance(error, TimeoutError):
            words = f"did not answer within {self._seconds:g} s"
        else:
            words = f"broke off ({error.strerror or error})"
        return EngineUnreachableError(
            f"the engine at {self._endpoint.url} {words}: {self._asked}", hint=DOCTOR
        )

    def _malformed(self, what: str) -> EngineUnreachableError:
        return EngineUnreachableError(
            f"what answers at {self._endpoint.url} is no container engine: {self._asked}: {what}",
            hint=DOCTOR,
        )


def _head(lines: Iterable[str], framing: str) -> bytes:
    return "\r\n".join([*lines, framing, "", ""]).encode("latin-1")


class Wire:
    """Calls to one engine, in the newest version of its API that both sides know."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._idle: list[Line] = []  # append and pop are atomic: calls may come from threads
        ping = self._call("GET", "/_ping", b"", SECONDS)
        self.server = ping.headers.get("server", "")
        try:
            self.api = _negotiated(ping, endpoint)
        except BaseException:
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
    ) -> Answer:
        """One request and its whole answer, whatever its status. `body` is sent as JSON.

        `meanwhile` is work to do while the engine is busy with the request.
        """
        data = b"" if body is None else json.dumps(body).encode()
        return self._call(method, self.path(path, query), data, seconds, meanwhile)

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        doing: str,
    ) -> tuple[Line, Head]:
        """A request on a connection of its own, whose answer goes on after its head.

        The caller closes the line. A refusal is raised; `doing` completes "refused to ...".
        """
        line = self.line()
        try:
            line.send(method, self.path(path, query), headers=headers)
            head = line.head()
            line.check(head, doing)
        except BaseException:
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
    ) -> Answer:
        line = self._reused() or Line(self.endpoint)
        kept = False
        try:
            line.patience(seconds)
            headers = {"Content-Type": "application/json"} if data else {}
            line.send(method, path, body=data, headers=headers)
            if meanwhile:
                meanwhile()
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
