"""A .git of the session's own, made from the user's by files alone: no git process, no setting.

HEAD, refs, index and whatever operation is under way are copied; the config is written anew from
what is harmless; objects are borrowed, by the path at which the container sees the user's. What
the agent does to it reaches nobody. Tried: read-only mounts over hooks and config of the real one
are bypassed in three ways.

Every file may be a hostile repository's: opened by its directory's handle, never through a link,
never waited for, with a cap on its size.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from outrig.core import gitconfig
from outrig.core.frozen import frozen
from outrig.core.workspace import INSIDE
from outrig.errors import WorkspaceError
from outrig.workspace import regular

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from outrig.core.gitconfig import Entry

_LARGE = 2 * 1024**3  # bytes of an index or of packed-refs
_MOST_LOG = 4 * 1024 * 1024  # bytes of one reflog

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
    entries = gitconfig.parse(regular.text(source.common_dir, "config"))
    if gitconfig.is_true(gitconfig.value(entries, "extensions", "worktreeconfig")):
        entries += gitconfig.parse(regular.text(source.git_dir, "config.worktree"))
    return entries


def alternates(objects: str) -> tuple[str, ...]:
    """Where a repository says that more of its objects are. A session could have written it."""
    with regular.entered(objects) as folder:
        said = (
            regular.read("info/alternates", folder, regular.SMALL) if folder is not None else None
        )
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
        with (
            regular.entered(str(source.common_dir)) as common,
            regular.entered(str(source.git_dir)) as own,
        ):
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
                regular.copy(name, own, to, regular.SMALL)
            for name in _UNDER_WAY:
                regular.copy_tree(name, own, to / name, regular.SMALL)
        if self._with_index:
            regular.copy("index", own, to, _LARGE)
            for name in os.listdir(own):
                if name.startswith("sharedindex."):
                    regular.copy(name, own, to, _LARGE)

    def _refs(self, common: int, own: int, to: Path, *, linked: bool) -> None:
        for name in _SHARED:
            regular.copy(name, common, to, _LARGE)
        regular.copy_tree("reftable", common, to / "reftable", _LARGE)
        regular.copy_tree("refs", common, to / "refs", regular.SMALL, without=_OURS)
        for name in _OWN_REFS if linked and self._with_standing else ():
            regular.copy_tree(f"refs/{name}", own, to / "refs" / name, regular.SMALL)
        for name in _LOGS if self._with_standing else _LOGS[1:]:
            of = own if name == "HEAD" else common
            if not regular.copy(f"logs/{name}", of, to, _MOST_LOG):
                regular.copy_tree(f"logs/{name}", of, to / "logs" / name, _MOST_LOG)

    def _info(self, common: int, own: int, to: Path) -> None:
        for name in _INFO:
            regular.copy(f"info/{name}", common, to, regular.SMALL)
        regular.copy("info/sparse-checkout", own, to, regular.SMALL)
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
    tree = gitconfig.value(gitconfig.parse(regular.text(module, "config")), "core", "worktree")
    if tree is None or os.path.isabs(tree):
        return None
    place = os.path.normpath(f"{module}/{tree}")
    return tree if place.startswith(f"{common.parent}/") else None


def _modules(common: Path, below: str = "", depth: int = 0) -> Iterator[tuple[str, Path]]:
    """Their names can hold slashes."""
    folder = common / "modules" / below
    with regular.entered(str(folder)) as entered:
        if entered is None or depth > regular.DEEPEST:
            return
        names = [
            name for name in sorted(os.listdir(entered)) if regular.is_directory(name, entered)
        ]
        found = [name for name in names if _is_repository(name, entered)]
    for name in names:
        path = f"{below}/{name}" if below else name
        if name in found:
            yield path, folder / name
        else:
            yield from _modules(common, path, depth + 1)


def _is_repository(name: str, folder: int) -> bool:
    return regular.is_directory(f"{name}/objects", folder) and (
        regular.read(f"{name}/HEAD", folder, regular.SMALL) is not None
    )


def _made(path: Path) -> Path:
    path.mkdir(mode=0o777, parents=True)
    return path


def _entry(name: str, held: str) -> Entry:
    section, _, key = name.partition(".")
    return section, None, key, held
