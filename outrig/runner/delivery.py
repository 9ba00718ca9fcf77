"""A session's commits are delivered into the user's repository, and branches there are named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outrig.core.frozen import replace
from outrig.errors import WorkspaceError
from outrig.workspace import packs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from outrig.runner.work import Work
    from outrig.workspace.landing import Checkout
    from outrig.workspace.repository import Repository


def packed(work: Work, home: Checkout, commit: str, old: str | None) -> tuple[Path, ...]:
    """A commit and what it needs, for the user's objects. Raises RefusedError."""
    known = [one for one in (old, work.base) if one and home.repository.commit(one)]
    scratch = work.scratch / "leaving"
    scratch.mkdir(exist_ok=True)
    return packs.packed(work.repository, _common(home), {commit}, scratch, known=known)


def deliver(ready: Sequence[Path], home: Checkout) -> None:
    """What packed() made, into the user's objects, where nothing refers to it yet."""
    packs.deliver(ready, _common(home))


def bring(work: Work, home: Checkout, commit: str, old: str | None) -> None:
    """Both at once."""
    deliver(packed(work, home, commit, old), home)


def _common(home: Checkout) -> Repository:
    return replace(home.repository, git_dir=home.common_dir)


def branch_ref(repository: Repository, name: str) -> str:
    """refs/heads/NAME. Raises WorkspaceError for what git takes for no branch."""
    said = repository.ask("check-ref-format", "--branch", name, accepted=(0, 1, 128))
    if said.code != 0 or name.startswith("@") or "/." in f"/{name}":
        raise WorkspaceError(f"{name!r} cannot be the name of a branch")
    return f"refs/heads/{name}"


def short(ref: str) -> str:
    return ref.removeprefix("refs/heads/")
