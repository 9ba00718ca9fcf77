"""A session that runs is allowed more: the decision is recorded, then the gateway goes by it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from outrig.core.moment import time_text
from outrig.core.network import GATED, REGISTRIES, parse
from outrig.core.session import with_fields
from outrig.errors import NetworkError, SessionNotRunningError, UsageError
from outrig.store import network

if TYPE_CHECKING:
    from outrig.core.session import Session
    from outrig.store.finding import Found


def allow(found: Found, rule: str, *, seconds: float | None, by: str) -> None:
    """Let it reach what `rule` names, for so many seconds or to its end.

    Raises UsageError or NetworkError for a rule that is none or a session without a gateway.
    """
    if rule == REGISTRIES:
        raise UsageError(f"{REGISTRIES} is known when a session starts: name a host")
    parse(rule)
    _check(found.session)
    store = found.store
    if store is None:
        raise SessionNotRunningError(f"the session root of {found.session.id} is gone")
    now = datetime.now(UTC)
    until = now + timedelta(seconds=seconds) if seconds is not None else None
    decision = {"at": time_text(now), "allow": rule, "by": by}
    if until:
        decision["until"] = time_text(until)

    def decided(session: Session) -> Session:
        _check(session)
        said = dict(session.fields["network"])
        said["decisions"] = [*said.get("decisions", ()), decision]
        return with_fields(session, network=said)

    store.update(found.session.id, decided)
    # Written under no lock: of two at the same moment both are in the record, and the later one
    # reads the record and not the policy.
    session = store.read(found.session.id)
    network.write_policy(found.directory, with_decisions(network.policy(found.directory), session))


def with_decisions(policy: dict[str, Any], session: Session) -> dict[str, Any]:
    """The policy with all that was decided since the start, told once each."""
    from outrig.core.moment import parse_time  # noqa: PLC0415 - the one use

    lasting, passing = list(policy["allow"]), []
    for one in session.fields["network"].get("decisions", ()):
        until = parse_time(one.get("until"))
        if until is None:
            lasting.append(one["allow"])
        else:
            passing.append({"rule": one["allow"], "until": until.timestamp()})
    return {**policy, "allow": list(dict.fromkeys(lasting)), "temporary": passing}


def _check(session: Session) -> None:
    said = session.fields.get("network")
    mode = said.get("mode") if isinstance(said, dict) else None
    if session.status != "running":
        raise SessionNotRunningError(
            f"session {session.id} is {session.status}: nothing can be allowed",
            hint="outrig run --allow HOST",
        )
    if mode not in GATED:
        raise NetworkError(
            f"session {session.id} has network {mode}, and no gateway that could let it through",
            hint="outrig run --network filter --allow HOST",
        )
