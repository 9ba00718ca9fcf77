"""The vault: values of a running session's secrets, in files that are memory and never a disk.

    <tmpfs>/outrig-<uid>/secrets/<id>-<random>/     0700
        values.json     what must not be said aloud, for whoever follows the session next
        <name>          bound into the session, 0600, its user's; .environment the same

<tmpfs> is the runtime directory if it is one, else /dev/shm. Where neither is, nothing is kept and
the session is refused. The directory goes with the session's end; a machine that goes down takes
it along.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from outrig.errors import StoreError, reason
from outrig.store import places

if TYPE_CHECKING:
    from collections.abc import Mapping

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - directories in it are made 0700
VALUES = "values.json"
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_MEMORY = ("tmpfs", "ramfs")
_LARGEST = 64 << 20


def prospective(env: Mapping[str, str], session: str) -> Path:
    """Where the vault of a session is to be, so that it can be noted before it is made.

    Raises StoreError where nothing is memory.
    """
    runtime = places.runtime(env)
    for above, top in ((runtime, runtime), (SHARED_MEMORY, _shared())):
        if _is_memory(above):
            return top / "secrets" / f"{session}-{os.urandom(4).hex()}"
    raise StoreError(
        f"neither {runtime} nor {SHARED_MEMORY} is a tmpfs, and secrets are not written to a disk",
        hint="mount a tmpfs and say where in XDG_RUNTIME_DIR",
    )


def make(vault: Path, values: Mapping[str, str]) -> None:
    """Make it, with the values that must not be said aloud. Raises StoreError."""
    try:
        for directory in (vault.parents[1], vault.parent):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            _refuse_others(directory)
        vault.mkdir(mode=0o700)
        put(vault, VALUES, json.dumps(values), os.geteuid(), os.getegid())
    except OSError as error:
        raise StoreError(f"cannot keep secrets in memory: {reason(error)}") from error


def put(vault: Path, name: str, text: str, uid: int, gid: int) -> Path:
    """A file for a user of the session. Raises StoreError.

    Where we may not give it away all may read it: in the session, as nobody else enters the vault.
    """
    path = vault / name
    try:
        descriptor = os.open(path, _WRITE, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            file.write(text.encode("utf-8", "surrogateescape"))
            if (uid, gid) != (os.geteuid(), os.getegid()):
                try:
                    os.fchown(descriptor, uid, gid)
                except PermissionError:
                    os.fchmod(descriptor, 0o600 if uid == os.geteuid() else 0o444)
    except OSError as error:
        raise StoreError(f"cannot keep secrets in memory: {reason(error)}") from error
    return path


def values(vault: Path) -> Mapping[str, str] | None:
    """What must not be said aloud; None where it is gone."""
    try:
        descriptor = os.open(vault / VALUES, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            found = json.loads(file.read(_LARGEST))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def remove(vault: Path, session: str) -> None:
    """Take it away. What is no vault of this session, whatever a record says, is left alone."""
    import shutil  # noqa: PLC0415 - 4 ms, and most sessions have no secrets

    if vault.parent.name == "secrets" and vault.name.startswith(f"{session}-"):
        with contextlib.suppress(OSError):  # gone already, or another user's
            shutil.rmtree(vault)


def _shared() -> Path:
    return SHARED_MEMORY / f"outrig-{os.getuid()}"


def _refuse_others(directory: Path) -> None:
    """A directory in a place that all may write could be somebody else's."""
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise StoreError(
            f"{directory} is not a directory of yours", hint=f"look at it: ls -ld {directory}"
        )
    if found.st_mode & 0o077:
        directory.chmod(0o700)


def _is_memory(path: Path) -> bool:
    """Whether a path, or the nearest one above it that exists, is on a tmpfs."""
    while not path.exists() and path != path.parent:
        path = path.parent
    try:
        device = path.stat().st_dev
        mounts = Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
    except OSError:
        return False
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        if before.split(" ")[2] == wanted:
            return after.split(" ")[0] in _MEMORY
    return False
