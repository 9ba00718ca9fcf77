"""What a build sees: the files of its context. archive.py makes their digest and tar stream.

A context may be an agent's work. It is walked by directory handle and no link is ever followed:
what git lists only filters what was found (a link in place of a tracked directory would else lead
anywhere).
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Literal

from outrig.core import dockerignore
from outrig.core.frozen import frozen, given, replace
from outrig.errors import BuildError
from outrig.workspace import beneath, git

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from outrig.core.dockerignore import Pattern

IGNORE = ".dockerignore"
OWN_DOCKERFILE = ".outrig.dockerfile"  # one that lies outside of the context
LONGEST = 4096  # bytes of a path: what the kernel takes, and with it the engine
LARGEST = 16 * 1024**3  # bytes of a whole context


@frozen
class Entry:
    """One path of a context. `mode` is its permission bits, `target` what a link says."""

    path: str
    kind: Literal["file", "directory", "link"]
    mode: int
    size: int = 0
    target: str = ""


@frozen
class Context:
    """`dockerfile` is its path in the stream; `made` are files that are not in the directory."""

    root: Path
    dockerfile: str
    entries: tuple[Entry, ...]  # by path
    made: Mapping[str, bytes] = given(factory=dict)

    @property
    def size(self) -> int:
        return sum(entry.size for entry in self.entries)


def look(root: Path, dockerfile: Path, *, env: Mapping[str, str], listing: bool = True) -> Context:
    """The context at `root`; both paths exist and have their links resolved.

    In a git checkout it is what git tracks or would add; without `listing` it is what is there.
    Raises BuildError for what cannot be in a context, WorkspaceError when git cannot say.
    """
    folder = beneath.directory(root)
    try:
        ignored = beneath.read_text(folder, IGNORE)
        patterns = dockerignore.parse((ignored or b"").decode("utf-8", "replace"))
        listed = _Listed.of(_ask_git(root, env) if listing else ())
        found = {entry.path: entry for entry in _walk(folder, patterns, listed)}
        inside = dockerfile.is_relative_to(root)
        name = str(dockerfile.relative_to(root)) if inside else OWN_DOCKERFILE
        # As docker does it: both are always sent, and the engine takes out what is ignored.
        for needed in (IGNORE, name):
            if entry := _entry_at(folder, needed):
                # Read and not copied, as a rule: another umask is no reason to build again.
                found[needed] = replace(entry, mode=0o644)
    finally:
        os.close(folder)
    made = {}
    if not inside:
        lines = (ignored or b"").rstrip(b"\n").split(b"\n") if ignored else []
        made = {
            OWN_DOCKERFILE: beneath.read_file(dockerfile),
            IGNORE: b"\n".join((*lines, OWN_DOCKERFILE.encode(), b"")),
        }
    context = Context(
        root=root,
        dockerfile=name,
        entries=tuple(found[path] for path in sorted(found, key=os.fsencode) if path not in made),
        made=made,
    )
    _check_size(context)
    return context


# ---------------------------------------------------------------- finding


@frozen
class _Listed:
    """What git listed, as a filter: no paths means everything."""

    paths: frozenset[str]
    above: frozenset[str]  # directories with something of it

    @classmethod
    def of(cls, paths: Sequence[str]) -> _Listed:
        named = frozenset(path.rstrip("/") for path in paths)
        above: set[str] = set()
        for path in named:
            over = path.rpartition("/")[0]
            while over and over not in above:
                above.add(over)
                over = over.rpartition("/")[0]
        return cls(paths=named, above=frozenset(above))

    def takes(self, path: str) -> bool:
        return not self.paths or path in self.paths or path in self.above

    def is_whole(self, directory: str) -> bool:
        """A submodule or another repository: git says nothing about what is in it."""
        return directory in self.paths


_EVERYTHING = _Listed(paths=frozenset(), above=frozenset())


def _ask_git(root: Path, env: Mapping[str, str]) -> tuple[str, ...]:
    """Nothing is listed outside of a checkout, and in a directory that git ignores as a whole."""
    top = git.top_level(root)
    return git.files(root, top, env=env) if top else ()


def _walk(folder: int, patterns: Sequence[Pattern], listed: _Listed) -> Iterator[Entry]:
    """Everything that is not left out. A stack and no recursion: an agent can nest deeply."""
    waiting: list[tuple[str, tuple[bool, ...], _Listed]] = [("", (), listed)]
    while waiting:
        directory, above, filtering = waiting.pop()
        if len(os.fsencode(directory)) > LONGEST:
            raise BuildError(f"the build context is nested too deeply: {directory[:80]}...")
        inside = beneath.open_at(folder, directory, os.O_DIRECTORY)
        try:
            for name in os.listdir(inside):  # noqa: PTH208 - by directory handle
                path = f"{directory}/{name}" if directory else name
                if not filtering.takes(path) or (filtering is not listed and name == ".git"):
                    continue
                matched = dockerignore.verdicts(patterns, path, above)
                out = dockerignore.left_out(patterns, matched)
                state = _state(inside, name, path)
                if stat.S_ISDIR(state.st_mode) and (
                    not out or dockerignore.may_keep_below(patterns, path)
                ):
                    whole = filtering.is_whole(path)
                    waiting.append((path, matched, _EVERYTHING if whole else filtering))
                if not out:
                    yield _entry(inside, name, path, state)
        finally:
            os.close(inside)


def _state(inside: int, name: str, path: str) -> os.stat_result:
    try:
        return os.stat(name, dir_fd=inside, follow_symlinks=False)
    except FileNotFoundError as error:
        raise BuildError(f"{path} vanished while the build context was read") from error


def _entry(inside: int, name: str, path: str, state: os.stat_result) -> Entry:
    mode = state.st_mode & 0o777
    if stat.S_ISREG(state.st_mode):
        return Entry(path=path, kind="file", mode=mode, size=state.st_size)
    if stat.S_ISDIR(state.st_mode):
        return Entry(path=path, kind="directory", mode=mode)
    if stat.S_ISLNK(state.st_mode):
        target = os.readlink(name, dir_fd=inside)
        return Entry(path=path, kind="link", mode=0o777, target=target)
    raise BuildError(
        f"{path} in the build context is no file, directory or link",
        hint=beneath.leave_out(path),
    )


def _entry_at(folder: int, path: str) -> Entry | None:
    above, _, name = path.rpartition("/")
    try:
        inside = beneath.open_at(folder, above, os.O_DIRECTORY)
    except BuildError:
        return None
    try:
        state = os.stat(name, dir_fd=inside, follow_symlinks=False)
        return _entry(inside, name, path, state) if stat.S_ISREG(state.st_mode) else None
    except FileNotFoundError:
        return None
    finally:
        os.close(inside)


def _check_size(context: Context) -> None:
    if context.size > LARGEST:
        largest = max(context.entries, key=lambda entry: entry.size)
        raise BuildError(
            f"the build context {context.root} has {context.size} bytes, and no more than "
            f"{LARGEST} are sent; the largest file is {largest.path}",
            hint=beneath.leave_out(largest.path),
        )
