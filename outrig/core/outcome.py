"""What became of a session's work, and which way it may go from there.

| from       | to                                  |
|------------|-------------------------------------|
| open       | evaluating, accepted, archived      |
| evaluating | open, accepted, archived            |
| accepted   | nowhere                             |
| archived   | open                                |

A session without an outcome is open. `discard` deletes, from any of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from outrig.core.moment import time_text
from outrig.core.session import with_fields
from outrig.errors import OutrigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from outrig.core.session import Session

State = Literal["open", "evaluating", "accepted", "archived"]

MOVES: Mapping[State, tuple[State, ...]] = {
    "open": ("evaluating", "accepted", "archived"),
    "evaluating": ("open", "accepted", "archived"),
    "accepted": (),
    "archived": ("open",),
}
_VERBS = {
    "accepted": "outrig accept {}",
    "archived": "outrig archive {}",
    "open": "outrig archive --reopen {}",
}


class OutcomeError(OutrigError):
    """The session's outcome does not allow this."""

    kind = "outcome"


def state(session: Session) -> State:
    """Where a session is; one that says nothing, or nothing known, is open."""
    found = _outcome(session).get("state")
    return next((known for known in get_args(State) if known == found), "open")


def commit(session: Session) -> str | None:
    """The commit that holds the work, once it was accepted or archived."""
    found = _outcome(session).get("commit")
    return found if isinstance(found, str) else None


def into(session: Session) -> str | None:
    """Where that commit went: a branch, or the name of a ref."""
    found = _outcome(session).get("into")
    return found if isinstance(found, str) else None


def refuse(session: Session, target: State) -> None:
    """Raise OutcomeError when a session may not become this, with the moves that there are."""
    now = state(session)
    if target in MOVES[now]:
        return
    where = "".join((f" into {into(session)}" if into(session) else "", _as(session)))
    raise OutcomeError(
        f"session {session.id} is {now}{where}, and cannot become {target}",
        hint=_hint(session, now),
    )


def moved(
    session: Session,
    target: State,
    *,
    at: datetime,
    commit: str | None = None,
    into: str | None = None,
) -> Session:
    """The record of a session that became this. Raises OutcomeError as refuse() does."""
    refuse(session, target)
    facts = {"state": target, "at": time_text(at), "commit": commit, "into": into}
    return with_fields(
        session, outcome={name: fact for name, fact in facts.items() if fact is not None}
    )


def _outcome(session: Session) -> Mapping[str, Any]:
    found = session.fields.get("outcome")
    return found if isinstance(found, dict) else {}


def _as(session: Session) -> str:
    return f" as {commit(session)}" if commit(session) else ""


def _hint(session: Session, now: State) -> str:
    verbs = [_VERBS[one].format(session.id) for one in MOVES[now] if one in _VERBS]
    return "; ".join([*verbs, f"outrig discard {session.id}"])
