"""A .git of the session's own, made from the user's by files alone: no git process, no setting.

HEAD, refs, index and whatever operation is under way are copied; the config is written anew from
what is harmless; objects are borrowed, by the path at which the container sees the user's. What
the agent does to it reaches nobody. Tried: read-only mounts over hooks and config of the real one
are bypassed in three ways.

Every file may be a hostile repository's: opened by its directory's handle, never through a link,
never waited for, with a cap on its size.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING

from outrig.core import gitconfig
from outrig.core.frozen import frozen
from outrig.core.workspace import INSIDE
from outrig.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from outrig.core.gitconfig import Entry

_SMALL = 1024 * 1024  # bytes of a config, a list of ignored files, a message
_LARGE = 2 * 1024**3  # bytes of an index or of packed-refs
_MOST_LOG = 4 * 1024 * 1024  # bytes of one reflog
_DEEPEST = 40  # directories in refs
_NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)  # ENXIO: a socket

_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

# Of the working tree: where it stands, and what it is in the middle of.
_STANDING = (
    *("HEAD", "ORIG_HEAD", "FETCH_HEAD", "MERGE_HEAD", "MERGE_MSG", "MERGE_MODE", "MERGE_RR"),
    *("CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD", "AUTO_MERGE", "SQUASH_MSG", "BISECT_START"),
    *("BISECT_LOG", "BISECT_NAMES", "BISECT_TERMS", "BISECT_EXPECTED_REV"),
)
_UNDER_WAY = ("rebase-merge", "rebase-apply", "sequencer")
_OWN_REFS = ("bisect", "worktree", "rewritten")
_SHARED = ("packed-refs", "shallow")
_INFO = ("exclude", "attributes", "grafts")
_LOGS = ("HEAD", "refs/stash", "refs/heads")
_OURS = "outrig"  # refs/outrig: pins of other sessions


@frozen(kw_only=False)
class Source:
    """The user's repository. Two directories in a linked worktree."""

    git_dir: Path
    common_dir: Path


@frozen(kw_only=False)
class Borrowed:
    """An objects directory, and where the container must see it, read-only."""

    host: str
    inside: str


@frozen(kw_only=False)
class Module:
    """A submodule's repository in the shadow; `tree` is its path in the working tree."""

    git: Path
    tree: str | None
    objects: str  # on the host


@frozen(kw_only=False)
class Shadow:
    """What was made: what it borrows, where that has to be written down, its submodules."""

    borrowed: tuple[Borrowed, ...]
    links: tuple[tuple[Path, str], ...]
    modules: tuple[Module, ...]


def make(
    source: Source,
    to: Path,
    *,
    work_tree: str | None,
    settings: Mapping[str, str],
    ignored: bytes = b"",
    standing: bool = True,
    index: bool = True,
) -> Shadow:
    """Make the directory `to` a repository like `source`; link() then lets it borrow objects.

    `work_tree` is the tree's path in the container, where that is not the directory above;
    `settings` are core.* of the user's own config; `ignored` is the user's own list of ignored
    files; `standing` is HEAD and what is under way. Raises WorkspaceError when the repository
    cannot be read.
    """
    made = _Maker(settings, ignored, standing=standing, index=index)
    try:
        made.repository(source, to, work_tree=work_tree)
    except OSError as error:
        raise WorkspaceError(
            f"the repository {source.common_dir} cannot be read: {error.strerror}: "
            f"{error.filename or ''}"
        ) from error
    return Shadow(tuple(made.borrowed), tuple(made.links), tuple(made.modules))


def link(made: Shadow) -> None:
    """Let it borrow: by paths of the container, of which git on the host would complain."""
    for alternates_, inside in made.links:
        alternates_.write_text(f"{inside}\n")


def borrowable(source: Source) -> tuple[Borrowed, ...]:
    """What a repository made like `source` borrows, as make() would say it again."""
    made = [Borrowed(_objects(source.common_dir), _inside(0))]
    _further(source.common_dir, made)
    return tuple(made)


def trust_less_of_stat(git: Path) -> None:
    """For files that were given away, or copied, since the index was written."""
    with (git / "config").open("a") as file:
        file.write("[core]\n\ttrustctime = false\n\tcheckstat = minimal\n")


def config_entries(source: Source) -> list[Entry]:
    """What the repository's own config says, that of the worktree behind it."""
    entries = gitconfig.parse(_text(source.common_dir, "config"))
    if gitconfig.is_true(gitconfig.value(entries, "extensions", "worktreeconfig")):
        entries += gitconfig.parse(_text(source.git_dir, "config.worktree"))
    return entries


def alternates(objects: str) -> tuple[str, ...]:
    """Where a repository says that more of its objects are. A session could have written it."""
    with _entered(objects) as folder:
        said = _read("info/alternates", folder, _SMALL) if folder is not None else None
    lines = os.fsdecode(said or b"").splitlines()
    return tuple(
        os.path.normpath(os.path.join(objects, line))
        for line in lines
        if line and not line.startswith("#")
    )


class _Maker:
    def __init__(
        self, settings: Mapping[str, str], ignored: bytes, *, standing: bool, index: bool
    ) -> None:
        self._settings = [_entry(name, text) for name, text in settings.items()]
        self._ignored = ignored
        self._with_standing = standing
        self._with_index = index
        self.borrowed: list[Borrowed] = []
        self.links: list[tuple[Path, str]] = []
        self.modules: list[Module] = []

    def repository(self, source: Source, to: Path, *, work_tree: str | None) -> None:
        for name in ("", "info", "refs", "refs/heads", "refs/tags", "objects", "objects/info"):
            (to / name).mkdir(mode=0o777, exist_ok=True)
        for name in ("objects/pack", "logs"):
            (to / name).mkdir(mode=0o777)
        with _entered(str(source.common_dir)) as common, _entered(str(source.git_dir)) as own:
            if common is None or own is None:
                raise WorkspaceError(f"{source.git_dir} is no repository any more")
            self._standing(own, to)
            self._refs(common, own, to, linked=source.common_dir != source.git_dir)
            self._info(common, own, to)
        self._config(source, to, work_tree)
        self._borrow(source.common_dir, to)
        self._modules(source.common_dir, to)

    def _standing(self, own: int, to: Path) -> None:
        if self._with_standing:
            for name in _STANDING:
                _copy(name, own, to, _SMALL)
            for name in _UNDER_WAY:
                _copy_tree(name, own, to / name, _SMALL)
        if self._with_index:
            _copy("index", own, to, _LARGE)
            for name in os.listdir(own):
                if name.startswith("sharedindex."):
                    _copy(name, own, to, _LARGE)

    def _refs(self, common: int, own: int, to: Path, *, linked: bool) -> None:
        for name in _SHARED:
            _copy(name, common, to, _LARGE)
        _copy_tree("reftable", common, to / "reftable", _LARGE)
        _copy_tree("refs", common, to / "refs", _SMALL, without=_OURS)
        for name in _OWN_REFS if linked and self._with_standing else ():
            _copy_tree(f"refs/{name}", own, to / "refs" / name, _SMALL)
        for name in _LOGS if self._with_standing else _LOGS[1:]:
            of = own if name == "HEAD" else common
            if not _copy(f"logs/{name}", of, to, _MOST_LOG):
                _copy_tree(f"logs/{name}", of, to / "logs" / name, _MOST_LOG)

    def _info(self, common: int, own: int, to: Path) -> None:
        for name in _INFO:
            _copy(f"info/{name}", common, to, _SMALL)
        _copy("info/sparse-checkout", own, to, _SMALL)
        if self._ignored:
            with (to / "info/exclude").open("ab") as file:
                file.write(b"\n" + self._ignored)

    def _config(self, source: Source, to: Path, work_tree: str | None) -> None:
        kept = gitconfig.harmless([*self._settings, *config_entries(source)])
        extended = any(section == "extensions" for section, *_ in kept)
        entries: list[Entry] = [
            ("core", None, "repositoryformatversion", "1" if extended else "0"),
            ("core", None, "bare", "false"),
            *kept,
        ]
        if work_tree is not None:
            entries.append(("core", None, "worktree", work_tree))
        data = gitconfig.text(entries).encode("utf-8", "surrogateescape")
        with (to / "config").open("xb") as file:
            file.write(data)

    def _borrow(self, common: Path, to: Path) -> None:
        """Real objects, by a real directory: a link could lead to somebody else's."""
        objects, inside = _objects(common), _inside(len(self.borrowed))
        self.borrowed.append(Borrowed(objects, inside))
        self.links.append((to / "objects/info/alternates", inside))

    def _modules(self, common: Path, to: Path) -> None:
        """Submodules that were checked out live in the repository, each a repository."""
        for name, module in _modules(common):
            git = _made(to / "modules" / name)
            tree = _tree_of(module, common)
            self.repository(Source(module, module), git, work_tree=tree)
            path = None if tree is None else os.path.relpath(f"{module}/{tree}", common.parent)
            self.modules.append(Module(git, path, f"{module}/objects"))


def _objects(common: Path) -> str:
    objects = f"{common}/objects"
    if not stat.S_ISDIR(os.lstat(objects).st_mode):
        raise WorkspaceError(f"{objects} is no directory of its own; outrig does not follow it")
    return objects


def _inside(number: int) -> str:
    return f"{INSIDE}/objects/{number}"


def _further(common: Path, made: list[Borrowed]) -> None:
    for _, module in _modules(common):
        made.append(Borrowed(_objects(module), _inside(len(made))))
        _further(module, made)


def _tree_of(module: Path, common: Path) -> str | None:
    """A submodule names its tree from where it is, which is the same way inside."""
    tree = gitconfig.value(gitconfig.parse(_text(module, "config")), "core", "worktree")
    if tree is None or os.path.isabs(tree):
        return None
    place = os.path.normpath(f"{module}/{tree}")
    return tree if place.startswith(f"{common.parent}/") else None


def _modules(common: Path, below: str = "", depth: int = 0) -> Iterator[tuple[str, Path]]:
    """Their names can hold slashes."""
    folder = common / "modules" / below
    with _entered(str(folder)) as entered:
        if entered is None or depth > _DEEPEST:
            return
        names = [name for name in sorted(os.listdir(entered)) if _is_directory(name, entered)]
        found = [name for name in names if _is_repository(name, entered)]
    for name in names:
        path = f"{below}/{name}" if below else name
        if name in found:
            yield path, folder / name
        else:
            yield from _modules(common, path, depth + 1)


def _is_repository(name: str, folder: int) -> bool:
    return _is_directory(f"{name}/objects", folder) and (
        _read(f"{name}/HEAD", folder, _SMALL) is not None
    )


def _is_directory(name: str, folder: int) -> bool:
    try:
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except OSError:
        return False
    return stat.S_ISDIR(mode)


def _made(path: Path) -> Path:
    path.mkdir(mode=0o777, parents=True)
    return path


def _entry(name: str, held: str) -> Entry:
    section, _, key = name.partition(".")
    return section, None, key, held


# ---------------------------------------------------------------- files


@contextlib.contextmanager
def _entered(path: str) -> Iterator[int | None]:
    """A directory's handle; None where there is none, or a link."""
    try:
        folder = os.open(path, _ENTER)
    except (FileNotFoundError, NotADirectoryError):
        yield None
        return
    try:
        yield folder
    finally:
        os.close(folder)


def _text(directory: Path, name: str) -> str:
    with _entered(str(directory)) as folder:
        data = None if folder is None else _read(name, folder, _SMALL)
    return (data or b"").decode("utf-8", "surrogateescape")


def _enter(parts: Iterable[str], folder: int) -> int | None:
    """A handle of its own for a directory below `folder`; None where there is none, or a link."""
    at = os.dup(folder)
    for part in parts:
        try:
            below = os.open(part, _ENTER, dir_fd=at)
        except OSError as error:
            if error.errno in _NO_FILE:
                return None
            raise
        finally:
            os.close(at)
        at = below
    return at


@contextlib.contextmanager
def _opened(name: str, folder: int, most: int) -> Iterator[tuple[int, int] | None]:
    """A regular file and its size; None for everything else. No component may be a link."""
    *above, last = name.split("/")
    at = _enter(above, folder)
    if at is None:
        yield None
        return
    try:
        descriptor = os.open(last, _READ, dir_fd=at)
    except OSError as error:
        if error.errno not in _NO_FILE:
            raise
        yield None
        return
    finally:
        os.close(at)
    try:
        state = os.fstat(descriptor)
        good = stat.S_ISREG(state.st_mode) and state.st_size <= most
        yield (descriptor, state.st_size) if good else None
    finally:
        os.close(descriptor)


def _read(name: str, folder: int, most: int) -> bytes | None:
    with _opened(name, folder, most) as found:
        if found is None:
            return None
        with os.fdopen(found[0], "rb", closefd=False) as file:
            return file.read(most)


def _copy(name: str, folder: int, to: Path, most: int) -> bool:
    """Copy a file to the same name below `to`; False where there is none that may be copied."""
    with _opened(name, folder, most) as found:
        if found is None:
            return False
        target = to / name
        target.parent.mkdir(mode=0o777, parents=True, exist_ok=True)
        copy = os.open(target, _MAKE, 0o666)
        try:
            _pour(found[0], copy, found[1])
        finally:
            os.close(copy)
    return True


def _pour(source: int, copy: int, size: int) -> None:
    while size > 0 and (count := os.sendfile(copy, source, None, size)) > 0:
        size -= count


def _copy_tree(
    name: str, folder: int, to: Path, most: int, *, without: str = "", depth: int = 0
) -> None:
    """Copy a directory's files, as deep as they are; links and special files stay behind."""
    at = _enter(name.split("/"), folder)
    if at is None:
        return
    try:
        to.mkdir(mode=0o777, parents=True, exist_ok=True)
        for inner in sorted(os.listdir(at)):
            if inner == without or depth > _DEEPEST:
                continue
            if _is_directory(inner, at):
                _copy_tree(inner, at, to / inner, most, depth=depth + 1)
            elif not inner.endswith(".lock"):
                _copy(inner, at, to, most)
    finally:
        os.close(at)
