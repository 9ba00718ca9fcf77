"""What a container really has mounted, held against what was planned: two mountinfos, compared.

| found inside                                                | judged                          |
|-------------------------------------------------------------|---------------------------------|
| a planned place, from the planned source, as writable       | fine                            |
| nothing at a planned place                                  | a difference                    |
| ... but its source at another, where the image has a link   | fine, if no mount of ours has it|
| ... and another of ours lies in it there                    | a difference                    |
| a planned place, from somewhere else                        | a difference: a link was planted|
| a planned place that should be read-only, writable          | a difference                    |
| what is mounted here below a planned source                 | fine: it comes along            |
| ... writable below a read-only one, outside of /usr and /etc| a difference: engines before 25 |
| what the engine puts into every container; a tmpfs of its own | fine                          |
| anything else                                               | a difference                    |

A source is known by its file system and its path there, which is what a symlink that was swapped
under the engine's hands cannot fake.
"""

from __future__ import annotations

import re
from posixpath import dirname, join, relpath

from outrig.core.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from outrig.core.engine import Mount

# Trees and files that docker or podman make in every container.
ENGINES_OWN = frozenset(
    (
        *("/proc", "/sys", "/dev", "/sbin/docker-init", "/usr/sbin/docker-init", "/dev/init"),
        *("/etc/resolv.conf", "/etc/hostname", "/etc/hosts"),
        *("/run/.containerenv", "/run/secrets", "/run/podman-init"),
    )
)
HOST_IMAGE = ("/usr", "/etc")  # parts of it on file systems of their own belong to root anyway
_LEAST = 6  # fields of a line: id, parent, device, path there, mount point, options
_OCTAL = r"\\([0-7]{3})"


@frozen(kw_only=False)
class Entry:
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


def differences(planned: Sequence[Mount], inside: str, here: str) -> Iterator[str]:
    """What is not as planned, a line each. `here` is this process's own mountinfo."""
    theirs, ours = parse(inside), by_point(parse(here))
    top = by_point(theirs)
    targets = {mount.target for mount in planned}
    meant: dict[str, Mount] = {}
    for mount in planned:
        found = top.get(mount.target) or _behind_a_link(mount, targets, theirs, ours)
        if found is None:
            yield f"nothing is mounted at {mount.target}"
            continue
        meant[found.point] = mount
        if not mount.volume and (found.device, found.path) != source(ours, mount.source):
            yield f"{mount.target} is {found.path} and not {mount.source}"
        if found.writable and not mount.writable:
            yield f"{mount.target} is writable"
    yield from _astray(meant)
    devices = {entry.device for entry in ours.values()}
    for entry in theirs:
        if entry.point not in meant and not _is_engines(entry, devices):
            yield from _unplanned(entry, meant, ours)


def by_point(entries: Iterable[Entry]) -> dict[str, Entry]:
    return {entry.point: entry for entry in entries}


def source(ours: Mapping[str, Entry], path: str) -> tuple[str, str]:
    """The file system that a path of this machine lies on, and its path there."""
    around = nearest(path, ours)
    if around is None:
        return "", path
    there = ours[around]
    below = relpath(path, around)
    return there.device, there.path if below == "." else join(there.path, below)


def _behind_a_link(
    mount: Mount, targets: Collection[str], theirs: Iterable[Entry], ours: Mapping[str, Entry]
) -> Entry | None:
    """Where an image has a link for a directory (/sbin), all below that is mounted behind it.

    In the image itself only: a link in the tree that a session writes redirects nothing.
    """
    if mount.volume or nearest(dirname(mount.target), targets):
        return None
    wanted = source(ours, mount.source)
    return next(
        (
            entry
            for entry in theirs
            if (entry.device, entry.path) == wanted and not nearest(entry.point, targets)
        ),
        None,
    )


def _astray(meant: Mapping[str, Mount]) -> Iterator[str]:
    """What is in another mount because a link of the image took that one there.

    What the engine found missing in it was then made in somebody's tree, by root (tried).
    """
    for point, mount in meant.items():
        around = nearest(dirname(point), meant)
        outer = meant[around] if around else None
        if outer and not nearest(mount.target, (outer.target,)):
            yield f"{mount.target} lies in {outer.target}, behind a link of the image"


def _is_engines(entry: Entry, devices: Collection[str]) -> bool:
    if entry.point == "/" or nearest(entry.point, ENGINES_OWN):
        return True
    return entry.kind == "tmpfs" and entry.device not in devices


def _unplanned(
    entry: Entry, meant: Mapping[str, Mount], ours: Mapping[str, Entry]
) -> Iterator[str]:
    """Fine is what is mounted here, too, below the source of the planned mount around it."""
    around = nearest(entry.point, meant)
    if around is not None:
        mount = meant[around]
        along = join(mount.source, relpath(entry.point, around))
        if along in ours and (entry.device, entry.path) == source(ours, along):
            if entry.writable and not mount.writable and not nearest(entry.point, HOST_IMAGE):
                yield (
                    f"{entry.point} is writable below {mount.target}, which is read-only: this "
                    "engine makes read-only what is mounted there, and nothing mounted below"
                )
            return
    yield f"{entry.path} is mounted at {entry.point}, and nobody asked for that"


def nearest(path: str, places: Collection[str]) -> str | None:
    """The place that is the path, or the nearest one above it.

    The way of core/mounts.py takes 20 times as long, and this is asked for hundreds of mounts.
    """
    while path not in places:
        if path == "/":
            return None
        path = path.rpartition("/")[0] or "/"
    return path


def _plain(text: str) -> str:
    """The kernel writes white space and backslashes as octal numbers."""
    return re.sub(_OCTAL, lambda found: chr(int(found[1], 8)), text) if "\\" in text else text
