"""A small container beside the agent's, made of this machine's own system: a holder, a gateway.

It is told what to do on its stdin and says `ready` on its stdout, within seconds, or why not.
"""

from __future__ import annotations

import contextlib
import select
import time
from typing import TYPE_CHECKING

from outrig.core import naming
from outrig.core.engine import Container
from outrig.core.security import Security
from outrig.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outrig.core.engine import Image, Link, Mount, Ref
    from outrig.engine import Attached
    from outrig.runner.network import Making

READY = b"ready\n"
READY_SECONDS = 60.0  # on a machine that is busy; 0.3 on one that is not
MEMORY = 256 * 1024**2
_LOG_BYTES = 1024 * 1024
_MOST_WORDS = 4096
HINT = "--network none needs none of this; --network bridge neither, and keeps nothing away"


def container(
    making: Making,
    *,
    role: str,
    attempt: str,
    image: Image,
    mounts: tuple[Mount, ...],
    command: tuple[str, ...],
    link: Link,
    capabilities: tuple[str, ...],
    sysctls: Mapping[str, str],
    pids: int,
) -> Container:
    """As root, with a few capabilities that it gives up once it has used them."""
    return Container(
        name=f"{naming.container_name(making.held.id)}-{role}",
        labels=making.labels(attempt, role),
        image=image.id,
        entrypoint=(),
        command=command,
        user="0:0",
        working_dir="/",
        mounts=tuple(sorted(mounts, key=lambda mount: mount.target)),
        network=link,
        memory=MEMORY,
        cpus=None,
        pids=pids,
        log_bytes=_LOG_BYTES,
        tty=False,
        stdin=True,
        keep_host_userns=making.engine.facts().userns_remap,
        security=Security(capabilities=capabilities),
        sysctls=sysctls,
        init=False,
    )


def start(making: Making, ref: Ref, told: bytes, *, failed: str) -> None:
    """Start it, tell it, and wait until it is ready.

    Raises EngineError, or NetworkError: `failed`, and why.
    """
    with contextlib.closing(making.engine.start(ref)) as line:
        _tell(line, told)
        _until_ready(line, failed)


def _tell(line: Attached, told: bytes) -> None:
    left = memoryview(told)
    poll = select.poll()
    poll.register(line.fileno(), select.POLLOUT)
    while left:
        poll.poll(READY_SECONDS * 1000)
        left = left[line.write(left) :]


def _until_ready(line: Attached, failed: str) -> None:
    said: dict[str, bytes] = {}
    deadline = time.monotonic() + READY_SECONDS
    poll = select.poll()
    poll.register(line.fileno(), select.POLLIN)
    while said.get("stdout", b"") != READY:
        left = deadline - time.monotonic()
        chunks = line.read() if left > 0 and poll.poll(left * 1000) else None
        if chunks is None:
            raise _failure(failed, said.get("stderr", b""), late=left <= 0)
        for stream, data in chunks:
            said[stream] = (said.get(stream, b"") + data)[-_MOST_WORDS:]


def _failure(failed: str, words: bytes, *, late: bool) -> NetworkError:
    lines = words.decode(errors="replace").strip().splitlines()
    why = lines[-1] if lines else "it does not get ready" if late else "it ended without a word"
    return NetworkError(f"{failed}: {why}", hint=HINT)
