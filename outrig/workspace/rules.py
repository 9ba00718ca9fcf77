"""Ignore rules of the user's own, kept as they were before the session could change them.

`.git/info/exclude` and the file that core.excludesFile names; what `.gitignore` files in the tree
say is part of the tree.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from outrig.errors import WorkspaceError
from outrig.workspace.git import Git

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST = 1024 * 1024  # bytes of rules
_OWN = "ignored"  # in info/: the rules of core.excludesFile


def keep(snapshots: Path, common_dir: str | None, env: Mapping[str, str]) -> None:
    """Copy them into the snapshots' own repository."""
    info = snapshots / "info"
    if common_dir:
        (info / "exclude").write_bytes(_small(Path(common_dir) / "info/exclude"))
    (info / _OWN).write_bytes(_small(_configured(common_dir, env)))


def setting(snapshots: Path) -> dict[str, str]:
    """The setting by which git heeds them."""
    return {"core.excludesFile": str(snapshots / "info" / _OWN)}


def _configured(common_dir: str | None, env: Mapping[str, str]) -> Path | None:
    """The file of the user's own rules. Reading a configuration starts no program."""
    home = env.get("HOME", "")
    config = env.get("XDG_CONFIG_HOME") or f"{home}/.config"
    usual = Path(config) / "git/ignore"
    git = Git(
        git_dir=common_dir or "/nowhere", path=env.get("PATH", os.defpath), variables=_own(env)
    )
    try:
        named = git("config", "-z", "--path", "--get", "core.excludesFile", accepted=(0, 1))
    except WorkspaceError:  # a configuration that git cannot read names nothing
        return usual
    return Path(os.fsdecode(named.rstrip(b"\0"))) if named else usual


def _own(env: Mapping[str, str]) -> dict[str, str | None]:
    """The user's own configuration counts for once."""
    passed = {name: env[name] for name in ("HOME", "XDG_CONFIG_HOME") if name in env}
    return {**passed, "GIT_CONFIG_GLOBAL": None, "GIT_CONFIG_NOSYSTEM": None}


def _small(path: Path | None) -> bytes:
    """A regular file's bytes; none where there is none, or where it is anything else."""
    if path is None:
        return b""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return file.read(LARGEST)
    return b""
