"""What happened to sessions, one event for each change: (record before, record after) -> events.

| change of the record                   | event     |
|----------------------------------------|-----------|
| it is there for the first time         | planned   |
| another status that is no end          | its name  |
| it has ended                           | ended     |
| it stands still; it goes on            | paused; unpaused |
| a limit was hit that had not been      | limit-hit |
| it may reach one more place            | allowed   |
| another outcome                        | outcome   |
| the record is gone                     | discarded |

`detached` changes no record: whoever lets go of a session notes it.
"""

from __future__ import annotations

from outrig.core.moment import time_text
from outrig.core.terminal import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from outrig.core.session import Session

EVENTS = (
    "planned",
    "preparing",
    "running",
    "detached",
    "paused",
    "unpaused",
    "limit-hit",
    "allowed",
    "outcome",
    "ended",
    "discarded",
)

_SHOWN = ("at", "event", "id", "status", "reason", "limit", "rule")  # for people


def changes(
    before: Session | None, after: Session | None, *, now: datetime
) -> list[Mapping[str, Any]]:
    """The events of one rewrite of a record, as they stand in `.events`."""
    return [event(name, after or before, now=now, **facts) for name, facts in _names(before, after)]


def event(name: str, session: Session | None, *, now: datetime, **facts: Any) -> Mapping[str, Any]:
    """One line of `.events`: small, whatever the record holds."""
    about = session.fields if session else {}
    kept = {key: about.get(key) for key in ("id", "name", "agent_name", "status", "reason")}
    found = {"at": time_text(now), "event": name, **kept, "exit_code": about.get("exit_code")}
    return {key: value for key, value in {**found, **facts}.items() if value is not None}


def line(found: Mapping[str, Any]) -> str:
    """An event for people."""
    at, name, session, *rest = (
        str(found.get(key) or "")
        for key in ("at", "event", "id", "status", "reason", "limit", "rule")
    )
    facts = [word for word in rest if word and word != name]
    code = found.get("exit_code")
    if name == "ended" and code is not None:
        facts.append(str(code))
    label = str(found.get("name") or found.get("agent_name") or "")
    words = (session, f"{name:<9}", " ".join(facts), label)
    return "  ".join([at, *(one_line(word) for word in words if word)]).rstrip()


def _names(
    before: Session | None, after: Session | None
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if after is None:
        yield "discarded", {}
        return
    if before is None:
        yield "planned", {}
        return
    for hit in after.limits_hit:
        if hit.get("limit") not in {known.get("limit") for known in before.limits_hit}:
            yield "limit-hit", {"limit": str(hit.get("limit"))}
    paused = bool(after.fields.get("paused_at"))
    if bool(before.fields.get("paused_at")) != paused and not after.ended:
        yield "paused" if paused else "unpaused", {}
    for decision in _decisions(after)[len(_decisions(before)) :]:
        yield "allowed", {"rule": str(decision.get("allow")), "by": str(decision.get("by"))}
    if before.fields.get("outcome") != after.fields.get("outcome"):
        yield "outcome", {"outcome": after.fields.get("outcome")}
    if after.ended and not before.ended:
        yield "ended", {}
    elif after.status != before.status:
        yield after.status, {}


def _decisions(session: Session) -> Sequence[Mapping[str, Any]]:
    said = session.fields.get("network")
    found = said.get("decisions") if isinstance(said, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
