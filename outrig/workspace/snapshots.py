"""Snapshots: what a session's workspace held, as git trees in a repository of outrig's own.

| in a snapshot                                        | not in it                                |
|------------------------------------------------------|------------------------------------------|
| what the user's repository tracked at the start,     | ignored files (.gitignore in the tree,   |
| ignored or not                                       | the user's own rules as of the start)    |
| all that was in the start snapshot and still exists  | `.git`, at any depth and in any case     |
| new files that are not ignored                       | FIFOs, sockets, devices, directories     |
| files of submodules and nested repositories, as      | what blobs.py calls too large; `skipped` |
| plain files: there are no gitlinks in a snapshot     | names it                                 |

The tree is hostile. git compares stat data and lists names there, with settings and attributes of
ours; contents are read by handle (blobs.py), and a nested repository is never asked anything.
Trees are compared with each other, start with end: a commit has gitlinks, and lacks the rest.

A session that goes on with another one's tree begins with a copy of that one's repository: its
START is what the first of them began with, and `resumed` is the tree as it was found.

Objects are borrowed from the user's repository, whose `gc` may take them away after a rebase: what
the difference between START and END needs is copied when END is taken (borrowed.py).

`refs/snapshots/<name>` point at the trees themselves. `index` is the index file of the start, with
its stat data, so that a later snapshot reads only what has changed since.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from outrig.core.frozen import frozen, replace
from outrig.errors import WorkspaceError, reason
from outrig.workspace import borrowed, fifos, index, rules, waiting
from outrig.workspace.blobs import Blobs, Skipped
from outrig.workspace.differences import Differences
from outrig.workspace.folders import Folders
from outrig.workspace.git import Git

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

DIRECTORY = "snapshots.git"
START, END, RESUMED = "start", "end", "resumed"
# git knows the empty tree without having it
EMPTY_TREE = {
    "sha1": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "sha256": "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}
_FILES = 500_000  # that one snapshot may add
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


@frozen(kw_only=False)
class Taken:
    """A snapshot: the id of its tree, and the files whose content it lacks."""

    tree: str
    skipped: tuple[Skipped, ...]


class Snapshots:
    """Those of one session. Making the object touches nothing."""

    def __init__(self, directory: Path, env: Mapping[str, str]) -> None:
        self.directory = directory
        self._env = env
        self.git = Git(git_dir=str(directory), path=env.get("PATH", os.defpath))

    def start(self, tree: Path, source: Source | None, ignored: Path, home: Path) -> Taken:
        """Make the repository and take the first snapshot, before the session can write.

        `ignored` is the file with what the user's git ignores everywhere. Raises WorkspaceError.
        """
        with _explained(), self._scratch() as scratch:
            self._make(source)
            self.look(loose=False)
            rules.keep(self.directory, source.common_dir if source else None, ignored, home)
            git = self._over(tree, scratch)
            with self._begun(git, tree, source) as differences:
                taken = self._take(git, tree, differences, keep=True)
            if scratch.exists():
                scratch.replace(self._index)
            (self.directory / "skipped").write_bytes(
                b"".join(one.path + b"\0" for one in taken.skipped)
            )
            self.name(START, taken.tree)
        return taken

    def go_on(self, earlier: Snapshots, tree: Path, *, shared: bool, layer: bool) -> Taken:
        """Take the first snapshot of a session that goes on with the tree of an `earlier` one.

        Returns START: what this session and the earlier one change together is measured from it.
        In a tree of the session's own that is where the earlier one began. In a `shared` tree
        the user has worked meanwhile: it is the tree as it is, without what the earlier session
        did and nobody has touched since. `layer`: what both did lies over `tree` anyway.
        """
        with _explained(), self._scratch() as scratch:
            _copy_repository(earlier.directory, self.directory)
            self.look()
            index.copy(str(earlier._index), str(scratch))
            git = self._over(tree, scratch)
            with Differences(git, tree) as differences:
                taken = self._take(git, tree, differences, keep=True)
            if scratch.exists():
                scratch.replace(self._index)
            self.name(RESUMED, taken.tree)
            start, end = earlier.tree(START), earlier.tree(END)
            if layer or start is None or (shared and end is None):
                start = taken.tree
            elif shared and end is not None:
                start = self._without(taken.tree, start, end)
            self.name(START, start)
        return replace(taken, tree=start)

    def _without(self, tree: str, start: str, end: str) -> str:
        """The tree, with what `start` and `end` differ in as it was, where it is as in `end`."""
        from outrig.workspace.repository import Repository  # noqa: PLC0415 - few sessions need it

        ours = Repository(git_dir=self.directory, env=self._env)
        since = {change.path for change in ours.changes(end, tree)}
        back = [one for one in ours.changes(start, end) if one.path not in since]
        if not back:
            return tree
        with self._scratch() as scratch:
            git = replace(self.git, index=str(scratch))
            git("read-tree", tree)
            removed = [index.removal(one.path) for one in back]
            index.update(git, removed)
            index.update(git, [index.line(*one.old, one.path) for one in back if one.old])
            return git("write-tree", "--missing-ok").decode().strip()

    def take(self, tree: Path, name: str | None = None, *, upper: Path | None = None) -> Taken:
        """Another snapshot: END, `checkpoint/N`, or without a name one that nothing refers to.

        `upper` is the layer that lies over `tree`, and holds all that the session changed.
        Raises WorkspaceError, also where there is no start snapshot.
        """
        if self.tree(START) is None:
            raise WorkspaceError(f"{self.directory} has no start snapshot")
        with _explained(), self._scratch() as scratch:
            self.look(loose=False)
            index.copy(str(self._index), str(scratch))
            git = self._over(tree, scratch)
            if upper:
                taken = self._take_layer(git, upper)
            else:
                with Differences(git, tree) as differences:
                    taken = self._take(git, tree, differences)
            if name:
                self.name(name, taken.tree)
            if name == END:
                borrowed.keep(self.git, self.directory, str(self.tree(START)), taken.tree)
        return taken

    def look(self, *, loose: bool = True) -> None:
        """Raises WorkspaceError where git would wait for an object that it borrows."""
        waiting.refuse_objects(self.directory / "objects", loose=loose)

    def tree(self, name: str) -> str | None:
        """The id of a snapshot's tree."""
        try:
            return (self.directory / "refs/snapshots" / name).read_text("ascii").strip()
        except (FileNotFoundError, NotADirectoryError):
            return None

    # ------------------------------------------------------------------ the repository
    @property
    def _index(self) -> Path:
        return self.directory / "index"

    @property
    def algorithm(self) -> str:
        return "sha256" if "sha256" in (self.directory / "config").read_text("ascii") else "sha1"

    def _make(self, source: Source | None) -> None:
        """What `git init --bare` makes, without a process."""
        for name in ("objects/info", "objects/pack", "refs/snapshots", "info"):
            (self.directory / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        sha256 = source is not None and source.sha256
        config = _CONFIG.format(version=int(sha256))
        config += "[extensions]\n\tobjectFormat = sha256\n" if sha256 else ""
        self._write("config", config)
        self._write("info/attributes", _ATTRIBUTES)
        if source:
            self._write("objects/info/alternates", f"{_quoted(source.common_dir)}\n")
        self._write("HEAD", "ref: refs/heads/none\n")  # last: with it, it is a repository

    def _write(self, name: str, text: str) -> None:
        (self.directory / name).write_text(text, "utf-8", "surrogateescape")

    def name(self, name: str, tree: str) -> None:
        """Let a name refer to a tree, so that it is found again."""
        ref = self.directory / "refs/snapshots" / name
        ref.parent.mkdir(exist_ok=True)
        beside = ref.with_name(f"{ref.name}.lock")
        beside.write_text(f"{tree}\n", "ascii")
        beside.replace(ref)

    @contextlib.contextmanager
    def _scratch(self) -> Iterator[Path]:
        """An index file for one snapshot: others may be taken at the same time."""
        path = self.directory / f"scratch-{os.getpid()}-{os.urandom(4).hex()}"
        try:
            yield path
        finally:
            for left in (path, path.with_name(f"{path.name}.lock")):
                left.unlink(missing_ok=True)

    def _over(self, tree: Path, scratch: Path) -> Git:
        settings = rules.setting(self.directory)
        return replace(self.git, work_tree=str(tree), index=str(scratch), settings=settings)

    # ------------------------------------------------------------------ one snapshot
    def _begun(self, git: Git, tree: Path, source: Source | None) -> Differences:
        """How the tree differs from the user's own index, where there is one."""
        assert git.index
        if source is None or not index.copy(source.index, git.index):
            return Differences(git, tree)
        asked = Differences(git, tree, entries=True)
        try:
            odd = index.odd(asked.entries())
            if not odd:
                return asked
            asked.__exit__()
            index.clear(git, odd)
        except WorkspaceError:  # split: its other half is in the repository
            asked.__exit__()
            index.rebuild(git, source.index, source.common_dir)
        return Differences(git, tree)

    def _take(self, git: Git, tree: Path, differences: Differences, *, keep: bool = False) -> Taken:
        """`keep`: the index shall know the stat data of what it holds."""
        with (
            Folders(tree) as folders,
            Blobs(self.git, folders, algorithm=self.algorithm) as blobs,
        ):
            recorder = _Recorder(blobs, self._unread())
            recorder.changed(differences.changed())
            recorder.new(differences.new())
            recorder.skip(differences.unlisted, "one nested repository too many")
        index.update(git, recorder.lines)
        if keep and recorder.lines:
            with git.start("update-index", "-q", "--refresh") as running:
                fifos.answer(running, tree, accepted=(0, 1))
        known = None if keep or recorder.lines else self._of_index
        return Taken(known or self._written(git), tuple(recorder.skipped))

    @property
    def _of_index(self) -> str | None:
        """The tree of the index: as the session found it."""
        return self.tree(RESUMED) or self.tree(START)

    def _take_layer(self, git: Git, upper: Path) -> Taken:
        """What the start snapshot held, and the layer over it; ignored as the lower tree says."""
        from outrig.workspace import overlay  # noqa: PLC0415 - one mode needs it

        held = git("ls-files", "-z").split(b"\0")[:-1] if Path(git.index or "").exists() else []
        layer = overlay.over(upper, held)
        new = _heeded(git, layer.new)
        with (
            Folders(upper) as folders,
            Blobs(self.git, folders, algorithm=self.algorithm) as blobs,
        ):
            recorder = _Recorder(blobs, self._unread())
            recorder.lines += [index.removal(path) for path in layer.gone]
            recorder.changed(layer.changed)
            recorder.new(new)
        index.update(git, recorder.lines)
        known = None if recorder.lines else self._of_index
        return Taken(known or self._written(git), tuple(recorder.skipped))

    def _written(self, git: Git) -> str:
        """The tree of an index. Blobs that a partial clone lacks are named all the same."""
        if not Path(git.index or "").exists():
            return EMPTY_TREE[self.algorithm]
        return git("write-tree", "--missing-ok").decode().strip()

    def _unread(self) -> frozenset[bytes]:
        """What the start snapshot lacks: recorded now, it would look as if the session made it."""
        try:
            return frozenset((self.directory / "skipped").read_bytes().split(b"\0"))
        except FileNotFoundError:
            return frozenset()


class _Recorder:
    """Turns paths into lines for an index."""

    def __init__(self, blobs: Blobs, unread: frozenset[bytes]) -> None:
        self._blobs = blobs
        self._unread = unread
        self.lines: list[bytes] = []
        self.skipped: list[Skipped] = []

    def changed(self, paths: Iterable[bytes]) -> None:
        """Entries of the index: what is there no more is taken out, before anything comes in."""
        lines: list[bytes] = []
        for path in paths:
            found = self._blobs.put(path)
            if isinstance(found, Skipped):
                self.skipped.append(found)
            elif found is None:
                self.lines.append(index.removal(path))
            else:
                lines += [index.removal(path), index.line(found.mode, found.id, path)]
        self.lines += lines

    def new(self, paths: Sequence[bytes]) -> None:
        for path in paths[:_FILES]:
            if path in self._unread:
                self.skipped.append(Skipped(path, "not in the start snapshot either"))
            elif _is_git(path):
                self.skipped.append(Skipped(path, "git records nothing of this name"))
            elif found := self._blobs.put(path):
                if isinstance(found, Skipped):
                    self.skipped.append(found)
                elif found.mode == "120000" and path.lower().endswith(_NO_LINKS):
                    self.skipped.append(Skipped(path, "git records no link of this name"))
                else:
                    self.lines.append(index.line(found.mode, found.id, path))
        self.skip(paths[_FILES:], f"a snapshot adds at most {_FILES} files")

    def skip(self, paths: Iterable[bytes], why: str) -> None:
        self.skipped += (Skipped(path, why) for path in paths)


_NO_LINKS = (b".gitmodules", b".gitattributes", b".gitignore", b".mailmap")


def _copy_repository(source: Path, target: Path) -> None:
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


def _heeded(git: Git, paths: Sequence[bytes]) -> list[bytes]:
    """Those of new paths that are not ignored."""
    if not paths:
        return []
    # check-ignore knows no literal paths; one that begins with ./ holds no magic.
    asked = b"".join(b"./" + path + b"\0" for path in paths)
    question = ("--no-literal-pathspecs", "check-ignore", "-z", "--no-index", "--stdin")
    said = git(*question, stdin=asked, accepted=(0, 1, 128))
    ignored = frozenset(said.split(b"\0"))
    return [path for path in paths if b"./" + path not in ignored]


def _is_git(path: bytes) -> bool:
    lower = path.lower()
    return b".git" in lower and b".git" in lower.split(b"/")


def _quoted(common_dir: str) -> str:
    """A line of `alternates`: quoted as in C where it must be."""
    objects = f"{common_dir}/objects"
    if not any(character in objects for character in '"\n\\'):
        return objects
    escaped = objects.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WorkspaceError(f"cannot take a snapshot: {reason(error)}") from error
