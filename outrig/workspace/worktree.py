"""A checkout of the session's own: its files, its .git, its branch; the user's are only read.

git runs here on the host before the session does, with a .git that outrig has just written: what
it obeys is ours, but for the .gitattributes of the commit, and filters that those name have no
program here. Objects are borrowed and not copied, so the commit that it begins with is pinned in
the user's repository.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from outrig.core.frozen import frozen
from outrig.errors import WorkspaceError, reason
from outrig.workspace import shadow, waiting
from outrig.workspace.folders import Folders
from outrig.workspace.git import Git
from outrig.workspace.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from outrig.core.ignore import Rules
    from outrig.workspace.folders import Spot
    from outrig.workspace.shadow import Module, Shadow, Source

KEEP = "refs/outrig/keep/"  # then the session's id
INCLUDES = ".outriginclude"
_PARALLEL = {"checkout.workers": "0", "checkout.thresholdForParallelism": "100"}
_RULES = 1024 * 1024  # bytes of .outriginclude
_CHUNK = 1 << 20
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_GITLINK = "160000"


@frozen
class Wanted:
    """What it shall hold. `base` is the commit it begins with, None where there is none yet."""

    root: Path  # the user's tree
    source: Source
    base: str | None
    branch: str
    include: tuple[str, ...]
    exclude: Rules
    changes: bool
    settings: Mapping[str, str]
    ignored: bytes
    env: Mapping[str, str]
    given_away: bool  # to another uid: the index's stat data will not fit


class Made(NamedTuple):
    """What it borrows, and what the user must hear."""

    shadow: Shadow
    notices: tuple[str, ...]


def resolve(source: Source, ref: str, env: Mapping[str, str]) -> str:
    """The commit that --from means. Raises WorkspaceError when there is none."""
    waiting.refuse(source.git_dir, source.common_dir)
    commit = Repository(git_dir=source.git_dir, env=env).commit(ref)
    if commit is None:
        raise WorkspaceError(f'--from "{ref}" names no commit', hint="git log --oneline --all")
    return commit


def pin(source: Source, session: str, commit: str, env: Mapping[str, str]) -> None:
    """Keep the commit from the user's own gc. Raises WorkspaceError."""
    waiting.refuse(source.git_dir, source.common_dir)
    repository = Repository(git_dir=source.common_dir, env=env)
    try:
        repository.run("update-ref", KEEP + session, commit, "0" * len(commit))
    except WorkspaceError as error:
        raise WorkspaceError(
            f"the commit that the worktree begins with cannot be pinned: {error.message}",
            hint="--workspace copy, which takes nothing from the repository",
        ) from error


def unpin(common_dir: Path, session: str, env: Mapping[str, str]) -> None:
    """Let go of it; gone already is no error."""
    Repository(git_dir=common_dir, env=env).run("update-ref", "-d", KEEP + session)


def make(wanted: Wanted, to: Path) -> Made:
    """Check it out into the empty directory `to`. Raises WorkspaceError."""
    made = shadow.make(
        wanted.source,
        _made(to / ".git"),
        work_tree=None,
        settings=wanted.settings,
        ignored=wanted.ignored,
        standing=False,
        index=wanted.changes,
    )
    return _Maker(wanted, to, made).go()


class _Maker:
    def __init__(self, wanted: Wanted, to: Path, made: Shadow) -> None:
        self._wanted = wanted
        self._to = to
        self._made = made
        self._notices: list[str] = []
        self._git = _git(to / ".git", to, [one.host for one in made.borrowed], wanted.env)

    def go(self) -> Made:
        self._stand()
        if self._wanted.changes:
            self._check_out_index()
        elif self._wanted.base:
            self._git("read-tree", "--reset", "-u", self._wanted.base)
        for module in self._made.modules:
            self._module(module)
        if self._wanted.changes:
            self._bring_changes()
        self._bring_included()
        self._leave_out()
        if self._wanted.given_away:
            shadow.trust_less_of_stat(self._to / ".git")
        shadow.link(self._made)
        return Made(self._made, tuple(self._notices))

    def _stand(self) -> None:
        """On the new branch."""
        git = self._to / ".git"
        branch = git / "refs/heads" / self._wanted.branch
        (git / "HEAD").write_text(f"ref: refs/heads/{self._wanted.branch}\n")
        if self._wanted.base:
            branch.parent.mkdir(parents=True, exist_ok=True)
            branch.write_text(f"{self._wanted.base}\n")

    # ------------------------------------------------------------------ the user's changes
    def _check_out_index(self) -> None:
        """What is staged is staged here too, with objects of its own: none pins the user's."""
        if self._git("ls-files", "-z", "--unmerged"):
            raise WorkspaceError(
                "there are unmerged files, and --with-changes cannot bring them along",
                hint="finish or abort the merge first: git status",
            )
        against = self._wanted.base or _empty_tree(self._git)
        raw = self._git("diff-index", "--cached", "--raw", "-z", "--no-abbrev", against)
        staged = [fields[3] for fields in _raw(raw) if fields[1] != _GITLINK]
        blobs = "".join(f"{name}\n" for name in staged if name.strip("0"))
        if blobs:
            pack = str(self._to / ".git/objects/pack/pack")
            self._git("pack-objects", "-q", pack, stdin=blobs.encode())
        self._changed = _paths(self._seeing("ls-files", "-z", "--modified"))
        self._deleted = set(_paths(self._seeing("ls-files", "-z", "--deleted")))
        self._git("checkout-index", "--all", "--force", "--index", "--quiet")

    def _bring_changes(self) -> None:
        new = _paths(self._seeing("ls-files", "-z", "--others", "--exclude-standard"))
        with Folders(self._wanted.root) as there, Folders(self._to) as here:
            for path in self._deleted:
                _remove(here.spot(path))
            for path in (*self._changed, *new):
                if path not in self._deleted:
                    _bring(path, there, here)

    def _seeing(self, *argv: str) -> bytes:
        """Our git, our index, the user's files: no setting of the user's is read."""
        git = _git(
            self._to / ".git",
            self._wanted.root,
            [one.host for one in self._made.borrowed],
            self._wanted.env,
        )
        return git(*argv)

    # ------------------------------------------------------------------ what git does not know
    def _bring_included(self) -> None:
        """Untracked files that `include` and .outriginclude name, ignored or not."""
        patterns = list(self._wanted.include)
        with Folders(self._wanted.root) as there, Folders(self._to) as here:
            patterns += _lines(there.spot(INCLUDES.encode()))
            if not patterns:
                return
            listed = self._to / ".git/outrig-include"
            listed.write_text("".join(f"{one}\n" for one in patterns), errors="surrogateescape")
            found = self._seeing(
                "ls-files", "-z", "--others", "--ignored", f"--exclude-from={listed}"
            )
            listed.unlink()
            for path in _paths(found):
                _bring(path, there, here)

    def _leave_out(self) -> None:
        """What `exclude` names is not in the tree; git calls it unchanged."""
        if not self._wanted.exclude:
            return
        tracked = set(_paths(self._git("ls-files", "-z")))
        others = _paths(self._git("ls-files", "-z", "--others"))
        out = [path for path in (*tracked, *others) if self._excluded(path)]
        skipped = b"".join(path + b"\0" for path in out if path in tracked)
        if skipped:
            self._git("update-index", "-z", "--skip-worktree", "--stdin", stdin=skipped)
        with Folders(self._to) as here:
            for path in out:
                _remove(here.spot(path))

    def _excluded(self, path: bytes) -> bool:
        return self._wanted.exclude.fits_below(os.fsdecode(path), directory=False)

    # ------------------------------------------------------------------ submodules
    def _module(self, module: Module) -> None:
        """One that the user has checked out is checked out, at the commit that is recorded."""
        if module.tree is None:
            return
        listed = self._git("ls-files", "-z", "--stage", "--", module.tree)
        mode, _, commit = listed.decode("utf-8", "surrogateescape").partition(" ")
        commit = commit.partition(" ")[0]
        if mode != _GITLINK:
            return
        (module.git / "HEAD").write_text(f"{commit}\n")
        tree = self._to / module.tree
        git = _git(module.git, tree, [module.objects], self._wanted.env)
        if git("cat-file", "-t", commit, accepted=(0, 128)) != b"commit\n":
            self._notices.append(f"submodule {module.tree} lacks its commit {commit[:12]}")
            return
        (tree / ".git").write_text(f"gitdir: {os.path.relpath(module.git, tree)}\n")
        git("read-tree", "--reset", "-u", commit)
        if self._wanted.given_away:
            shadow.trust_less_of_stat(module.git)


# ---------------------------------------------------------------- git


def _git(git_dir: Path, tree: Path, objects: Iterable[str], env: Mapping[str, str]) -> Git:
    return Git(
        git_dir=str(git_dir),
        work_tree=str(tree),
        path=env.get("PATH", os.defpath),
        alternates=tuple(objects),
        settings=_PARALLEL,
        variables={"GIT_OPTIONAL_LOCKS": "1"},
    )


def _empty_tree(git: Git) -> str:
    return git("hash-object", "-t", "tree", "-w", "--stdin").decode().strip()


def _paths(listed: bytes) -> list[bytes]:
    """Without directories: a nested repository is the user's, and does not come along."""
    return [path for path in dict.fromkeys(listed.split(b"\0")) if path and path[-1:] != b"/"]


def _raw(said: bytes) -> Iterable[list[str]]:
    """`:old-mode new-mode old new status`, each followed by its path."""
    for field in said.split(b"\0"):
        if field.startswith(b":"):
            yield field[1:].decode().split(" ")


def _made(directory: Path) -> Path:
    directory.mkdir(mode=0o755)
    return directory


# ---------------------------------------------------------------- files


def _lines(spot: Spot | None) -> Sequence[str]:
    if spot is None:
        return []
    try:
        descriptor = os.open(spot.name, _READ, dir_fd=spot.folder)
    except OSError:
        return []
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return []
        return os.fsdecode(file.read(_RULES)).splitlines()


def _remove(spot: Spot | None) -> None:
    if spot is not None:
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            os.unlink(spot.name, dir_fd=spot.folder)


def _bring(path: bytes, there: Folders, here: Folders) -> None:
    """One file or link as the user has it; what is gone, or neither of the two, stays behind."""
    source = there.spot(path)
    found = source.look() if source else None
    if source is None or found is None or path.split(b"/")[-1].lower() == b".git":
        return
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)):
        return
    target = here.spot(path, make=True)
    if target is None:
        return
    try:
        _remove(target)
        if stat.S_ISLNK(found.st_mode):
            os.symlink(
                os.readlink(source.name, dir_fd=source.folder), target.name, dir_fd=target.folder
            )
        else:
            _copy(source, target)
    except OSError as error:
        raise WorkspaceError(
            f"{os.fsdecode(path)} cannot be brought along: {reason(error)}"
        ) from error


def _copy(source: Spot, target: Spot) -> None:
    descriptor = os.open(source.name, _READ, dir_fd=source.folder)
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            return
        made = os.open(
            target.name, _MAKE, stat.S_IMODE(state.st_mode) & 0o777, dir_fd=target.folder
        )
        try:
            while os.sendfile(made, descriptor, None, _CHUNK):
                pass
            os.utime(made, ns=(state.st_atime_ns, state.st_mtime_ns))
        finally:
            os.close(made)
    finally:
        os.close(descriptor)
