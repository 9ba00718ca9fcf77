"""What a session's gateway told, line by line, and its policy.

The gateway speaks with whoever the session speaks with: its file is read as a stranger's.
"""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any

from outrig.errors import StoreError
from outrig.store import file
from outrig.store.file import UnreadableError
from outrig.store.places import GATEWAY, LOGS, NETWORK_LOG, POLICY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LONGEST = 64 * 1024  # bytes of a line; one has a few hundred


def lines(directory: Path) -> Iterator[Mapping[str, Any]]:
    """Every whole line; what is no JSON object is passed over. Nothing where nothing was told."""
    try:
        fd = os.open(f"{directory}/{LOGS}/{NETWORK_LOG}", _READ)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"{NETWORK_LOG} cannot be read: {error.strerror}") from error
    with os.fdopen(fd, "rb") as opened:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise StoreError(f"{directory}/{LOGS}/{NETWORK_LOG} is no regular file")
        while line := opened.readline(_LONGEST):
            found = _parsed(line)
            if isinstance(found, dict):
                yield found


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line) if line.endswith(b"\n") else None
    except (ValueError, RecursionError):
        return None


def policy(directory: Path) -> dict[str, Any]:
    """What the gateway goes by now. Raises StoreError."""
    try:
        return file.read_object(f"{directory}/{GATEWAY}/{POLICY}")
    except (OSError, UnreadableError) as error:
        raise StoreError(f"the policy of the session's gateway cannot be read: {error}") from error


def write_policy(directory: Path, said: Mapping[str, object]) -> None:
    """Swap it whole; the gateway looks at it before each decision."""
    data = json.dumps(said, indent=2).encode()
    file.replace(f"{directory}/{GATEWAY}/{POLICY}", data, mode=0o644)
