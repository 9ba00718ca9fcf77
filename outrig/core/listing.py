"""A record in a line, for people: what `ls` shows of a session and which sessions are wanted."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from outrig.core.frozen import frozen
from outrig.core.outcome import state
from outrig.core.relations import is_project
from outrig.core.session import TERMINAL, UNFINISHED
from outrig.core.terminal import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, tzinfo

    from outrig.core.session import Session

STATUSES = (*UNFINISHED, *TERMINAL, "unknown")
HEADER = ("ID", "STARTED", "DURATION", "STATUS", "IMAGE", "EXIT", "NAME")
NOTHING = "-"

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


@frozen
class Wanted:
    """What a listing is narrowed to; empty means everything."""

    statuses: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()  # KEY, or KEY=VALUE; all of them must hold
    kinds: tuple[str, ...] = ()
    project: str | None = None  # a resolved path or a project's name
    parent: str | None = None  # an id
    group: str | None = None
    issue: str | None = None
    since: datetime | None = None
    archived: bool | None = None  # None: it does not matter

    def takes(self, session: Session) -> bool:
        return (
            (not self.statuses or session.status in self.statuses)
            and (not self.agents or session.agent_name in self.agents)
            and (not self.kinds or session.kind in self.kinds)
            and all(_has(session, label) for label in self.labels)
            and self._is_related(session)
            and (self.since is None or (session.started_at or self.since) >= self.since)
            and (self.archived is None or (state(session) == "archived") == self.archived)
        )

    def _is_related(self, session: Session) -> bool:
        wanted = {"parent": self.parent, "group": self.group, "issue": self.issue}
        return all(
            word is None or session.text(name) == word for name, word in wanted.items()
        ) and (self.project is None or is_project(session.text("project"), self.project))

    def is_behind(self, session: Session) -> bool:
        """Whether this session, and so every one after it in a listing, began too early.

        The id decides, because ids are what a listing is ordered by.
        """
        return self.since is not None and session.id < f"{self.since.astimezone(UTC):%Y%m%dT%H%M%S}"


def row(
    session: Session,
    *,
    now: datetime,
    zone: tzinfo | None,
    attended: bool,
    target: str | None,
    known: bool = True,
) -> tuple[str, ...]:
    """The words of one line, in the order of HEADER."""
    earlier = session.text("resumed_from")
    last = one_line(f"{title(session)} (goes on with {earlier})" if earlier else title(session))
    cells = (
        session.id,
        moment(session.started_at, zone),
        span(session, now),
        _status_and_outcome(session, attended=attended, known=known),
        session.image or NOTHING,
        NOTHING if session.exit_code is None else str(session.exit_code),
        f"{last} -> {target}" if target else last,
    )
    return tuple(map(one_line, cells))


def status(session: Session, *, attended: bool, known: bool = True) -> str:
    """`running (unattended)` when nobody is there who would write the end.

    `running (unknown)` when nobody can say, either, whether it still does; `running (paused)`.
    """
    if session.ended or not session.ours:
        return session.status
    paused = ["paused"] if session.fields.get("paused_at") else []
    alone = [] if attended else ["unattended" if known else "unknown"]
    words = ", ".join([*paused, *alone])
    return f"{session.status} ({words})" if words else session.status


def _status_and_outcome(session: Session, *, attended: bool, known: bool) -> str:
    """`completed (accepted)`: what became of its work, once that is decided."""
    words = status(session, attended=attended, known=known)
    outcome = state(session)
    return words if outcome == "open" else f"{words} ({outcome})"


def title(session: Session) -> str:
    """The name, else agent and task, else the command."""
    if session.name:
        return session.name
    task = session.text("task")
    if session.agent_name:
        return f"{session.agent_name}: {task}" if task else session.agent_name
    return " ".join(session.command)


def span(session: Session, now: datetime) -> str:
    """How long it took, or has been taking: "0.3s", "12s", "4m10s", "2h05m", "3d04h"."""
    end = session.ended_at or now
    if session.started_at is None or (session.ended and session.ended_at is None):
        return NOTHING
    seconds = max(0.0, (end - session.started_at).total_seconds())
    if seconds < 10:  # noqa: PLR2004 - a tenth says something below that
        return f"{seconds:.1f}s"
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m{whole % _MINUTE:02d}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h{whole % _HOUR // _MINUTE:02d}m"
    return f"{whole // _DAY}d{whole % _DAY // _HOUR:02d}h"


def moment(at: datetime | None, zone: tzinfo | None) -> str:
    """A time for people: in their zone (None: the machine's), to the second."""
    if at is None:
        return NOTHING
    local = at.astimezone(zone).replace(tzinfo=None)
    return local.isoformat(" ", "seconds")


def select(sessions: Iterable[Session], wanted: Wanted, *, most: int | None) -> list[Session]:
    """The newest that are wanted; `sessions` come newest first and are read no further."""
    taken: list[Session] = []
    for session in sessions:
        if wanted.is_behind(session) or len(taken) == most:
            break
        if wanted.takes(session):
            taken.append(session)
    return taken


def _has(session: Session, label: str) -> bool:
    key, equals, value = label.partition("=")
    return key in session.labels and (not equals or session.labels[key] == value)


def number(count: int, noun: str) -> str:
    """A count with its noun: 1 path, 2 paths."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
