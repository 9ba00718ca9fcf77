"""Branch: a session's result becomes a normal branch of the user's; nothing else moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outrig.errors import WorkspaceError
from outrig.runner import work as works
from outrig.runner.delivery import branch_ref, bring

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outrig.store.finding import Found
    from outrig.workspace.merge import Signature


def branch(found: Found, name: str, *, signature: Signature, env: Mapping[str, str]) -> str:
    """The commit on which the new branch stands: its commits, and one of what is uncommitted.

    Raises WorkspaceError where there is a branch of that name, or no repository.
    """
    with works.held(found) as session:
        home = works.home_of(session, env)
        if home is None:
            raise WorkspaceError(f"session {session.id} began in no git repository")
        ref = branch_ref(home.repository, name)
        if home.repository.commit(ref) is not None:
            raise WorkspaceError(
                f"there is a branch {name} already",
                hint=f"outrig accept {session.id} --into {name}",
            )
        with works.gathered(session, found.directory, home, env) as work:
            commit = work.result(works.message(session), signature)
            if commit is None:
                raise works.NoWorkError(f"session {session.id} left nothing")
            bring(work, home, commit, None)
        home.repository.git(signature.identity)(
            *("update-ref", "-m", f"outrig branch {session.id}", ref, commit, "0" * len(commit))
        )
        return commit
