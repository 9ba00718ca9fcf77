"""What a session's user made is removed as that user, where the caller may not.

A session can run as another uid than its caller (`-u`), and its files then belong to that uid. A
helper container removes them: as that user, without a network or a capability, and with nothing
mounted but its HOME, its workspace and the machine's /usr. What the kernel made for an overlay
belongs to root and nobody may enter it; there the helper is root, with no more than that takes.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import closing
from typing import TYPE_CHECKING

from outrig.core import naming
from outrig.core.engine import UNLINKED, Container, Mount
from outrig.core.security import Security

if TYPE_CHECKING:
    from pathlib import Path

    from outrig.core.session import Session
    from outrig.engine import Engine

HOUSE = "/evicted"
ROOMS = ("home", "workspace")
LAYER = "workspace/work"  # the work directory of an overlay
# Silent, because nobody reads it. What is locked is unlocked first; links are not followed.
REMOVE = f"exec >/dev/null 2>&1; chmod -R u+rwx {HOUSE}; find {HOUSE} -mindepth 2 -delete"

_USER = re.compile(r"\d+:\d+", re.ASCII)
_MEMORY = 1024**3  # bytes: a directory of a million files is held in memory
_LOG_BYTES = 64 * 1024


def evict(engine: Engine, session: Session, directory: Path) -> None:
    """Empty HOME and workspace of an ended session as far as its user may. Raises OutrigError."""
    here = os.path.realpath(directory)
    rooms = [room for room in ROOMS if _is_directory(f"{here}/{room}")]
    layered = _is_directory(f"{here}/{LAYER}")
    user = "0:0" if layered else session.text("user")
    if not _USER.fullmatch(user) or not rooms:
        return
    theirs = tuple(
        Mount(source=f"{here}/{room}", target=f"{HOUSE}/{room}", writable=True) for room in rooms
    )
    ref = engine.prepare(
        _remover(engine, session, theirs, user=user, layered=layered), {"PATH": "/usr/bin:/bin"}
    )
    try:
        with closing(engine.start(ref)):
            engine.wait(ref)
    finally:
        engine.remove(ref)


def _remover(
    engine: Engine, session: Session, theirs: tuple[Mount, ...], *, user: str, layered: bool
) -> Container:
    """What empties them: of the host's own programs, without a network, with next to no rights."""
    attempt = os.urandom(8).hex()
    image, mounts = engine.host_image(())
    return Container(
        name=f"{naming.container_name(session.id)}-{attempt[:4]}",
        labels=naming.labels(
            session=session.id, root=session.text("root_id"), attempt=attempt, role="helper"
        ),
        image=image.id,
        entrypoint=(),
        command=("sh", "-c", REMOVE),
        user=user,
        working_dir="/",
        mounts=(*mounts, *theirs),
        network=UNLINKED,
        memory=_MEMORY,
        cpus=None,
        pids=16,
        log_bytes=_LOG_BYTES,
        tty=False,
        stdin=False,
        keep_host_userns=engine.facts().userns_remap,
        security=Security(capabilities=("DAC_OVERRIDE", "FOWNER") if layered else ()),
    )


def _is_directory(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False
