"""Mounts: "host:container[:ro|rw]" -> MountSpec, and what is refused, and why.

Only the words are judged here. Symlinks are resolved in `workspace/sources.py`, and the path
that comes out is judged again with `refuse_source`.
"""

from __future__ import annotations

from posixpath import commonpath, isabs, normpath

from outrig.core.frozen import frozen
from outrig.errors import MountError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# What a session must never see of the host, whole or in part.
FORBIDDEN_TREES = ("/proc", "/sys", "/dev", "/var/run", "/run")
ENGINE_SOCKETS = ("docker.sock", "podman.sock", "containerd.sock", "crio.sock", "dockerd.sock")
# Where a mount would replace what outrig or the engine puts there.
SYSTEM_TARGETS = ("/proc", "/sys", "/dev", "/run/outrig")
FORBIDDEN_TARGETS = ("/", *SYSTEM_TARGETS, "/etc/passwd", "/etc/group", "/sbin/docker-init")


@frozen
class MountSpec:
    """A mount as asked for; `declared` says where, for messages.

    `within` is the directory that the resolved source must not leave: a repository's own mounts;
    `doubted` are those that nobody approved.
    """

    source: str
    target: str
    writable: bool
    declared: str
    within: str | None = None
    doubted: bool = False


def parse_volume(text: str) -> MountSpec:
    """`-v HOST:CONTAINER[:ro|rw]`; read-only unless it says rw.

    Raises MountError when it is malformed or its target is refused.
    """
    parts = text.split(":")
    if len(parts) not in (2, 3) or not parts[0]:
        raise MountError(
            f'volume "{text}" is not HOST:CONTAINER[:ro|rw]', hint="for example -v ./data:/data:ro"
        )
    mode = parts[2] if len(parts) == 3 else "ro"  # noqa: PLR2004 - HOST, CONTAINER, MODE
    if mode not in ("ro", "rw"):
        raise MountError(f'volume "{text}": mode "{mode}" is neither ro nor rw')
    return spec(parts[0], parts[1], writable=mode == "rw", declared=f"-v {text}")


def spec(
    source: str,
    target: str,
    *,
    writable: bool,
    declared: str,
    within: str | None = None,
    doubted: bool = False,
) -> MountSpec:
    """A mount with a clean, allowed target. Raises MountError naming `declared`."""
    refuse_target(target, declared)
    return MountSpec(
        source=source,
        target=normpath(target),
        writable=writable,
        declared=declared,
        within=within,
        doubted=doubted,
    )


def refuse_target(target: str, declared: str) -> None:
    """Raise MountError for a container path that is not absolute or belongs to the system.

    So does what is above such a path: the engine would make /etc/passwd in somebody's ./etc.
    """
    if not isabs(target) or target.startswith("//"):
        raise MountError(f'{declared}: container path "{target}" is not absolute')
    clean = _as_images_have_it(normpath(target))
    if holds(clean, FORBIDDEN_TARGETS) or inside(clean, SYSTEM_TARGETS):
        raise MountError(f"{declared}: {clean} in the container belongs to the system")


def _as_images_have_it(path: str) -> str:
    """Their /var/run is a link to /run (tried: what was mounted at the one went to the other)."""
    return path.removeprefix("/var") if inside(path, ("/var/run",)) else path


def refuse_source(path: str, *, home: str, declared: str) -> None:
    """Raise MountError for a resolved host path that no session may see.

    Refused are the root, the system's own trees, engine sockets, and the home directory itself or
    anything above it; a directory inside the home is fine.
    """
    if path.rpartition("/")[2] in ENGINE_SOCKETS:
        raise MountError(f"{declared}: {path} is an engine socket: whoever has it has this machine")
    if path == "/" or inside(path, FORBIDDEN_TREES) or holds(path, FORBIDDEN_TREES):
        raise MountError(f"{declared}: {path} is the system's own and is never mounted")
    if holds(path, (home,)):
        raise MountError(
            f"{declared}: {path} holds your home directory, with its keys",
            hint="mount the directory inside it that the session needs",
        )


def inside(path: str, trees: Iterable[str]) -> bool:
    """Whether `path` is one of `trees` or below one. Absolute, normalised paths."""
    return any(commonpath((path, tree)) == tree for tree in trees)


def holds(path: str, things: Iterable[str]) -> bool:
    """Whether `path` is one of `things` or above one. Absolute, normalised paths."""
    return any(commonpath((path, thing)) == path for thing in things)


def refuse_overlap(mounts: Iterable[MountSpec]) -> None:
    """Raise MountError when two mounts want the same place in the container."""
    seen: dict[str, MountSpec] = {}
    for mount in mounts:
        other = seen.setdefault(mount.target, mount)
        if other is not mount:
            raise MountError(f"{other.declared} and {mount.declared} both mount {mount.target}")
