"""Line: one connection to an engine, HTTP/1.1 with nothing but `socket` and `json`.

Requests go out, answers come in, one after the other. The engine is trusted to be an engine, not
to be well: a malformed or broken answer is an EngineUnreachableError, never a traceback or a hang.
"""

from __future__ import annotations

import json
import select

from outrig.core.frozen import frozen
from outrig.engine.chunked import whole
from outrig.engine.endpoint import DOCTOR
from outrig.engine.failure import refusal
from outrig.errors import EngineUnreachableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from outrig.engine.endpoint import Endpoint

SECONDS = 30.0  # for one answer, unless the call says otherwise

HEAD_BYTES = 65_536
BODY_BYTES = 64 * 1024 * 1024
READ_BYTES = 262_144
SWITCHING, NO_CONTENT, NOT_MODIFIED = 101, 204, 304
BAD = 400


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
        while True:
            data, taken = whole(self._buffer)
            if taken:
                del self._buffer[:taken]
                yield data
                continue
            size = self._number(self._text().partition(";")[0], 16)
            if not size:
                break
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
