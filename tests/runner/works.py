"""Sessions that have worked on a repository, made without an engine: for tests of what comes then.

The session's repository is one as it is inside, but that it borrows by the host's path.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from outrig.core.session import with_fields
from outrig.store import finding
from outrig.store.sessions import SessionStore
from outrig.workspace.bare import Source
from outrig.workspace.merge import Signature
from outrig.workspace.snapshots import DIRECTORY, END, Snapshots
from tests import records
from tests.workspace.repositories import WHO, Tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from outrig.store.creation import Held
    from outrig.store.finding import Found

SIGNATURE = Signature(identity={name: WHO[name] for name in WHO if "DATE" not in name})


@dataclass(frozen=True)
class Worked:
    """A session and the tree it worked on."""

    held: Held
    tree: Tree

    @property
    def id(self) -> str:
        return self.held.id

    @property
    def git_dir(self) -> Path:
        """The repository that the session could write."""
        own = self.held.directory / "workspace/git"
        return own if own.exists() else self.tree.git_dir

    def commit(self, message: str = "agent", **files: str | bytes | None) -> str:
        """As the agent does inside."""
        self.tree.write(**files)
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        return self.git("rev-parse", "HEAD")

    def git(self, *argv: str) -> str:
        work = ("--git-dir", str(self.git_dir), "--work-tree", str(self.tree.path))
        return self.tree.git(*work, *argv)

    def end(self) -> Worked:
        """It ends, and its end snapshot is taken."""
        snapshots = Snapshots(self.held.directory / DIRECTORY, os.environ)
        taken = snapshots.take(self.tree.path, END)
        workspace = {**self.held.session.fields["workspace"], "end": taken.tree}
        self.held.update(lambda session: with_fields(session, workspace=workspace))
        records.finish(self.held)
        return self

    def found(self) -> Found:
        store = SessionStore(self.held.directory.parent)
        return finding.open_session(store, self.id)


def bound(store: SessionStore, user: Tree, **fields: Any) -> Worked:
    """In mode bind with a shadow: the user's tree, and a .git of the session's own."""
    held = _begun(store, user, mode="bind", **fields)
    git = held.directory / "workspace/git"
    git.parent.mkdir()
    _copy(user, git)
    _snapshot(held, user.path, user)
    return Worked(held, user)


def own_tree(store: SessionStore, user: Tree, **fields: Any) -> Worked:
    """In mode worktree: a tree and a .git of its own."""
    held = _begun(store, user, mode="worktree", **fields)
    tree = Tree(held.directory / "workspace/tree")
    tree.path.mkdir(parents=True)
    _copy(user, tree.git_dir)
    tree.git("reset", "-q", "--hard")
    _snapshot(held, tree.path, user, index=tree.git_dir / "index")
    return Worked(held, tree)


def copied(store: SessionStore, directory: Path) -> Worked:
    """In mode copy, of a directory without git."""
    workspace = {"mode": "copy", "path": str(directory), "target": "/workspace"}
    held = records.begin(store, workspace=workspace)
    tree = Tree(held.directory / "workspace/tree")
    shutil.copytree(directory, tree.path, symlinks=True)
    snapshots = Snapshots(held.directory / DIRECTORY, os.environ)
    snapshots.start(tree.path, None, tree.path / "none", tree.path)
    return Worked(held, tree)


def _begun(store: SessionStore, user: Tree, *, mode: str, **fields: Any) -> Held:
    head = user.git("rev-parse", "--verify", "-q", "HEAD")
    workspace = {
        "mode": mode,
        "path": str(user.path),
        "target": "/workspace",
        "base": head,
        "branch": user.git("branch", "--show-current") or None,
        "common_dir": str(user.git_dir),
    }
    workspace |= fields.pop("workspace", {})
    return records.begin(store, workspace=workspace, task="Do the thing\nwell", **fields)


def _copy(user: Tree, git_dir: Path) -> None:
    ignore: Callable[..., Any] = shutil.ignore_patterns("objects", "hooks", "worktrees")
    shutil.copytree(user.git_dir, git_dir, ignore=ignore)
    (git_dir / "objects/info").mkdir(parents=True)
    (git_dir / "objects/pack").mkdir()
    (git_dir / "objects/info/alternates").write_text(f"{user.git_dir}/objects\n")


def _snapshot(held: Held, tree: Path, user: Tree, index: Path | None = None) -> None:
    source = Source(common_dir=str(user.git_dir), index=str(index or user.git_dir / "index"))
    Snapshots(held.directory / DIRECTORY, os.environ).start(tree, source, tree / "none", tree)
