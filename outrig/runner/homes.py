"""What makes a session's user at home on any image: a passwd and group entry, and a HOME.

The image's own entries are read without running anything of it, ours is added, and the files are
bound read-only; a root whom the image knows keeps the image's own files. HOME is a directory of the
session: writable, kept with the record, and gone with it. One that an earlier session left is taken
as it is; what lacks in it is added by handle, since an agent could have laid links there.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from outrig.core import accounts
from outrig.core.engine import Mount
from outrig.errors import ConfigError, WorkspaceError
from outrig.workspace.ownership import hand_over

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from outrig.core.engine import Image
    from outrig.core.identity import Identity
    from outrig.core.plan import RunPlan
    from outrig.engine import Engine
    from outrig.store.creation import Held
    from outrig.workspace.folders import Folders


def furnish(
    engine: Engine,
    image: Image,
    who: Identity,
    plan: RunPlan,
    held: Held,
    *,
    mounts: Sequence[Mount],
    instead: Mapping[str, str],
) -> Sequence[Mount]:
    """Write `etc/` and `home/` into the session's directory; the mounts that show them inside.

    `mounts` are the plan's own; `instead` maps URLs to those that take their place in files laid
    into HOME.
    """
    etc = held.directory / "etc"
    home = held.directory / "home"
    etc.mkdir(mode=0o755)
    own = engine.read_files(image, ("/etc/passwd", "/etc/group"))
    passwd = accounts.passwd(
        _text(own["/etc/passwd"]), uid=who.uid, gid=who.gid, name=who.name, home=who.home
    )
    group = accounts.group(_text(own["/etc/group"]), gid=who.gid, name=who.name)
    _write(etc / "passwd", passwd, 0o644)
    _write(etc / "group", group, 0o644)
    workspace = Mount(source=plan.workspace.root, target=plan.target)
    if home.exists():
        _add(home, who, plan, (*mounts, workspace), instead)
    else:
        _make(home, who, plan, (*mounts, workspace), instead)
    theirs = Mount(source=str(home), target=who.home, writable=True)
    if who.uid == 0 and _text(own["/etc/passwd"]) == passwd and _text(own["/etc/group"]) == group:
        return (theirs,)  # packages that root installs add users of their own
    return (
        Mount(source=str(etc / "passwd"), target="/etc/passwd"),
        Mount(source=str(etc / "group"), target="/etc/group"),
        theirs,
    )


def _make(
    home: Path,
    who: Identity,
    plan: RunPlan,
    mounts: Sequence[Mount],
    instead: Mapping[str, str],
) -> None:
    home.mkdir(mode=0o700)
    _lay(home, plan, instead)
    for mount in mounts:
        _make_mount_point(home, who.home, Path(mount.target), Path(mount.source))
    hand_over(home, who.uid, who.gid)


def _add(
    home: Path,
    who: Identity,
    plan: RunPlan,
    mounts: Sequence[Mount],
    instead: Mapping[str, str],
) -> None:
    """What an earlier session's HOME lacks; what is there stays as it is."""
    from outrig.workspace.folders import Folders  # noqa: PLC0415 - few sessions go on

    below = [(mount, os.path.relpath(mount.target, who.home)) for mount in mounts]
    points = [(mount, path) for mount, path in below if path.partition("/")[0] not in ("..", ".")]
    with Folders(home) as folders:
        for name, text in plan.home.items():
            _put(folders, name, _filled(text, plan, instead).encode(), who)
        for mount, path in points:
            _put(folders, path, None if Path(mount.source).is_dir() else b"", who)


def _put(folders: Folders, path: str, data: bytes | None, who: Identity) -> None:
    """A file with this text, or None for a directory, where there is nothing yet."""
    spot = folders.spot(os.fsencode(path), make=True)
    if spot is None:
        raise WorkspaceError(f"{path} leads through a link in the session's HOME")
    with contextlib.suppress(FileExistsError):
        if data is None:
            os.mkdir(spot.name, 0o700, dir_fd=spot.folder)
        else:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(spot.name, flags, 0o600, dir_fd=spot.folder), "wb") as file:
                file.write(data)
        if os.geteuid() == 0:
            for name in (spot.name, b"."):
                os.chown(name, who.uid, who.gid, dir_fd=spot.folder, follow_symlinks=False)


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "surrogateescape")


def _lay(home: Path, plan: RunPlan, instead: Mapping[str, str]) -> None:
    """The agent's own files, such as those that answer its first-run questions."""
    for name, text in plan.home.items():
        path = home / name
        if os.path.isabs(name) or ".." in path.parts:  # noqa: PTH117 - a name, not yet a path
            raise ConfigError(
                f'agents.{plan.agent}.home: "{name}" leaves the home directory',
                hint="use a path below HOME, such as .config/tool/settings.json",
            )
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(path, _filled(text, plan, instead), 0o600)


def _filled(text: str, plan: RunPlan, instead: Mapping[str, str]) -> str:
    filled = text.replace("{workspace}", plan.target)
    for url, other in instead.items():
        filled = filled.replace(url, other)
    return filled


def _make_mount_point(home: Path, inside: str, target: Path, source: Path) -> None:
    """What is mounted below HOME finds its place there: the engine would make it, as root."""
    if not target.is_relative_to(inside):
        return
    place = home / target.relative_to(inside)
    if source.is_dir():
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    else:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.touch(mode=0o600)


def _write(path: Path, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        with contextlib.suppress(PermissionError):
            os.fchmod(descriptor, mode)  # whatever the caller's umask is
        file.write(text)
