"""What `outrig clean` takes away, decided from what there is.

| thing                                                     | goes                              |
|-----------------------------------------------------------|-----------------------------------|
| a session that has not ended, or is another tool's        | never                             |
| an ended one among the newest --keep                      | no                                |
| an ended one of another --status than asked for           | no                                |
| an ended one, older than --older-than (30 days without    | yes                               |
| --older-than and --keep)                                  |                                   |
| a container whose session has no entry in the root        | yes, running or not               |
| a container of a session that has ended                   | yes                               |
| a container of an unfinished or unreadable session        | no                                |
| a volume or network, as a container                       | yes, or no                        |
| a helper of a command that may still be at work           | after ten minutes                 |
| an image `outrig/...` that the configuration no longer    | with --images                     |
| makes and no session was run on                           |                                   |
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from outrig.core.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from datetime import datetime

    from outrig.core.engine import Network, Seen, Volume
    from outrig.core.session import Session
    from outrig.core.stock import Stocked

Thing = TypeVar("Thing", "Network", "Volume")

USUAL_AGE = timedelta(days=30)
HELPER_AGE = timedelta(minutes=10)


@frozen
class Wish:
    """What was asked for: `age` None without --older-than, `keep` None without --keep."""

    age: timedelta | None = None
    keep: int | None = None
    statuses: tuple[str, ...] = ()


def old(sessions: Iterable[Session], wish: Wish, *, now: datetime) -> list[Session]:
    """The ended sessions that go; `sessions` come newest first."""
    age = wish.age if wish.age is not None or wish.keep is not None else USUAL_AGE
    ended = [session for session in sessions if session.ours and session.ended]
    return [
        session
        for session in ended[wish.keep or 0 :]
        if (not wish.statuses or session.status in wish.statuses)
        and (age is None or _ended_before(session, now - age))
    ]


def strays(seen: Iterable[Seen], state: Callable[[str], str], *, now: datetime) -> list[Seen]:
    """The objects on an engine that belong to nothing any more.

    `state` says of a session: "gone", "ended", or anything else for one that may need them.
    """
    return [one for one in seen if _is_stray(one, state, now)]


def unneeded(things: Iterable[Thing], state: Callable[[str], str]) -> list[Thing]:
    """Volumes or networks that no session needs any more."""
    return [one for one in things if one.session and state(one.session) in ("gone", "ended")]


def unused(stocked: Iterable[Stocked], used: Collection[str]) -> Sequence[str]:
    """The tags of images that nothing refers to; `used` are those of the sessions that remain."""
    return [one.tag for one in stocked if one.state == "old" and one.tag and one.tag not in used]


def _ended_before(session: Session, moment: datetime) -> bool:
    at = session.ended_at or session.started_at
    return at is not None and at <= moment


def _is_stray(one: Seen, state: Callable[[str], str], now: datetime) -> bool:
    if not one.session:
        return now.timestamp() - one.created > HELPER_AGE.total_seconds()
    return state(one.session) in ("gone", "ended")
