"""What a session that has just started really has mounted: as planned, or it ends at once.

Between our look at a source and the engine's mount of it somebody else, an earlier session that
still runs, may have put a symlink there (tried). What the kernel then says is the truth.
"""

from __future__ import annotations

import os
from pathlib import Path
from posixpath import dirname, join, relpath

from outrig.core.frozen import replace
from outrig.core.mountinfo import differences, nearest
from outrig.core.mounts import inside, refuse_target
from outrig.errors import MountError, WorkspaceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from outrig.core.engine import Container, Mount, Ref
    from outrig.engine import Engine

HERE = Path("/proc/self/mountinfo")


def foresee(mounts: Sequence[Mount], declared: Collection[str]) -> None:
    """Raise MountError where the engine would make a mount point in somebody's tree, as root.

    `declared` are the targets of the workspace and of what was asked for; whatever else is mounted
    finds its place in them.
    """
    outer = {mount.target: mount for mount in mounts if not mount.volume}
    for mount in mounts:
        around = nearest(dirname(mount.target), outer)
        if around is None or around not in declared:
            continue
        place = join(outer[around].source, relpath(mount.target, around))
        if not os.path.lexists(place):
            raise MountError(
                f"{around} in the container has {mount.target} in it, and {place} does not exist: "
                "the engine would make it, as root",
                hint="mount elsewhere",
            )


def refuse_links(led: Mapping[str, str], home: str) -> None:
    """Raise MountError for targets that links of the image take to where outrig's own mounts are.

    `led` says where each target leads there. What the engine then found missing in somebody's tree
    it would make, as root (tried: an image with a link to /run).
    """
    for target, real in led.items():
        if real == target:
            continue
        refuse_target(real, f"{target} is {real} in this image")
        if inside(home, (real,)):
            raise MountError(f"{target} is {real} in this image, which holds the session's HOME")


def check(engine: Engine, ref: Ref, container: Container, directory: Path) -> None:
    """Raise WorkspaceError for a difference; `directory` is the session's own.

    One that has ended already shows nothing; then the sources are looked at once more.
    """
    planned = [_real(mount, directory) for mount in container.mounts]
    text = engine.mounted(ref)
    if text is None:
        found = [f"{one.source} is a link now" for one in planned if _is_link(one)]
    else:
        here = HERE.read_text(encoding="utf-8", errors="surrogateescape")
        found = list(differences(planned, text, here))
    if found:
        raise WorkspaceError(
            f"the session was killed: what it has mounted is not what was planned: {found[0]}",
            hint="look at that path; outrig ls --status running says who else may be at work there",
        )


def _real(mount: Mount, directory: Path) -> Mount:
    """The session's own directory may be reached through links of the user's."""
    if mount.volume or not inside(mount.source, (str(directory),)):
        return mount
    below = os.path.relpath(mount.source, directory)
    return replace(mount, source=os.path.normpath(os.path.realpath(directory) + "/" + below))


def _is_link(mount: Mount) -> bool:
    return not mount.volume and os.path.realpath(mount.source) != mount.source
