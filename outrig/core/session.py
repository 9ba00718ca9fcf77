"""Session: the record of one run, its states, and the only functions that move one along.

A record is kept as the mapping that session.json holds, so that fields written by a later
version, or by another tool, survive a rewrite untouched; the properties give the fields that
outrig itself reads, and take nulls, missing keys and legacy names for granted.

    planned -> preparing -> running -> completed | failed | timeout | stopped | lost

Terminal states are sticky. A record without `schema` belongs to another tool: it is read, never
moved along.
"""

from __future__ import annotations

from outrig.core.frozen import frozen
from outrig.core.moment import parse_time, time_text
from outrig.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from outrig.core.ending import Ending

SCHEMA = 1
UNFINISHED = ("planned", "preparing", "running")
TERMINAL = ("completed", "failed", "timeout", "stopped", "lost")
FILE = "session.json"
USUAL_GRACE = 10.0  # seconds


@frozen(kw_only=False)
class Session:
    """One record. `fields` is session.json's object; treat it as read-only."""

    fields: Mapping[str, Any]

    @property
    def id(self) -> str:
        return self.text("id")

    @property
    def ours(self) -> bool:
        """False for a record of another tool, which is never changed."""
        return self.fields.get("schema") is not None

    @property
    def started_at(self) -> datetime | None:
        return parse_time(self.fields.get("started_at"))

    @property
    def ended_at(self) -> datetime | None:
        return parse_time(self.fields.get("ended_at"))

    @property
    def ended(self) -> bool:
        return self.fields.get("ended_at") is not None or self.fields.get("status") in TERMINAL

    @property
    def status(self) -> str:
        """Our status; for a foreign record what can be said: completed, failed or unknown."""
        status = self.fields.get("status")
        if isinstance(status, str) and self.ours:
            return status
        if not self.ended:
            return "unknown"
        return "completed" if self.exit_code == 0 else "failed"

    @property
    def reason(self) -> str | None:
        return self.text("reason") or None

    @property
    def exit_code(self) -> int | None:
        code = self.fields.get("exit_code")
        return code if isinstance(code, int) and not isinstance(code, bool) else None

    @property
    def name(self) -> str | None:
        return self.text("name") or None

    @property
    def agent_name(self) -> str | None:
        return self.text("agent_name") or None

    @property
    def image(self) -> str:
        """The image's configured name; `container_config_name` is the key's legacy name."""
        return (
            self.text("image_config_name")
            or self.text("container_config_name")
            or self.text("image_tag")
        )

    @property
    def secrets(self) -> Mapping[str, str]:
        """How each secret was given, by its name."""
        found = self.fields.get("secrets")
        given = found.get("given") if isinstance(found, dict) else None
        return given if isinstance(given, dict) else {}

    @property
    def labels(self) -> Mapping[str, str]:
        labels = self.fields.get("labels")
        return labels if isinstance(labels, dict) else {}

    @property
    def kind(self) -> str:
        """One of main, subagent, cron; a record that does not say is a main one."""
        return self.text("kind") or "main"

    @property
    def command(self) -> tuple[str, ...]:
        command = self.fields.get("command")
        return tuple(map(str, command)) if isinstance(command, list) else ()

    @property
    def workspace(self) -> Mapping[str, Any]:
        """What the session works on; empty in a record that does not say."""
        found = self.fields.get("workspace")
        return found if isinstance(found, dict) else {}

    @property
    def resources(self) -> Sequence[Mapping[str, Any]]:
        listed = self.fields.get("resources")
        return (
            [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
        )

    @property
    def limits_hit(self) -> Sequence[Mapping[str, Any]]:
        listed = self.fields.get("limits_hit")
        return (
            [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
        )

    @property
    def dropped(self) -> int:
        """Bytes of output that the bound on the logs left out."""
        counts = [hit.get("dropped") for hit in self.limits_hit if hit.get("limit") == "log_bytes"]
        return sum(count for count in counts if isinstance(count, int))

    @property
    def missing(self) -> str | None:
        """What the logs lack of what the session said, in words."""
        dropped = f"{self.dropped} bytes beyond limits.log-bytes" if self.dropped else ""
        found = [words for words in (dropped, self.text("logs_incomplete")) if words]
        return f"the logs are not whole: {'; '.join(found)}" if found else None

    @property
    def log_bytes(self) -> int | None:
        """The bound on the logs; None in a record that has none."""
        limits = self.fields.get("limits")
        found = limits.get("log_bytes") if isinstance(limits, dict) else None
        return found if isinstance(found, int) else None

    @property
    def grace(self) -> float:
        """Seconds between TERM and KILL; in a record that does not say, the usual ones."""
        found = self.fields.get("grace")
        return float(found) if isinstance(found, int | float) else USUAL_GRACE

    def text(self, key: str) -> str:
        """A string field, or "" when it is missing, null or of another type."""
        value = self.fields.get(key)
        return value if isinstance(value, str) else ""


def with_fields(session: Session, **changes: Any) -> Session:
    """The same record with some fields set; None leaves a field out.

    Raises StoreError for a record of another tool.
    """
    if not session.ours:
        raise StoreError(f"session {session.id} belongs to another tool; outrig does not change it")
    fields = {**session.fields, **changes}
    return Session({name: value for name, value in fields.items() if value is not None})


def preparing(session: Session) -> Session:
    """The slow part begins: workspace, image, container."""
    return _move(session, "planned", "preparing")


def running(session: Session) -> Session:
    """The engine has started the container."""
    return _move(session, "preparing", "running")


def ended(session: Session, ending: Ending, *, at: datetime) -> Session:
    """The end. Terminal states are sticky: an ended record comes back as it is."""
    if session.ended:
        return session
    for hit in ending.hits:
        session = with_limit_hit(session, hit.limit, at=hit.at or at, evidence=hit.evidence)
    return with_fields(
        session,
        status=ending.status,
        reason=ending.reason,
        exit_code=ending.exit_code,
        agent_exit_code=ending.agent_exit_code,
        ended_at=time_text(at),
    )


def with_workspace(session: Session, **changes: Any) -> Session:
    """Say more of the workspace; None leaves a field out."""
    said = {**session.workspace, **changes}
    kept = {name: value for name, value in said.items() if value is not None}
    return with_fields(session, workspace=kept)


def with_resource(
    session: Session, *, kind: str, role: str, ref: str | None, attempt: str
) -> Session:
    """Note a resource before it is made (`ref` None), and again once its ref is known."""
    others = [item for item in session.resources if item.get("attempt") != attempt]
    entry = {"kind": kind, "role": role, "ref": ref, "attempt": attempt}
    return with_fields(session, resources=[*others, entry])


def without_resource(session: Session, attempt: str) -> Session:
    """Forget a resource that is verified to be gone."""
    return with_fields(
        session,
        resources=[item for item in session.resources if item.get("attempt") != attempt],
    )


def with_limit_hit(
    session: Session, limit: str, *, at: datetime, evidence: str, **facts: Any
) -> Session:
    """Note a limit that was hit. The first time counts; evidence and facts are the latest."""
    earlier = next((hit for hit in session.limits_hit if hit.get("limit") == limit), {})
    others = [hit for hit in session.limits_hit if hit.get("limit") != limit]
    hit = {"limit": limit, "at": earlier.get("at", time_text(at)), "evidence": evidence, **facts}
    return with_fields(session, limits_hit=[*others, hit])


def with_dropped(session: Session, count: int, *, at: datetime) -> Session:
    """Note how many bytes of output the bound on the logs left out."""
    words = f"{count} bytes of output were not kept"
    return with_limit_hit(session, "log_bytes", at=at, evidence=words, dropped=count)


def _move(session: Session, source: str, target: str) -> Session:
    if session.fields.get("status") != source:
        raise StoreError(f"session {session.id} is {session.status}, not {source}")
    return with_fields(session, status=target)
