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
import re
from pathlib import Path

from outrig.core.frozen import frozen, replace
from outrig.errors import WorkspaceError, reason
from outrig.workspace import bare, borrowed, fifos, index, rules, waiting
from outrig.workspace.blobs import Blobs, Skipped
from outrig.workspace.differences import Differences
from outrig.workspace.folders import Folders
from outrig.workspace.git import Git
from outrig.workspace.recorder import Recorder, heeded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from outrig.workspace.bare import Source

DIRECTORY = "snapshots.git"
START, END, RESUMED = "start", "end", "resumed"
_TREE = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)
# git knows the empty tree without having it
EMPTY_TREE = {
    "sha1": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "sha256": "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}


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
            bare.make(self.directory, source)
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
            bare.copy(earlier.directory, self.directory)
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
        """The id of a snapshot's tree: the first that anybody asks of one that may be a stranger's.

        Raises WorkspaceError where git would obey somebody else's settings.
        """
        bare.refuse_strange(self.directory)
        said = rules.read(self.directory / "refs/snapshots" / name).strip()
        return said.decode() if _TREE.fullmatch(said) else None

    # ------------------------------------------------------------------ the repository
    @property
    def _index(self) -> Path:
        return self.directory / "index"

    @property
    def algorithm(self) -> str:
        return "sha256" if b"sha256" in rules.read(self.directory / "config") else "sha1"

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
            recorder = Recorder(blobs, self._unread())
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
        new = heeded(git, layer.new)
        with (
            Folders(upper) as folders,
            Blobs(self.git, folders, algorithm=self.algorithm) as blobs,
        ):
            recorder = Recorder(blobs, self._unread())
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


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WorkspaceError(f"cannot take a snapshot: {reason(error)}") from error
