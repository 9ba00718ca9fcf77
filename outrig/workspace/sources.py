"""The real places behind what a plan names: mount sources, and mount points in the workspace.

The engine follows symlinks and makes what is missing, as root (both tried), so everything it is
given has been resolved and looked at here first. What comes out is what is mounted.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from outrig.core.engine import Mount
from outrig.core.mounts import inside, refuse_source
from outrig.errors import MountError, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from outrig.core.mounts import MountSpec


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
    specs: Sequence[MountSpec], *, root: Path, target: str, base: Path, home: Path
) -> tuple[Mount, ...]:
    """Engine mounts for the plan's further mounts, in an order that lets one nest in another.

    Raises MountError when a source is missing or refused, or a mount point lies in the workspace
    and does not exist there as a plain file or directory.
    """
    made = []
    real_home = os.path.realpath(home)
    for spec in sorted(specs, key=lambda spec: spec.target):
        asked = Path(os.path.expanduser(spec.source))  # noqa: PTH111 - `~` alone, no user database
        source = _existing(base / asked, spec)
        _refuse_planted_link(base / asked, root, source, spec)
        refuse_source(str(source), home=real_home, declared=spec.declared)
        if inside(spec.target, (target,)):
            _check_mount_point(root, spec.target[len(target) :].strip("/"), source, spec)
        made.append(Mount(source=str(source), target=spec.target, writable=spec.writable))
    return tuple(made)


def _existing(path: Path, spec: MountSpec) -> Path:
    try:
        source = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise MountError(
            f"{spec.declared}: {path} does not exist", hint="create it first, or correct the path"
        ) from error
    mode = source.stat().st_mode
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise MountError(f"{spec.declared}: {source} is neither a directory nor a regular file")
    return source


def _refuse_planted_link(asked: Path, root: Path, source: Path, spec: MountSpec) -> None:
    """A path through the workspace must stay in it: a session may have planted the link."""
    lexical = Path(os.path.normpath(asked))
    if lexical.is_relative_to(root) and not source.is_relative_to(root):
        raise MountError(
            f"{spec.declared}: {lexical} is a link that leaves the workspace, to {source}"
        )


def _check_mount_point(root: Path, below: str, source: Path, spec: MountSpec) -> None:
    """Each component is looked at without following: a link would redirect the mount."""
    place = root
    for part in Path(below).parts:
        place /= part
        try:
            mode = place.lstat().st_mode
        except FileNotFoundError:
            raise MountError(
                f"{spec.declared}: {place} does not exist, and the engine would make it as root",
                hint=f"mkdir -p {place}, or mount outside of the workspace",
            ) from None
        if stat.S_ISLNK(mode):
            raise MountError(f"{spec.declared}: {place} is a symlink; it is not mounted over")
    if place.is_dir() != source.is_dir():
        raise MountError(f"{spec.declared}: {source} and {place} are not of one kind")
