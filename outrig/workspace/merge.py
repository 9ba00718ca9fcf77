"""A session's result meets a branch: computed aside, whole or not at all.

Everything here happens in a repository of outrig's own, whose configuration names no merge driver,
and new objects go into a quarantine that vanishes with the failure. What comes out is one commit,
not yet on any branch.

| how    | the branch has nothing new | it has                      |
|--------|----------------------------|-----------------------------|
| auto   | the result itself          | a merge commit              |
| merge  | a merge commit             | a merge commit              |
| squash | one commit on the branch   | one commit on the branch    |
| ff     | the result itself          | refused                     |

With paths it is one commit on the branch, of these paths alone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING, Literal

from outrig.core.frozen import frozen, given, replace
from outrig.errors import OutrigError, WorkspaceError
from outrig.workspace.repository import SUBMODULE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from outrig.workspace.repository import Change, Repository

How = Literal["auto", "merge", "squash", "ff"]

_SIGNERS = (  # what a signing program needs to know of its user
    *("HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "GNUPGHOME", "GPG_TTY", "GPG_AGENT_INFO"),
    *("SSH_AUTH_SOCK", "DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "TERM"),
)


class ConflictError(OutrigError):
    """The result and the branch changed the same places."""

    kind = "conflict"

    def __init__(self, message: str, paths: tuple[bytes, ...], *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.paths = paths


class DivergedError(OutrigError):
    """The branch has commits that the result does not have."""

    kind = "diverged"


@frozen
class Signature:
    """Who commits, and whether it is signed with what the user's own git is set up for."""

    identity: Mapping[str, str]  # GIT_AUTHOR_*, GIT_COMMITTER_*
    sign: bool = False
    env: Mapping[str, str] = given(factory=dict)  # of this process, for the signing program

    def environment(self) -> dict[str, str | None]:
        """Only who signs has the user's global configuration read, which names the program."""
        if not self.sign:
            return dict(self.identity)
        passed = {name: self.env[name] for name in _SIGNERS if name in self.env}
        return {
            **self.identity,
            **passed,
            "GIT_CONFIG_GLOBAL": self.env.get("GIT_CONFIG_GLOBAL"),
        }


@frozen
class Merged:
    """A tree, and the paths in which conflict markers stand."""

    tree: str
    conflicts: tuple[bytes, ...]


@contextlib.contextmanager
def quarantined(repository: Repository, directory: Path) -> Iterator[Repository]:
    """The same repository, with new objects kept in a directory that is removed in the end.

    What was left there by somebody who died is removed first.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700, parents=True)
    try:
        own = repository.objects or repository.git_dir / "objects"
        yield replace(repository, objects=directory, alternates=(own, *repository.alternates))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def merge(repository: Repository, ours: str, theirs: str) -> Merged:
    """Both commits' changes since their last common one, as a tree."""
    said = repository.ask(
        "merge-tree", "--write-tree", "-z", "--no-messages", "--name-only", ours, theirs
    )
    tree, *paths = said.stdout.split(b"\0")
    return Merged(tree=tree.decode().strip(), conflicts=tuple(path for path in paths if path))


def stages(repository: Repository, ours: str, theirs: str) -> tuple[str, bytes]:
    """The same tree, and the entries in conflict as update-index takes them."""
    said = repository.ask("merge-tree", "--write-tree", "-z", "--no-messages", ours, theirs)
    tree, _, entries = said.stdout.partition(b"\0")
    return tree.decode().strip(), entries.strip(b"\0") + b"\0"


def joined(
    repository: Repository,
    *,
    target: str | None,
    result: str,
    how: How,
    paths: Sequence[bytes],
    message: str,
    signature: Signature,
    scratch: Path,
) -> str:
    """The commit that the branch shall have instead of `target`, which is None for one unborn.

    Raises ConflictError, or DivergedError where only a fast-forward would do. `scratch` is where
    an index may be written.
    """
    if target is None:
        return (
            result
            if not paths
            else _picked(repository, None, result, paths, message, signature, scratch)
        )
    if repository.is_ancestor(result, target) and not paths:
        return target
    if paths:
        return _picked(repository, target, result, paths, message, signature, scratch)
    ahead = repository.is_ancestor(target, result)
    if how == "ff" and not ahead:
        raise DivergedError("the branch has commits that the session has not")
    if how == "ff" or (how == "auto" and ahead):
        return result
    tree = _clean(merge(repository, target, result))
    parents = (target,) if how == "squash" else (target, result)
    return commit(repository, tree, parents, message, signature)


def commit(
    repository: Repository,
    tree: str,
    parents: Sequence[str],
    message: str,
    signature: Signature,
) -> str:
    """Make a commit object; nothing refers to it yet."""
    named = [word for parent in parents for word in ("-p", parent)]
    signing = ["-S"] if signature.sign else []
    made = repository.run(
        "commit-tree",
        *signing,
        *named,
        tree,
        stdin=os.fsencode(message.rstrip("\n") + "\n"),
        more=signature.environment(),
    )
    return made.decode().strip()


def edited(repository: Repository, tree: str, changes: Sequence[Change], scratch: Path) -> str:
    """A tree with some paths as they are on the new side of these changes."""
    own = replace(repository, index=scratch)
    try:
        own.run("read-tree", tree)
        own.edit_index(changes)
        return own.run("write-tree").decode().strip()
    finally:
        scratch.unlink(missing_ok=True)


def rest(
    repository: Repository,
    *,
    head: str,
    base: str,
    start: str,
    end: str,
    unread: Callable[[bytes], bool],
    scratch: Path,
) -> str:
    """The tree of what a session left: its last commit, and what it changed without committing.

    `head` and `base` are commits or trees; `start` and `end` are the snapshots' trees. What was
    different from a commit before the session began, and still is the same, is the user's own
    and stays out; so does what a snapshot never holds (ignored, outside a sparse checkout, or
    `unread`). A submodule is taken at the commit that its parent's commit names.
    """
    touched = {change.path for change in repository.changes(start, end)}
    committed = {change.path for change in repository.changes(base, head)}
    changes = repository.changes(head, end)
    modules = {one.path for one in changes if one.old and one.old[0] == SUBMODULE}
    taken = [
        change
        for change in changes
        if change.path in touched or (change.path in committed and change.new)
        if not unread(change.path) and not _of_module(change.path, modules)
    ]
    return edited(repository, head, taken, scratch) if taken else repository.tree(head)


def below(paths: Sequence[bytes]) -> Callable[[bytes], bool]:
    """Whether a path is one of these, or lies in one that is a directory."""

    def holds(path: bytes) -> bool:
        return any(one in (b"", path) or path.startswith(one + b"/") for one in paths)

    return holds


def _picked(  # noqa: PLR0917
    repository: Repository,
    target: str | None,
    result: str,
    paths: Sequence[bytes],
    message: str,
    signature: Signature,
    scratch: Path,
) -> str:
    """One commit on the target, with nothing but these paths changed."""
    holds = below(paths)
    if target is None:
        merged = Merged(tree=repository.tree(result), conflicts=())
    else:
        merged = merge(repository, target, result)
    _clean(replace(merged, conflicts=tuple(filter(holds, merged.conflicts))))
    before = repository.tree(target) if target else repository.empty_tree()
    changes = [one for one in repository.changes(before, merged.tree) if holds(one.path)]
    if not changes:
        raise WorkspaceError("these paths hold nothing that the branch lacks")
    tree = edited(repository, before, changes, scratch)
    return commit(repository, tree, (target,) if target else (), message, signature)


def _clean(merged: Merged) -> str:
    if merged.conflicts:
        raise ConflictError("the branch and the session changed the same places", merged.conflicts)
    return merged.tree


def _of_module(path: bytes, modules: set[bytes]) -> bool:
    return any(path == one or path.startswith(one + b"/") for one in modules)
