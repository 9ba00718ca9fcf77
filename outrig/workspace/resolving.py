"""A conflict is laid out for its user: a working tree of the repository, in the middle of a merge.

It is made by plumbing: no hook, no filter, no merge driver. What the user commits there is found
again by the next accept, which lands it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from outrig.core.frozen import replace
from outrig.errors import WorkspaceError
from outrig.workspace import journal, moving
from outrig.workspace.journal import Journal
from outrig.workspace.worktrees import text

if TYPE_CHECKING:
    from outrig.workspace.repository import Repository

_COMMIT = (40, 64)


def lay_out(
    repository: Repository, directory: Path, *, target: str, result: str, tree: str, stages: bytes
) -> None:
    """Make the working tree: `tree` has the conflict markers, `stages` the entries in conflict.

    All objects are in the repository. Raises WorkspaceError where something is there already.
    """
    if os.path.lexists(directory) and (not directory.is_dir() or any(directory.iterdir())):
        raise WorkspaceError(
            f"{directory} is there already, and not empty",
            hint="accept --resolve --in ANOTHER_DIRECTORY",
        )
    repository.run("worktree", "add", "--no-checkout", "--detach", str(directory), target)
    git_dir = _git_dir(directory)
    if git_dir is None:
        raise WorkspaceError(f"git made no working tree in {directory}")
    own = replace(repository, git_dir=git_dir)
    own.run("read-tree", target)
    own.edit_index(own.changes(target, tree))
    removed = b"".join(b"0 " + b"0" * len(target) + b"\t" + path + b"\0" for path in _paths(stages))
    own.run("update-index", "-z", "--index-info", stdin=removed + stages)
    _fill(own, directory, tree)
    _write(git_dir / "MERGE_HEAD", f"{result}\n")
    _write(git_dir / "MERGE_MODE", "")
    _write(git_dir / "MERGE_MSG", "Take over the work of a session, conflicts resolved\n")


def resolved(directory: Path) -> str | None:
    """The commit that stands there now, once no merge is under way any more."""
    git_dir = _git_dir(directory)
    if git_dir is None or (git_dir / "MERGE_HEAD").exists():
        return None
    head = text(git_dir / "HEAD").strip()
    return head if len(head) in _COMMIT and head.isalnum() else None


def _git_dir(directory: Path) -> Path | None:
    said = text(directory / ".git").strip()
    return Path(said.removeprefix("gitdir: ")) if said.startswith("gitdir: /") else None


def _fill(repository: Repository, directory: Path, tree: str) -> None:
    place = repository.git_dir / journal.NAME
    place.mkdir()
    changes = repository.changes(repository.empty_tree(), tree)
    move = Journal(ref="", old="", new="", token=os.urandom(4).hex(), changes=changes)
    journal.begin(place, move)
    moving.files(directory, place, move, repository, set())
    journal.forget(place)
    place.rmdir()


def _paths(stages: bytes) -> set[bytes]:
    return {entry.partition(b"\t")[2] for entry in stages.split(b"\0") if entry}


def _write(path: Path, text: str) -> None:
    path.write_text(text)
