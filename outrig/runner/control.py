"""The control socket of a session: whoever follows it listens, whoever attaches to it speaks.

It lies in the runtime directory, which is the user's alone, under the session's id. A follower
that died leaves it behind; the next one takes its place.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat

from outrig.core.control import WAKE, Decoder, Message
from outrig.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import Self

WAITING = 16  # clients that knock at once
CHUNK = 64 * 1024


def private(directory: Path) -> Path:
    """Make the runtime directory, or check that it is ours alone. Raises StoreError."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.lstat()
    except OSError as error:
        raise StoreError(f"cannot make {directory}: {error.strerror}") from error
    ours = found.st_uid == os.geteuid() and not stat.S_IMODE(found.st_mode) & 0o077
    if not (stat.S_ISDIR(found.st_mode) and ours):
        raise StoreError(
            f"{directory} is not a directory of yours alone",
            hint="remove it, or set XDG_RUNTIME_DIR to a directory of your own",
        )
    return directory


@contextlib.contextmanager
def _short(directory: Path, name: str) -> Iterator[str]:
    """A path that fits into the 107 bytes of a socket address, however long the real one is."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)


class Control:
    """The listening side; a context manager. Its owner polls `descriptors()`."""

    def __init__(self, directory: Path, session: str) -> None:
        self._directory = private(directory)
        self._name = session
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.setblocking(False)  # noqa: FBT003 - the standard library's signature
        self._clients: dict[int, tuple[socket.socket, Decoder]] = {}
        with _short(self._directory, session) as path:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108 - of a follower that died: we hold the attend lock
            self._listener.bind(path)
            self._listener.listen(WAITING)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening; the clients see the end and look at the record."""
        if self._listener.fileno() < 0:
            return
        with _short(self._directory, self._name) as path, contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108
        for client, _ in self._clients.values():
            client.close()
        self._clients.clear()
        self._listener.close()

    def descriptors(self) -> Sequence[int]:
        return (self._listener.fileno(), *self._clients)

    def messages(self, ready: Sequence[int]) -> Iterator[Message]:
        """What the clients behind these descriptors say."""
        for descriptor in ready:
            if descriptor == self._listener.fileno():
                self._accept()
            elif descriptor in self._clients:
                yield from self._heard(descriptor)

    def wake(self) -> None:
        """Something was written to the logs. A client that is full knows that already."""
        for client, _ in self._clients.values():
            with contextlib.suppress(OSError):
                client.send(WAKE)

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            client, _ = self._listener.accept()
            client.setblocking(False)  # noqa: FBT003 - the standard library's signature
            self._clients[client.fileno()] = (client, Decoder())

    def _heard(self, descriptor: int) -> Sequence[Message]:
        client, decoder = self._clients[descriptor]
        try:
            data = client.recv(CHUNK)
            if data:
                return decoder.feed(data)
        except BlockingIOError:
            return ()
        except (OSError, ValueError):
            pass  # gone, or not a client of ours: in both cases it is let go below
        del self._clients[descriptor]
        client.close()
        return ()


def dial(directory: Path, session: str) -> socket.socket | None:
    """A line to whoever follows a session; None when nobody listens."""
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short(directory, session) as path:
            line.connect(path)
    except OSError:
        line.close()
        return None
    return line
