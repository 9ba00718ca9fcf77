"""The real places behind what a plan names: mount sources, and mount points in the workspace.

The engine follows symlinks and makes what is missing, as root (both tried), so everything it is
given has been resolved and looked at here first. What comes out is what is mounted.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from outrig.core.engine import Mount
from outrig.core.mounts import inside, refuse_source
from outrig.errors import MountError, WorkspaceError, reason
from outrig.workspace.guarded import Guard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from outrig.core.mounts import MountSpec

_LONGEST_WAY = 10_000  # components of a path, those of its links included


def resolve_root(path: Path, *, home: Path, declared: bool) -> Path:
    """The workspace's directory with symlinks resolved.

    Raises WorkspaceError when it is no directory, is the system's own, or is the home directory
    or above it without anybody having said so.
    """
    try:
        root = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise WorkspaceError(f"workspace {path} cannot be used: {error}") from error
    if not root.is_dir():
        raise WorkspaceError(f"workspace {root} is not a directory")
    real_home = Path(os.path.realpath(home))
    if root == Path("/"):
        raise WorkspaceError("the root of the file system cannot be a workspace")
    if real_home == root or root in real_home.parents:
        if declared:
            return root
        raise WorkspaceError(
            f"{root} holds your home directory, with its keys; outrig does not mount it unasked",
            hint="cd to a project, or set [workspace] path in your own config",
        )
    refuse_source(str(root), home=str(real_home), declared="the workspace")
    return root


def resolve_mounts(
    specs: Sequence[MountSpec],
    *,
    root: Path,
    target: str,
    base: Path,
    home: Path,
    guard: Guard | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[Mount, ...]:
    """Engine mounts for the plan's further mounts, in an order that lets one nest in another.

    `tell` hears of those of a repository that are left out.

    Raises MountError when a source is missing or refused, or a mount point lies in the workspace
    or in another mount and does not exist there as a plain file or directory.
    """
    real_home = os.path.realpath(home)
    workspace = Mount(source=str(root), target=target, writable=True)
    made = {workspace: "the workspace"}
    for spec in sorted(specs, key=lambda spec: spec.target):
        asked = Path(os.path.expanduser(spec.source))  # noqa: PTH111 - `~` alone, no user database
        source = _existing(base / asked, spec)
        link = _refuse_escape(base / asked, root, source, spec)
        refuse_source(str(source), home=real_home, declared=spec.declared)
        _refuse_kind(source, spec)
        why = None
        if link or spec.doubted:
            why = (guard or Guard(root=root)).why(source, writable=spec.writable)
        if why and link:
            raise MountError(f"{spec.declared}: {source} {why}", hint="name the path itself")
        if why and spec.doubted:
            tell(f"{spec.declared}: left out: {source} {why}; to approve it: outrig trust")
            continue
        mount = Mount(source=str(source), target=spec.target, writable=spec.writable)
        made[mount] = spec.declared
    for mount, declared in made.items():
        _check_mount_point(mount, made, declared)
    return tuple(mount for mount in made if mount is not workspace)


def refuse_missing(directory: str, *, root: Path, target: str, mounts: Sequence[Mount]) -> None:
    """Raise MountError for a working directory that the runtime would make, as root (tried).

    It is looked for in the mount it lies in, without following a link out of that.
    """
    places = (Mount(source=str(root), target=target), *mounts)
    around = [one for one in places if inside(directory, (one.target,))]
    if not around:
        return
    outer = max(around, key=lambda one: len(one.target))
    top = Path(outer.source)
    place = top / Path(directory).relative_to(outer.target)
    real = Path(os.path.realpath(place))
    if not real.is_dir() or not real.is_relative_to(top):
        raise MountError(
            f"the working directory {directory} is {place}, and that is no directory",
            hint=f"mkdir -p {place}, or another -w",
        )


def _existing(path: Path, spec: MountSpec) -> Path:
    try:
        return path.resolve(strict=True)
    except FileNotFoundError as error:
        raise MountError(
            f"{spec.declared}: {path} does not exist", hint="create it first, or correct the path"
        ) from error
    except RuntimeError as error:
        raise MountError(f"{spec.declared}: {path} is a link that leads to itself") from error
    except OSError as error:
        raise MountError(f"{spec.declared}: {reason(error)}") from error


def _refuse_kind(source: Path, spec: MountSpec) -> None:
    mode = source.stat().st_mode
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise MountError(f"{spec.declared}: {source} is neither a directory nor a regular file")


def _refuse_escape(asked: Path, root: Path, source: Path, spec: MountSpec) -> Path | None:
    """A path through the workspace must stay in it: a session may have planted the link.

    Returns the link, if it goes through one: then it shows only what a repository may, too.
    """
    link = first_link(asked, root)
    if link and not source.is_relative_to(root):
        raise MountError(
            f"{spec.declared}: {link} is a link that leaves the workspace, to {source}",
            hint=f"if you made it yourself, say -v {source}:...",
        )
    if spec.within and not source.is_relative_to(os.path.realpath(spec.within)):
        raise MountError(
            f"{spec.declared}: a repository's mount leads to {source}, outside of {spec.within}"
        )
    return link


def first_link(asked: Path, root: Path) -> Path | None:
    """The first symlink in `root` on the way that the kernel takes along an absolute path."""
    here = Path("/")
    rest = [*reversed(asked.parts[1:])]
    for _ in range(_LONGEST_WAY):
        if not rest:
            return None
        place = here / rest.pop()
        if place.name == "..":
            here = here.parent
        elif not place.is_symlink():
            here = place
        elif place.is_relative_to(root):
            return place
        else:
            way = place.readlink()
            here = Path("/") if way.is_absolute() else here
            rest += [part for part in reversed(way.parts) if part != way.anchor]
    raise MountError(f"{asked} leads through too many links")


def _check_mount_point(mount: Mount, every: Iterable[Mount], declared: str) -> None:
    """Where one mount lies in another, each component is looked at without following links.

    The engine would make what is missing, as root, and a link would redirect the mount (tried).
    """
    around = [one for one in every if one is not mount and inside(mount.target, (one.target,))]
    if not around:
        return
    outer = max(around, key=lambda one: len(one.target))
    place = Path(outer.source)
    for part in Path(mount.target).relative_to(outer.target).parts:
        place /= part
        try:
            mode = place.lstat().st_mode
        except OSError:
            raise MountError(
                f"{declared}: {place} does not exist, and the engine would make it as root",
                hint=f"{_making(mount, Path(outer.source), outer.target)}, or mount elsewhere",
            ) from None
        if stat.S_ISLNK(mode):
            raise MountError(f"{declared}: {place} is a symlink; it is not mounted over")
    if place.is_dir() != Path(mount.source).is_dir():
        raise MountError(f"{declared}: {mount.source} and {place} are not of one kind")


def _making(mount: Mount, outer: Path, target: str) -> str:
    """How the user makes the mount point."""
    place = outer / Path(mount.target).relative_to(target)
    if Path(mount.source).is_dir():
        return f"mkdir -p {place}"
    return f"mkdir -p {place.parent} && touch {place}"
