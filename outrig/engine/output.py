"""Output: the open line to one container, never blocking, without copying more than once.

Without a terminal the engine frames what it sends (8 bytes: stream, 0 0 0, length in big-endian),
so that both streams share the line; a frame is handed on as far as it has arrived.
"""

from __future__ import annotations

import socket

from outrig.errors import EngineError, EngineUnreachableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Self

    from outrig.core.engine import Stream

HEADER = 8
END_OF_FILE = b"\x04"  # what a terminal sends for ctrl-d
STDERR = 2
BUFFER_BYTES = 1024 * 1024  # a unix socket holds 200 KiB; TLS and TCP more


class Frames:
    """Undoes the engine's framing, piece by piece; a piece may end anywhere."""

    def __init__(self) -> None:
        self._header = bytearray()
        self._stream: Stream = "stdout"
        self._left = 0

    @classmethod
    def from_state(cls, state: Mapping[str, str]) -> Self:
        made = cls()
        made._header += bytes.fromhex(state["header"])
        made._stream = "stderr" if state["stream"] == "stderr" else "stdout"
        made._left = int(state["left"])
        return made

    def state(self) -> Mapping[str, str]:
        """Where in a frame it stands, as text."""
        header, left = self._header.hex(), str(self._left)
        return {"header": header, "stream": self._stream, "left": left}

    @property
    def between(self) -> bool:
        """Whether everything that began has ended."""
        return not self._left and not self._header

    def feed(self, data: memoryview) -> Iterator[tuple[Stream, memoryview]]:
        at, end = 0, len(data)
        while at < end:
            if not self._left:
                at += self._take_header(data[at : at + HEADER - len(self._header)])
                continue
            piece = data[at : at + self._left]
            self._left -= len(piece)
            at += len(piece)
            yield self._stream, piece

    def _take_header(self, data: memoryview) -> int:
        self._header += data
        if len(self._header) == HEADER:
            self._stream = "stderr" if self._header[0] == STDERR else "stdout"
            self._left = int.from_bytes(self._header[4:], "big")
            self._header.clear()
        return len(data)


class AttachedOutput:
    """What a container says and reads, over a hijacked connection of a docker engine."""

    due: float | None = None  # nothing is ever held back
    doubts: Sequence[str] = ()

    def __init__(self, line: socket.socket, *, first: bytes, tty: bool, where: str) -> None:
        self._line = line
        self._line.setblocking(False)  # noqa: FBT003 - the standard library's signature
        self._tty = tty
        self._frames = None if tty else Frames()
        self._view = memoryview(bytearray(BUFFER_BYTES))
        self._first = first
        self._where = where
        self._ended = False

    @classmethod
    def adopt(cls, descriptor: int, state: Mapping[str, str], *, tty: bool, where: str) -> Self:
        """Go on with a line that another process handed over."""
        line = socket.socket(fileno=descriptor)
        made = cls(line, first=bytes.fromhex(state["first"]), tty=tty, where=where)
        if made._frames:
            made._frames = Frames.from_state(state)
        return made

    def handover(self) -> tuple[int, Mapping[str, str]]:
        """The descriptor and the state from which adopt() goes on in another process.

        Raises EngineError for a TLS line, whose keys are this process's own.
        """
        if type(self._line) is not socket.socket:
            raise EngineError("a line over TLS cannot be handed to another process")
        framing = self._frames.state() if self._frames else {}
        return self._line.fileno(), {"first": self._first.hex(), **framing}

    def fileno(self) -> int:
        return self._line.fileno()

    def read(self) -> Sequence[tuple[Stream, bytes]] | None:
        size = 0 if self._ended else self._receive()
        if size or not self._ended:
            return self._sorted(self._view[:size])
        if self._frames and not self._frames.between:
            self._frames = None  # said once
            raise self._broken("it ended within a frame")
        return None

    def write(self, data: memoryview) -> int:
        try:
            return self._line.send(data)
        except BlockingIOError:
            return 0
        except ConnectionError as error:
            raise BrokenPipeError(str(error)) from error
        except OSError as error:
            if _would_block(error):
                return 0
            raise

    def end_input(self) -> None:
        if self._tty:  # to the engine the end of a terminal's line means detach
            self.write(memoryview(END_OF_FILE))
            return
        try:
            self._line.shutdown(socket.SHUT_WR)
        except OSError:  # the container ended first
            return

    def close(self) -> None:
        self._line.close()

    def _receive(self) -> int:
        """Fill the buffer with what has arrived; TLS may hold more than the descriptor shows."""
        size = len(self._first)
        self._view[:size] = self._first
        self._first = b""
        while size < BUFFER_BYTES:
            try:
                count = self._line.recv_into(self._view[size:])
            except OSError as error:
                if _would_block(error):
                    break
                raise self._broken(error.strerror or str(error)) from error
            if not count:
                self._ended = True
                break
            size += count
        return size

    def _sorted(self, data: memoryview) -> Sequence[tuple[Stream, bytes]]:
        """In order, neighbours of one stream joined: a chunk of log is then one write."""
        if not self._frames:
            return [("terminal", bytes(data))] if data else []
        found: list[tuple[Stream, list[memoryview]]] = []
        for stream, piece in self._frames.feed(data):
            if found and found[-1][0] == stream:
                found[-1][1].append(piece)
            else:
                found.append((stream, [piece]))
        return [(stream, b"".join(pieces)) for stream, pieces in found]

    def _broken(self, why: str) -> EngineUnreachableError:
        self._ended = True
        return EngineUnreachableError(f"lost the line to the container at {self._where}: {why}")


def _would_block(error: OSError) -> bool:
    """Also for TLS, whose exceptions are known by name: a unix socket never imports `ssl`."""
    name = type(error).__name__
    return isinstance(error, BlockingIOError) or name in ("SSLWantReadError", "SSLWantWriteError")
