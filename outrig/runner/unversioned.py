"""Accept without git: a session's files go back into the directory that it began with."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from outrig.core.frozen import replace
from outrig.errors import WorkspaceError
from outrig.runner import work as works
from outrig.runner.accepted import Accepted
from outrig.workspace import directory as directories
from outrig.workspace import merge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outrig.core.session import Session
    from outrig.runner.accepted import Wish
    from outrig.store.finding import Found


def into_directory(found: Found, session: Session, wish: Wish, env: Mapping[str, str]) -> Accepted:
    """Between the two snapshots' trees, into the directory that the session began with."""
    if wish.into or wish.how != "auto":
        raise WorkspaceError(
            f"session {session.id} began in no git repository: there is no branch to land on"
        )
    root = Path(works.text(session, "path") or "/nowhere")
    place = found.directory / "landing"
    directories.settle(root, place)
    with works.gathered(session, found.directory, None, env) as work:
        if work.start is None or work.end is None:
            raise works.NoWorkError(f"session {session.id} has no end snapshot")
        holds = merge.below(wish.paths) if wish.paths else None
        every = work.repository.changes(work.start, work.end)
        changes = tuple(one for one in every if holds is None or holds(one.path))
        done = Accepted(
            session=session,
            into=str(root),
            commit=None,
            commits=0,
            changes=changes,
            here=True,
            open=not directories.arrived(root, [one for one in every if one not in changes]),
        )
        if works.text(session, "mode") == "bind" or not changes:
            done = replace(done, already=True)
        else:
            done = replace(done, already=directories.arrived(root, changes))
            if not done.already:
                directories.check(root, changes)
            if not done.already and not wish.dry_run:
                directories.land(root, place, work.repository, changes)
    if wish.dry_run or done.open:
        return done
    with contextlib.suppress(OSError):
        place.rmdir()
    return replace(done, session=works.moved(found, "accepted", into=str(root)))
