"""Configuration files and variables, found and turned into layers.

    /etc/outrig/config.toml                 the machine's
    $XDG_CONFIG_HOME/outrig/config.toml     the user's, or what --global-config names
    <root>/.agents/outrig/config.toml       the repository's: the nearest on the way up
    <root>/.agents/outrig/config.local.toml beside it, not committed
    OUTRIG_*                                variables

The way up ends at the git top level, else at the home directory or a file-system border. What is
found so must belong to the caller, to root, or, for a root caller, to the workspace's owner.
--config replaces the repository's files, but not their root; who owns it is not asked, and what
it says is trusted no more than they are.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from outrig.core import keys
from outrig.core.frozen import frozen, given
from outrig.core.layer import Layer, Source
from outrig.core.variables import variables_layer
from outrig.errors import ConfigError
from outrig.store import config, places, toml

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Literal

    from outrig.core.approval import Subject

LOCAL_CONFIG = places.REPO_CONFIG.with_name(places.LOCAL_CONFIG_NAME)


@frozen
class FoundFile:
    """A place where configuration may be."""

    source: Source
    path: Path
    state: Literal["read", "absent", "not opened"]


@frozen
class Layers:
    """The layers below the flags; the root of the repository's config; where was looked.

    `subject` is what there is to approve of the repository, `seals` what of it was approved.
    """

    layers: tuple[Layer, ...]
    repo_root: Path | None
    files: tuple[FoundFile, ...]
    subject: Subject | None = None
    seals: Mapping[str, str] = given(factory=dict)


def read(
    *,
    env: Mapping[str, str],
    cwd: Path,
    home: Path,
    config_file: Path | None = None,
    global_config: Path | None = None,
    skip_global: bool = False,
    system: Path = places.SYSTEM_CONFIG,
    uid: int | None = None,
    trust_hash: str | None = None,
) -> Layers:
    """Everything that is configured, unresolved. Raises ConfigError for what cannot be read.

    `trust_hash` approves what has this hash for this once; something else is an error.
    """
    caller = os.getuid() if uid is None else uid
    here = Path(os.path.realpath(cwd))
    found = [_system(system), _global(env, here, global_config, skip=skip_global)]
    top = _git_top(here)
    root = _repo_root(here, top, Path(os.path.realpath(home)))
    if config_file is not None:
        found.append(_named(Path(os.path.normpath(here / config_file))))
        if root is not None and not _is_ours(root, caller, top):
            root = None
    else:
        owners = _owners(root, caller, top) if root else ()
        below = root or top or here  # where one would be, when there is none
        found.append(_repo(Source.REPO, below, places.REPO_CONFIG, owners))
        found.append(_repo(Source.LOCAL, below, LOCAL_CONFIG, owners))
    variables = variables_layer(env, cwd=str(here), array=toml.array)
    read_ = [layer for layer, _ in found if layer]
    subject: Subject | None = None
    seals: Mapping[str, str] = {}
    if trust_hash is not None or any(layer.source.is_repo for layer in read_):
        from outrig.store import trust  # noqa: PLC0415 - most repositories have no config

        state = places.state(env)
        read_, subject, seals = trust.judged(read_, state=state, home=home, trust_hash=trust_hash)
    return Layers(
        layers=(*read_, *filter(None, (variables,))),
        repo_root=root,
        files=tuple(file for _, file in found),
        subject=subject,
        seals=seals,
    )


Found = tuple[Layer | None, FoundFile]


def _system(path: Path) -> Found:
    data = config.read(path)
    layer = None if data is None else _layer(Source.SYSTEM, path, data, path.parent)
    return layer, _found(Source.SYSTEM, path, data)


def _global(env: Mapping[str, str], cwd: Path, named: Path | None, *, skip: bool) -> Found:
    path = places.global_config(env) if named is None else Path(os.path.normpath(cwd / named))
    data = None if skip else config.read(path, must_exist=named is not None)
    # An absent one is a layer too: messages name the file that may set a key.
    layer = _layer(Source.GLOBAL, path, data or b"", path.parent)
    if skip:
        return layer, FoundFile(source=Source.GLOBAL, path=path, state="not opened")
    return layer, _found(Source.GLOBAL, path, data)


def _named(path: Path) -> Found:
    """--config: relative to itself, unless it lies where a repository's config would."""
    data = config.read(path, must_exist=True)
    conventional = path.parent.parts[-2:] == places.REPO_CONFIG.parent.parts
    base = path.parents[2] if conventional else path.parent
    root = base if conventional else _git_top(base) or base
    layer = _layer(Source.REPO, path, data or b"", base, root)
    return layer, _found(Source.REPO, path, data)


def _repo(source: Source, root: Path, file: Path, owners: tuple[int, ...]) -> Found:
    data = config.read_below(root, file, owners=owners)
    layer = None if data is None else _layer(source, root / file, data, root, root)
    return layer, _found(source, root / file, data)


def _layer(source: Source, path: Path, data: bytes, base: Path, root: Path | None = None) -> Layer:
    values = toml.parse(data, str(path)) if data.strip() else {}
    places_of = _places(data) if values else {}
    return Layer(
        source=source,
        values=values,
        where={keys.dotted(key): f"{path}:{line}" for key, line in places_of.items()},
        base=str(base),
        file=str(path),
        root=None if root is None else str(root),
        data=data,
    )


def _places(data: bytes) -> Mapping[tuple[str | int, ...], int]:
    from outrig.core.lines import lines  # noqa: PLC0415 - most have no configuration

    return lines(data.decode())


def _found(source: Source, path: Path, data: bytes | None) -> FoundFile:
    return FoundFile(source=source, path=path, state="absent" if data is None else "read")


# ---------------------------------------------------------------- the way up


def _repo_root(cwd: Path, top: Path | None, home: Path) -> Path | None:
    """The nearest directory with a repository's config, the committed one before a local one."""
    on_the_way = list(_way_up(cwd, top, home))
    for file in (places.REPO_CONFIG, LOCAL_CONFIG):
        for directory in on_the_way:
            if os.path.lexists(directory / file):
                return directory
    return None


def _way_up(cwd: Path, top: Path | None, home: Path) -> Iterator[Path]:
    last = top or home
    device = None
    for directory in (cwd, *cwd.parents):
        here = _device(directory)
        if here is None or (device is not None and here != device and top is None):
            return
        yield directory
        device = here
        if directory == last:
            return


def _device(directory: Path) -> int | None:
    try:
        return directory.stat().st_dev
    except OSError:
        return None


def _git_top(directory: Path) -> Path | None:
    """The git top level around a directory: what git would take for one, read as data."""
    for candidate in (directory, *directory.parents):
        try:
            found = (candidate / ".git").lstat()
        except OSError:
            continue
        if not stat.S_ISDIR(found.st_mode) or os.path.lexists(candidate / ".git/HEAD"):
            return candidate
    return None


def _owners(root: Path, caller: int, top: Path | None) -> tuple[int, ...]:
    """Who may own a config that was found: a root caller also obeys the workspace's owner."""
    if caller != 0:
        return (caller, 0)
    return (0, (top or root).stat().st_uid)


def _is_ours(root: Path, caller: int, top: Path | None) -> bool:
    owners = _owners(root, caller, top)
    try:
        for file in (places.REPO_CONFIG, LOCAL_CONFIG):
            config.read_below(root, file, owners=owners)
    except ConfigError:
        return False
    return True
