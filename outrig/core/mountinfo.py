"""What a container really has mounted, held against what was planned: two mountinfos, compared.

| found inside                                                | judged                          |
|-------------------------------------------------------------|---------------------------------|
| a planned place, from the planned source, as writable       | fine                            |
| nothing at a planned place                                  | a difference                    |
| ... but its source at another, where the image has a link   | fine, if no mount of ours has it|
| a planned place, from somewhere else                        | a difference: a link was planted|
| a planned place that should be read-only, writable          | a difference                    |
| what is mounted here below a planned source                 | fine: it comes along            |
| what the engine puts into every container; a tmpfs of its own | fine                          |
| anything else                                               | a difference                    |

A source is known by its file system and its path there, which is what a symlink that was swapped
under the engine's hands cannot fake.
"""

from __future__ import annotations

import re
from posixpath import join, relpath
from typing import TYPE_CHECKING, NamedTuple

from outrig.core.mounts import inside

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from outrig.core.engine import Mount

# Trees and files that docker or podman make in every container.
ENGINES_OWN = (
    *("/proc", "/sys", "/dev", "/sbin/docker-init", "/usr/sbin/docker-init", "/dev/init"),
    *("/etc/resolv.conf", "/etc/hostname", "/etc/hosts"),
    *("/run/.containerenv", "/run/secrets", "/run/podman-init"),
)
_LEAST = 6  # fields of a line: id, parent, device, path there, mount point, options
_OCTAL = re.compile(r"\\([0-7]{3})")


class Entry(NamedTuple):
    """One mount: `device` and `path` say of what, `point` where."""

    device: str
    path: str
    point: str
    writable: bool
    kind: str


def parse(text: str) -> list[Entry]:
    """The mounts of a /proc/PID/mountinfo, in their order: a later one covers an earlier."""
    found = []
    for line in text.splitlines():
        fields, _, rest = line.partition(" - ")
        words = fields.split(" ")
        if len(words) < _LEAST:
            continue
        device, path, point, options = words[2:_LEAST]
        found.append(
            Entry(
                device=device,
                path=_plain(path),
                point=_plain(point),
                writable="rw" in options.split(","),
                kind=rest.partition(" ")[0],
            )
        )
    return found


def differences(planned: Sequence[Mount], inside_: str, here: str) -> Iterator[str]:
    """What is not as planned, a line each. `here` is this process's own mountinfo."""
    theirs, ours = parse(inside_), parse(here)
    top = {entry.point: entry for entry in theirs}
    meant: dict[str, Mount] = {}
    for mount in planned:
        found = top.get(mount.target) or _behind_a_link(mount, planned, top, ours)
        if found is None:
            yield f"nothing is mounted at {mount.target}"
            continue
        meant[found.point] = mount
        if not mount.volume and (found.device, found.path) != source(ours, mount.source):
            yield f"{mount.target} is {found.path} and not {mount.source}"
        if found.writable and not mount.writable:
            yield f"{mount.target} is writable"
    for entry in theirs:
        if entry.point not in meant and not _explained(entry, meant, ours):
            yield f"{entry.path} is mounted at {entry.point}, and nobody asked for that"


def source(ours: Sequence[Entry], path: str) -> tuple[str, str]:
    """The file system that a path of this machine lies on, and its path there."""
    around = [entry for entry in ours if inside(path, (entry.point,))]
    if not around:
        return "", path
    nearest = max(reversed(around), key=lambda entry: len(entry.point))
    below = relpath(path, nearest.point)
    return nearest.device, nearest.path if below == "." else join(nearest.path, below)


def _behind_a_link(
    mount: Mount, planned: Sequence[Mount], top: Mapping[str, Entry], ours: Sequence[Entry]
) -> Entry | None:
    """Where an image has a link for a directory (/sbin), all below that is mounted behind it.

    In the image itself only: a link in the tree that a session writes redirects nothing.
    """
    if mount.volume or any(
        one is not mount and inside(mount.target, (one.target,)) for one in planned
    ):
        return None
    targets = [one.target for one in planned]
    wanted = source(ours, mount.source)
    return next(
        (
            entry
            for point, entry in top.items()
            if (entry.device, entry.path) == wanted and not inside(point, targets)
        ),
        None,
    )


def _explained(entry: Entry, meant: Mapping[str, Mount], ours: Sequence[Entry]) -> bool:
    if entry.point == "/" or inside(entry.point, ENGINES_OWN):
        return True
    if entry.kind == "tmpfs" and entry.device not in {one.device for one in ours}:
        return True
    around = [point for point in meant if inside(entry.point, (point,))]
    if not around:
        return False
    nearest = max(around, key=len)
    along = join(meant[nearest].source, relpath(entry.point, nearest))
    mounted = any(one.point == along for one in ours)
    return mounted and (entry.device, entry.path) == source(ours, along)


def _plain(text: str) -> str:
    """The kernel writes white space and backslashes as octal numbers."""
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), text) if "\\" in text else text
