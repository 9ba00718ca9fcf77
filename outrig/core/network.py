"""Network modes, and what a session may reach: what the words mean.

| mode   | the session reaches                                                             |
|--------|---------------------------------------------------------------------------------|
| none   | nothing but its own loopback                                                    |
| filter | nothing, except what the allow rules name                                       |
| audit  | whatever is public, by TCP; every connection is told of                         |
| open   | the internet; not this machine, its networks, link-local or other sessions      |
| bridge | whatever the engine's default bridge reaches: this machine and its networks too |

Which mode a session has:

| the agent's `network` | said by flag or OUTRIG_* | else                                          |
|-----------------------|--------------------------|-----------------------------------------------|
| none                  | none                     | none                                          |
| another               | as said                  | the tighter of it and `[network] mode`        |
| no agent, or not set  | as said                  | `[network] mode`                              |
"""

from __future__ import annotations

from outrig.core.frozen import frozen
from outrig.errors import NetworkError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Literal

    from outrig.core.address import Network
    from outrig.core.rules import Rule

    Mode = Literal["none", "filter", "audit", "open", "bridge"]

MODES: tuple[Mode, ...] = ("none", "filter", "audit", "open", "bridge")  # the tightest first
GATED = ("filter", "audit")  # what goes out goes through a gateway
REGISTRIES = "@registries"

_TOLD = {
    "audit": "network audit: what the session reaches is written down; outrig network show ID",
    "open": "network open: the session reaches the internet, but not this machine and its "
    "networks; --network none cuts it off",
    "bridge": "network bridge: the session reaches this machine and its networks too; "
    "--network open does not",
}


@frozen
class NetworkPlan:
    """What a session may reach. Rules are as they were written, `@registries` among them."""

    mode: Mode
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    egress: str | None = None  # the engine's network that leads out; None: its default bridge
    resolvers: tuple[str, ...] = ()  # what is asked for names there; none: the machine's

    @property
    def gated(self) -> bool:
        return self.mode in GATED

    @property
    def table(self) -> Mapping[str, object]:
        """As the record and `--dry-run` have it."""
        said = {"mode": self.mode, "allow": list(self.allow), "deny": list(self.deny)}
        return {name: value for name, value in said.items() if value}


def of_record(said: object) -> NetworkPlan | None:
    """What a record's `network` says; None for one that says nothing that is known."""
    table = said if isinstance(said, dict) else {"mode": said}
    known = table.get("mode")
    if known not in MODES:
        return None
    allow, deny = table.get("allow"), table.get("deny")
    return NetworkPlan(
        mode=known,
        allow=tuple(map(str, allow)) if isinstance(allow, list) else (),
        deny=tuple(map(str, deny)) if isinstance(deny, list) else (),
    )


def mode(text: str) -> Mode:
    """Raises UsageError when `text` is no mode."""
    if text not in MODES:
        raise UsageError(f'network mode "{text}" is none of {", ".join(MODES)}')
    return text


def chosen(*, configured: str, explicit: bool, agent: str | None) -> Mode:
    """The second table. `explicit`: a flag or a variable set the configured one."""
    if agent == "none":
        return "none"
    if agent is None or explicit:
        return mode(configured)
    return min(mode(configured), mode(agent), key=MODES.index)


def plan(
    mode_: Mode,
    *,
    allow: Iterable[str] = (),
    deny: Iterable[str] = (),
    by_flag: Iterable[str] = (),
    egress: str | None = None,
    resolvers: tuple[str, ...] = (),
) -> NetworkPlan:
    """Raises UsageError or NetworkError for rules that are none, or that the mode cannot keep.

    `by_flag` are further rules that allow; those must mean something in the mode.
    """
    asked = tuple(by_flag)
    allowed, denied = tuple(dict.fromkeys((*allow, *asked))), tuple(dict.fromkeys(deny))
    of_names = {text for text in (*allowed, *denied) if is_of_names(text)}
    if REGISTRIES in denied:
        raise UsageError(f"{REGISTRIES} can be allowed, and not be denied")
    meaningless = [text for text in asked if _is_idle(mode_, names=text in of_names)]
    if meaningless:
        raise UsageError(
            f"--network {mode_} makes nothing of --allow {meaningless[0]}",
            hint=f"--network filter --allow {meaningless[0]}",
        )
    cannot = {"bridge": denied, "open": of_names}.get(mode_, ())
    unkept = [text for text in denied if text in cannot]
    if unkept:
        raise UsageError(
            f'--network {mode_} cannot keep the rule "deny {unkept[0]}"',
            hint="--network audit keeps each rule, open those of addresses",
        )
    kept = (text for text in allowed if not _is_idle(mode_, names=text in of_names))
    return NetworkPlan(
        mode=mode_, allow=tuple(kept), deny=denied, egress=egress, resolvers=resolvers
    )


def is_of_names(text: str) -> bool:
    """Whether a rule is about hosts' names, and not about addresses."""
    return text == REGISTRIES or parse(text).network is None


def _is_idle(mode_: Mode, *, names: bool) -> bool:
    """Whether a rule that allows something changes nothing in this mode."""
    return mode_ in ("none", "bridge") or (mode_ == "open" and names)


def parse(text: str) -> Rule:
    """One rule. Raises NetworkError."""
    from outrig.core import rules  # noqa: PLC0415 - addresses take 5 ms, most runs have no rule

    return rules.parse(text)


def announcement(made: NetworkPlan, agent: str | None, *, beside: bool = False) -> str | None:
    """What a user must be told before a session reaches out; None when it cannot.

    `beside`: it has sidecars, which no rule needs to allow.
    """
    if made.mode != "filter":
        return _TOLD.get(made.mode)
    if not made.allow:
        but = " but its sidecars" if beside else ""
        return f"network filter: the session reaches nothing{but}, for no rule allows anything"
    shown = ", ".join(made.allow[:6]) + (", ..." if len(made.allow) > 6 else "")  # noqa: PLR2004
    return f"network filter: {agent or 'the session'} reaches {shown}; --network open for more"


def policy(
    made: NetworkPlan,
    *,
    own: Iterable[Network],
    hosts: Mapping[str, str],
    temporary: Iterable[Mapping[str, object]] = (),
) -> Mapping[str, object]:
    """What the gateway is told of it. `hosts` are those beside the session, by name."""
    return {
        "mode": made.mode,
        "allow": list(made.allow),
        "deny": list(made.deny),
        "own": [str(one) for one in own],
        "hosts": dict(hosts),
        "temporary": list(temporary),
    }


def rule_of_url(url: str) -> str | None:
    """The rule that lets a session reach a URL; None for what leads to no host."""
    from urllib.parse import urlsplit  # noqa: PLC0415 - 5 ms, and only for a gateway

    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    if not host or not (port or usual):
        return None
    rule = f"[{host}]:{port or usual}" if ":" in host else f"{host}:{port or usual}"
    try:
        return parse(rule).text
    except NetworkError:
        return None


@frozen
class Inner:
    """A session's own network: its range, the part that names stand in for, who is where."""

    range: str
    stand_ins: str
    exit: str  # where everything is sent that is not for the network itself
    gateway: str
    agent: str

    def beside(self, at: int) -> str:
        """The address of one that is there beside the agent, counted from 0."""
        from ipaddress import IPv4Address  # noqa: PLC0415 - as above

        return str(IPv4Address(self.agent) + 1 + at)


def inner(draw: int) -> Inner:
    """One of 4,096 that do not overlap, from random bits."""
    from ipaddress import IPv4Address  # noqa: PLC0415 - the same

    low = IPv4Address("100.64.0.0") + ((draw & 0xFFF) << 10)
    return Inner(
        range=f"{low}/22",
        stand_ins=f"{low + 512}/23",
        exit=str(low + 1),
        gateway=str(low + 2),
        agent=str(low + 3),
    )


def apart() -> Inner:
    """The same where the session has a namespace of its own, and shares these with nobody."""
    return inner(0)
