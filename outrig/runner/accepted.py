"""What an accept was asked for, and what arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outrig.core.frozen import frozen

if TYPE_CHECKING:
    from pathlib import Path

    from outrig.core.session import Session
    from outrig.workspace.merge import How
    from outrig.workspace.repository import Change


@frozen
class Wish:
    """What the user asked for."""

    into: str | None = None
    how: How = "auto"
    message: str | None = None
    paths: tuple[bytes, ...] = ()
    dry_run: bool = False
    resolve: Path | None = None  # where a conflict is laid out


@frozen
class Accepted:
    """What arrived, or would: a commit on a branch, or None where there is no git."""

    session: Session
    into: str  # a branch, or a directory
    commit: str | None
    commits: int  # new on the branch
    changes: tuple[Change, ...]  # between the branch as it was and as it is
    here: bool  # whether the user's checkout moved with it
    uncommitted: int = 0  # paths that were left so, in bind mode
    already: bool = False  # the branch had it all
    left: str | None = None  # what the user may want to remove
    open: bool = False  # only some paths were taken: the session can be accepted again
