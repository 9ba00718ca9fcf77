"""What has to be put right: (record, attended, what the engine shows, now) -> one repair each.

| the session                                | its container           | repair                    |
|--------------------------------------------|-------------------------|---------------------------|
| somebody attends it                        | any                     | leave                     |
| another tool's, root's, user's, machine's  | any                     | leave                     |
| ended                                      | none, or not asked      | close: not open any more  |
| ended                                      | any                     | remove                    |
| unfinished, a container noted              | the engine is silent    | unknown                   |
| planned or preparing, no container noted   | not asked               | abort: it never started   |
| planned or preparing                       | none                    | abort                     |
| unfinished                                 | made, never started     | abort, and it goes        |
| running                                    | none                    | lose: nobody can say      |
| unfinished, past its deadline, not paused  | runs                    | stop, then finish         |
| planned or preparing                       | runs                    | adopt: it is running      |
| running                                    | runs, or is paused      | leave                     |
| unfinished                                 | has ended               | finish, and it goes       |

How a session that is finished or aborted ended says core/ending.py.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from outrig.core.ending import EXIT_OWN_FAILURE, Ending, interrupted_early, judge, never_started
from outrig.core.frozen import frozen, replace
from outrig.core.moment import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from outrig.core.ending import Finding, Intent
    from outrig.core.engine import Seen
    from outrig.core.session import Session

Kind = Literal["leave", "close", "remove", "unknown", "abort", "lose", "stop", "adopt", "finish"]

NEVER_RAN = ("created",)  # what an engine calls a container that was made and not started


@frozen
class Standing:
    """A session as its root shows it. `elsewhere`: of another root, user or machine."""

    session: Session
    attended: bool
    elsewhere: bool = False


@frozen
class Repair:
    """One thing to put right; `agent` is the agent's container, `others` are all the rest."""

    kind: Kind
    standing: Standing
    agent: Seen | None = None
    others: tuple[Seen, ...] = ()


def repairs(
    standings: Iterable[Standing], seen: Sequence[Seen] | None, *, now: datetime
) -> list[Repair]:
    """One for each session, in order. `seen` None: the engine is silent."""
    by_session: dict[str, list[Seen]] = {}
    for one in seen or ():
        by_session.setdefault(one.session, []).append(one)
    found = []
    for standing in standings:
        session = standing.session
        mine = None if seen is None else by_session.get(session.id, [])
        agent = _agent(mine or ())
        kind = _kind(standing, mine, agent, now)
        others = tuple(one for one in mine or () if one is not agent)
        found.append(Repair(kind=kind, standing=standing, agent=agent, others=others))
    return found


def asks(standing: Standing) -> bool:
    """Whether only an engine can say what is to be done."""
    session = standing.session
    return not _hands_off(standing) and any(
        one.get("kind") in ("container", "network", "volume") for one in session.resources
    )


def is_overdue(session: Session, now: datetime) -> bool:
    """Whether its absolute deadline is over. Pauses stop that clock."""
    deadline = parse_time(session.fields.get("deadline"))
    if deadline is None or session.fields.get("paused_at"):
        return False
    paused = session.fields.get("paused_seconds")
    return now >= deadline + timedelta(seconds=paused if isinstance(paused, int | float) else 0)


def ending(session: Session, intent: Intent | None, finding: Finding) -> Ending:
    """How a session ended that nobody attended. An input cut short explains what it did not do."""
    found = judge(intent, finding)
    if session.fields.get("stdin_open") is True and found.reason in ("exit", "signal"):
        return replace(found, reason="stdin-lost")
    return found


def aborted(intent: Intent | None) -> Ending:
    """How a session ended whose runner died before its command ran."""
    if intent and not intent.until:
        return interrupted_early(intent)
    return never_started("start-failed", exit_code=EXIT_OWN_FAILURE)


def _hands_off(standing: Standing) -> bool:
    return standing.attended or standing.elsewhere or not standing.session.ours


def _agent(mine: Iterable[Seen]) -> Seen | None:
    """The agent's container; of several attempts the one that lives."""
    agents = sorted((one for one in mine if one.role == "agent"), key=lambda one: not one.alive)
    return agents[0] if agents else None


def _kind(
    standing: Standing, mine: Sequence[Seen] | None, agent: Seen | None, now: datetime
) -> Kind:
    session = standing.session
    if _hands_off(standing):
        return "leave"
    if mine is None:
        return "unknown" if asks(standing) else _kind(standing, (), None, now)
    if session.ended:
        return "remove" if mine else "close"
    if agent is None:
        return "lose" if session.status == "running" else "abort"
    if agent.alive:
        return _of_living(session, now)
    return "abort" if agent.state in NEVER_RAN else "finish"


def _of_living(session: Session, now: datetime) -> Kind:
    if is_overdue(session, now):
        return "stop"
    return "leave" if session.status == "running" else "adopt"
