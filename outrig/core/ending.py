"""How a session ended: (intent, what the engine says) -> status, reason and exit code.

| intent | finding                          | status / reason            | exit code      |
|--------|----------------------------------|----------------------------|----------------|
| stop, kill | any                          | stopped / stopped          | the agent's    |
| signal | any                              | stopped / interrupted      | 128 + signal   |
| wall   | any                              | timeout / wall-timeout     | 124            |
| idle   | any                              | timeout / idle-timeout     | 124            |
| budget | any                              | stopped / budget           | 124            |
| disk   | any                              | stopped / disk-limit       | 124            |
| none   | exit 0                           | completed / exit           | 0              |
| none   | OOMKilled, or a process that the |                            |                |
|        | kernel killed for memory; 137    | failed / oom               | 137            |
| none   | the engine died around the end   | failed / engine-lost       | the engine's   |
| none   | 126, 127 with init's complaint   | failed / start-failed      | 126, 127       |
| none   | 129 to 192                       | failed / signal            | as it is       |
| none   | any other code                   | failed / exit              | as it is       |
| any    | the container vanished           | lost / container-gone      | none           |

An intent that came after the agent's end has caused nothing and does not count. A forwarded
Ctrl-C is a tentative signal intent: it counts if the agent ends within the grace
period, whatever its code. OOMKilled alone may be a child's (tried: it is true with exit 0 too).
The engine cannot tell an agent's own `exit 130` from a death by signal, so 129 to 192 all read
`signal`.

An end at a limit, and a process that was killed for memory, whatever became of the agent, are
limits that were hit (`hits`).
"""

from __future__ import annotations

from outrig.core.frozen import frozen
from outrig.core.moment import parse_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from typing import Literal

    IntentKind = Literal["stop", "kill", "signal", "wall", "idle", "budget", "disk"]

INTENTS: tuple[IntentKind, ...] = ("stop", "kill", "signal", "wall", "idle", "budget", "disk")
EXIT_TIMEOUT = 124
EXIT_OWN_FAILURE = 125
EXIT_NOT_FOUND = 127
KILLED = 137
LIMITS = {
    "wall": "its time was over",
    "idle": "it neither said nor did anything",
    "budget": "its models are used up",
    "disk": "it wrote too much",
}
ENGINE_DEATH_CODES = (KILLED, 143, 255)


@frozen
class Intent:
    """Who ends a session and why; on disk (`intent.json`) before the signal is sent."""

    kind: IntentKind
    signal: int | None = None  # the signal that outrig itself got
    at: str = ""
    by: str = ""  # "runner", or the command that a user typed elsewhere
    until: str = ""  # tentative: it counts for an end before this time (RFC 3339)
    limit: str = ""  # as in the record's `limits`, where that is not the kind
    evidence: str = ""  # of a limit that was hit, in words


@frozen
class Finding:
    """What is known of the agent's end. `code` None: it never ran, or nobody can say."""

    code: int | None
    oom: bool = False
    killed_for_memory: bool = False  # a process, as the kernel says
    init_complaint: bool = False  # init's own "exec ... failed", so the command never ran
    engine_died: bool = False
    at: datetime | None = None  # when it ended, as far as known


@frozen
class Hit:
    """A limit that was hit, and how that is known; `at` None: with the end."""

    limit: str  # as in the record's `limits`
    evidence: str
    at: datetime | None = None


@frozen
class Ending:
    status: str
    reason: str
    exit_code: int | None
    agent_exit_code: int | None = None
    hits: tuple[Hit, ...] = ()


def judge(intent: Intent | None, finding: Finding) -> Ending:
    """The table above, row by row."""
    if finding.code is None:
        return Ending(status="lost", reason="container-gone", exit_code=None)
    code = finding.code
    if intent and not _counts(intent, finding):
        intent = None
    status, reason, exit_code = _intended(intent, code) if intent else _found(finding, code)
    return Ending(
        status=status,
        reason=reason,
        exit_code=exit_code,
        agent_exit_code=None if reason == "start-failed" else code,
        hits=tuple(_hits(intent, finding)),
    )


def _counts(intent: Intent, finding: Finding) -> bool:
    """Whether it can have been the cause: not of an end before it, nor of one after its time."""
    declared, until, end = parse_time(intent.at), parse_time(intent.until), finding.at
    if end is None:
        return until is None
    too_early = declared is not None and end < declared
    return not too_early and (until is None or end <= until)


def never_started(reason: str, *, exit_code: int) -> Ending:
    """A session that failed before its agent ran."""
    return Ending(status="failed", reason=reason, exit_code=exit_code)


def interrupted_early(intent: Intent) -> Ending:
    """A session that was ended before its agent ran."""
    status, reason, exit_code = _intended(intent, EXIT_OWN_FAILURE)
    return Ending(status=status, reason=reason, exit_code=exit_code)


def _hits(intent: Intent | None, finding: Finding) -> Iterator[Hit]:
    if intent and intent.kind in LIMITS:
        why = intent.evidence or LIMITS[intent.kind]
        words = f"{why}; ended by {intent.by or 'outrig'}"
        yield Hit(limit=intent.limit or intent.kind, evidence=words, at=parse_time(intent.at))
    if finding.oom:
        words = f"the engine reports OOMKilled; exit code {finding.code}"
        yield Hit(limit="memory", evidence=words)
    elif finding.killed_for_memory:
        words = f"the kernel killed a process for memory; exit code {finding.code}"
        yield Hit(limit="memory", evidence=words)


def _intended(intent: Intent, code: int) -> tuple[str, str, int]:
    match intent.kind:
        case "wall" | "idle":
            return "timeout", f"{intent.kind}-timeout", EXIT_TIMEOUT
        case "budget":
            return "stopped", "budget", EXIT_TIMEOUT
        case "disk":
            return "stopped", "disk-limit", EXIT_TIMEOUT
        case "signal":
            return "stopped", "interrupted", 128 + (intent.signal or 0)
        case "stop" | "kill":
            return "stopped", "stopped", code


def _found(finding: Finding, code: int) -> tuple[str, str, int]:
    if code == 0:
        return "completed", "exit", 0
    if (finding.oom or finding.killed_for_memory) and code == KILLED:
        return "failed", "oom", code
    if finding.engine_died and code in ENGINE_DEATH_CODES:
        return "failed", "engine-lost", code
    if finding.init_complaint and code in (126, 127):
        return "failed", "start-failed", code
    if 129 <= code <= 192:  # noqa: PLR2004 - the contract's own bounds
        return "failed", "signal", code
    return "failed", "exit", code
