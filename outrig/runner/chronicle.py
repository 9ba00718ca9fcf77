"""Chronicle: what sidecars say, in logs/NAME.log, growing while they run and whole at the end.

It is taken out of the engine's own log from its beginning on, and what the file has already is
passed over: so whoever takes a session up goes on where somebody else was killed. As nothing is
ever let go of early, the same log gives the same bytes, secrets left out, whoever writes them.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
from typing import TYPE_CHECKING

from outrig.core import sidecars
from outrig.core.engine import Ref
from outrig.errors import ContainerGoneError, OutrigError, StoreError, reason
from outrig.record.redact import Redacting
from outrig.runner.network import SIDECAR
from outrig.store import file, places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from outrig.core.redact import Redaction
    from outrig.core.session import Session
    from outrig.core.transcript import Said
    from outrig.engine import Engine, Saying

MOST_BYTES = 64 * 1024**2  # of one, while it runs; at its end the engine's last ones take its place
_TAIL = 64 * 1024
_FLAGS = os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Chronicle:
    """The logs of a session's sidecars, written in a thread of this process until close()."""

    def __init__(self, engine: Engine, directory: Path, redaction: Redaction | None) -> None:
        self._engine = engine
        self._directory = directory
        self._redaction = redaction
        self._new: list[_Growth] = []
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._closing = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def add(self, ref: Ref, name: str) -> None:
        """One that runs. What goes wrong is told by whoever keeps the whole of it at its end."""
        with contextlib.suppress(OutrigError, OSError):
            path = _path(self._directory, name)
            saying = self._engine.saying(ref, tty=False)
            try:
                self._new.append(_Growth(saying, path, self._redaction))
            except OSError:
                saying.close()
                raise
            os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """Write no more. Of what had come nothing is lost: keep_log() goes on there."""
        if self._closing:
            return
        self._closing = True
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        os.close(self._wake)

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        growing: dict[int, _Growth] = {}
        while not self._closing:
            for fd, _ in poll.poll():
                growth = growing.get(fd)
                if growth and not growth.take():
                    poll.unregister(fd)
                    growing.pop(fd).close()
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._wake)
            while self._new:
                growth = self._new.pop()
                growing[growth.fileno()] = growth
                poll.register(growth.fileno(), select.POLLIN)
        for growth in (*growing.values(), *self._new):
            growth.close()


class _Growth:
    """One sidecar's log, as it grows."""

    def __init__(self, saying: Saying, path: str, redaction: Redaction | None) -> None:
        self._saying = saying
        self._redacting = Redacting(redaction) if redaction else None
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | _FLAGS, 0o600)
        self._known = self._size = os.fstat(self._file).st_size

    def fileno(self) -> int:
        return self._saying.fileno()

    def take(self) -> bool:
        """What has come; False when there will be no more."""
        try:
            words = b"".join(_shown(self._saying.read(), self._redacting))
            passed = min(self._known, len(words))
            self._known -= passed
            left = memoryview(words)[passed:]
            self._size += len(left)
            while left:
                left = left[os.write(self._file, left) :]
        except (OutrigError, OSError):  # the whole of it is kept, or told to be lost, at its end
            return False
        return self._size < MOST_BYTES and not self._saying.over()

    def close(self) -> None:
        os.close(self._file)
        self._saying.close()


def of_record(
    engine: Engine, session: Session, directory: Path, redaction: Redaction | None
) -> Chronicle | None:
    """Of the sidecars that a session has, says its record; None if it has none."""
    found = [
        (str(item["ref"]), name)
        for item in session.resources
        if item.get("role") == SIDECAR and item.get("ref")
        if (name := sidecars.name_of(session, str(item.get("attempt"))))
    ]
    if not found:
        return None
    made = Chronicle(engine, directory, redaction)
    for container, name in found:
        made.add(Ref(engine="docker", endpoint=engine.endpoint, id=container), name)
    return made


# ------------------------------------------------------------------ the end


def keep_log(
    engine: Engine, ref: Ref, directory: Path, name: str, redaction: Redaction | None
) -> None:
    """What it said, into the session's logs: what the file lacks, or as much as the engine kept.

    Raises StoreError, EngineError or EngineUnreachableError; a container that is gone says nothing.
    """
    log = _path(directory, name)
    with contextlib.suppress(ContainerGoneError):
        redacting = Redacting(redaction) if redaction else None
        words = b"".join(_shown(engine.said(ref, tty=False), redacting))
        words += b"".join(rest for _, rest in (redacting.end() if redacting else ()))
        try:
            _complete(log, words)
        except OSError as error:
            raise StoreError(f"{log} cannot be kept: {reason(error)}") from error


def _complete(log: str, words: bytes) -> None:
    """Append what is missing. A log that is no beginning of it had more than the engine has."""
    descriptor = os.open(log, os.O_RDWR | os.O_APPEND | _FLAGS, 0o600)
    with os.fdopen(descriptor, "r+b", buffering=0) as kept:
        size = os.fstat(descriptor).st_size
        if size < MOST_BYTES:
            known = kept.read(size) or b""
            end = len(known) if words.startswith(known) else _end_of(known[-_TAIL:], words)
            if end is not None:
                kept.write(words[end:])
                return
    file.replace(log, words)


def _end_of(tail: bytes, words: bytes) -> int | None:
    """Where the last words that are known end in what the engine still has."""
    at = words.rfind(tail)
    return None if at < 0 else at + len(tail)


def keep_logs(
    engine: Engine,
    session: Session,
    directory: Path,
    containers: Sequence[tuple[Ref, str]],
    redaction: Callable[[], Redaction | None],
) -> None:
    """Of a session that somebody takes up; `containers` come with their attempts.

    Nothing that goes wrong keeps the containers from being removed.
    """
    for ref, attempt in containers:
        name = sidecars.name_of(session, attempt)
        if name is not None:
            with contextlib.suppress(OutrigError):
                keep_log(engine, ref, directory, name, redaction())


def _shown(said: Iterable[Said], redacting: Redacting | None) -> Iterator[bytes]:
    for one in said:
        yield redacting.feed(one.stream, one.data) if redacting else one.data


def _path(directory: Path, name: str) -> str:
    return f"{directory}/{places.LOGS}/{sidecars.log_file(name)}"
