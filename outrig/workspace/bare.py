"""The repository that snapshots are in: bare, of outrig's own, made or copied without a process.

It borrows the objects of the user's; its settings and attributes convert no byte.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from outrig.core.frozen import frozen
from outrig.errors import WorkspaceError
from outrig.workspace import rules

_CONFIG = """\
[core]
\trepositoryFormatVersion = {version}
\tbare = true
\tfileMode = true
\tignoreCase = false
\tprotectHFS = false
\tprotectNTFS = false
\tlogAllRefUpdates = false
\tcompression = 1
[pack]
\tcompression = 1
[fastimport]
\tunpackLimit = 0
"""
# What the tree's own .gitattributes say counts for nothing: no byte is converted.
_ATTRIBUTES = "* !text !eol !crlf !ident !filter !working-tree-encoding !diff !merge\n"


@frozen
class Source:
    """The user's repository, as it was found before the session; its places have no links."""

    common_dir: str  # objects, info/exclude
    index: str  # of the checkout that the session sees
    sha256: bool = False


def make(directory: Path, source: Source | None) -> None:
    """What `git init --bare` makes, without a process."""
    for name in ("objects/info", "objects/pack", "refs/snapshots", "info"):
        (directory / name).mkdir(parents=True, exist_ok=True, mode=0o700)
    _write(directory, "config", _config(sha256=source is not None and source.sha256))
    _write(directory, "info/attributes", _ATTRIBUTES)
    if source:
        _write(directory, "objects/info/alternates", f"{_quoted(source.common_dir)}\n")
    _write(directory, "HEAD", "ref: refs/heads/none\n")  # last: with it, it is a repository


def refuse_strange(directory: Path) -> None:
    """Raises WorkspaceError for one with settings of somebody's: git would run what they name.

    A session directory can come with a repository, and be named by --session-dir.
    """
    said = rules.read(directory / "config")
    ours = said in {_config(sha256=sha256).encode() for sha256 in (False, True)}
    if os.path.lexists(directory / "HEAD") and (
        not ours or os.path.lexists(directory / "commondir")
    ):
        raise WorkspaceError(
            f"{directory} has settings that are not outrig's; git is not run there"
        )


def _config(*, sha256: bool) -> str:
    extended = "[extensions]\n\tobjectFormat = sha256\n" if sha256 else ""
    return _CONFIG.format(version=int(sha256)) + extended


def _write(directory: Path, name: str, text: str) -> None:
    (directory / name).write_text(text, "utf-8", "surrogateescape")


def _quoted(common_dir: str) -> str:
    """A line of `alternates`: quoted as in C where it must be."""
    objects = f"{common_dir}/objects"
    if not any(character in objects for character in '"\n\\'):
        return objects
    escaped = objects.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def copy(source: Path, target: Path) -> None:
    """One of ours; objects are never rewritten, so both may have the same files."""
    if target.exists():
        raise WorkspaceError(f"{target} is there already")
    target.mkdir(mode=0o700)
    for folder, names, files in os.walk(source):
        below = os.path.relpath(folder, source)
        names[:] = [name for name in names if (below, name) != ("refs", "session")]
        (target / below).mkdir(mode=0o700, exist_ok=True)
        shared = below.partition("/")[0] == "objects"
        for name in files:
            if below.startswith("refs/snapshots") or name.startswith("scratch-"):
                continue
            _copy_file(Path(folder, name), target / below / name, shared=shared)


def _copy_file(source: Path, target: Path, *, shared: bool) -> None:
    if shared:
        with contextlib.suppress(OSError):  # another file system, or one without hard links
            target.hardlink_to(source)
            return
    import shutil  # noqa: PLC0415 - 4 ms, and few sessions are resumed

    shutil.copy2(source, target)
