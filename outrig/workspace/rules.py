"""Ignore rules of the user's own, kept as they were before the session could change them.

`.git/info/exclude` and the file that core.excludesFile names; what `.gitignore` files in the tree
say is part of the tree.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST = 1024 * 1024  # bytes of rules, or of a repository's config
_OWN = "info/ignored"  # the rules of core.excludesFile, beside info/exclude


def own(settings: Mapping[str, str], env: Mapping[str, str], home: Path) -> Path:
    """The file with what the user's git ignores everywhere; `settings` are those of their git."""
    config = env.get("XDG_CONFIG_HOME") or f"{home}/.config"
    named = settings.get("core.excludesfile")
    return _expanded(named, home) if named else Path(config) / "git/ignore"


def read(path: Path) -> bytes:
    """A regular file's bytes; none where there is none, or where it is anything else."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return file.read(LARGEST)
    return b""


def keep(snapshots: Path, common_dir: str | None, usual: Path, home: Path) -> None:
    """Copy them to the snapshots; what the repository itself names takes the place of `usual`."""
    named = None
    if common_dir:
        from outrig.core import gitconfig  # noqa: PLC0415 - many workspaces are no repository

        (snapshots / "info/exclude").write_bytes(read(Path(common_dir) / "info/exclude"))
        entries = gitconfig.parse(read(Path(common_dir) / "config").decode("utf-8", "replace"))
        named = gitconfig.value(entries, "core", "excludesfile")
    (snapshots / _OWN).write_bytes(read(_expanded(named, home) if named else usual))


def setting(snapshots: Path) -> dict[str, str]:
    """The setting by which git heeds them."""
    return {"core.excludesFile": str(snapshots / _OWN)}


def _expanded(path: str, home: Path) -> Path:
    return Path(f"{home}{path[1:]}" if path.startswith("~/") else path)
