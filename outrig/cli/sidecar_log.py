"""`outrig logs --sidecar NAME`: what a database or cache beside a session said, as it says it."""

from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING

from outrig.core import sidecars
from outrig.errors import StoreError, UsageError, reason
from outrig.store.places import LOGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from outrig.store.finding import Found

PIECE = 256 * 1024
PAUSE_SECONDS = 0.1


def words(
    found: Found, name: str, *, tail: int | None, alive: Callable[[], bool]
) -> Iterator[bytes]:
    """Its log, or the last lines of it; more for as long as `alive`. Raises UsageError."""
    session = found.session
    known = sorted(sidecars.noted(session))
    if name not in known:
        raise UsageError(
            f'session {session.id} has no sidecar "{name}"',
            hint=f"--sidecar {known[0]}" if known else f"outrig logs {session.id}",
        )
    path = f"{found.directory}/{LOGS}/{sidecars.log_file(name)}"
    at = 0 if tail is None else _last_lines(path, tail)
    while True:
        going_on = alive()  # asked first: what it says last is read after its end
        for data in _from(path, at):
            at += len(data)
            yield data
        if not going_on:
            return
        time.sleep(PAUSE_SECONDS)


def _from(path: str, at: int) -> Iterator[bytes]:
    """What is in the file from there on; nothing where there is none yet."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {reason(error)}") from error
    with os.fdopen(descriptor, "rb", buffering=0) as log:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise StoreError(f"{path} is no regular file")
        log.seek(at)
        while data := log.read(PIECE):
            yield data


def _last_lines(path: str, count: int) -> int:
    """Where the last lines begin. An unfinished one at the end is one, too."""
    ends, size, last = [0], 0, b""
    for data in _from(path, 0):
        begin = 0
        while (found := data.find(b"\n", begin)) >= 0:
            begin = found + 1
            ends = [*ends, size + begin][-count - 2 :]
        size, last = size + len(data), data[-1:]
    if last == b"\n":
        ends.pop()
    return ends[-min(count, len(ends))] if count else size
