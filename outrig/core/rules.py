"""Network rules: what a session may reach -> a verdict, and the rule that says so.

A rule is `HOST[:PORT]`, `*.SUFFIX[:PORT]` (never the suffix itself), an address or a CIDR with or
without a port (IPv6 in brackets before a port). Without a port it means every port. The first
row that applies decides:

| the connection                                       | verdict                     |
|------------------------------------------------------|-----------------------------|
| a deny rule names its host or its address            | refused by that rule        |
| an allow rule that is an address or CIDR covers it   | allowed by that rule        |
| its address is special, or one of this machine's own | refused                     |
| an allow rule names its host                         | allowed by that rule        |
| any other                                            | the default of the mode     |
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import TYPE_CHECKING, NamedTuple

from outrig.core.address import Address, Network, embedded, host, special
from outrig.core.frozen import frozen
from outrig.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Sequence

_HIGHEST_PORT = 65_535


class Verdict(NamedTuple):
    """`rule` is the rule's own text, or what decided in place of one."""

    allowed: bool
    rule: str


@frozen
class Rule:
    """One rule. Of name, suffix and network exactly one is set."""

    text: str
    port: int | None = None
    name: str | None = None
    suffix: str | None = None  # with its leading dot
    network: Network | None = None

    def names(self, name: str, port: int | None) -> bool:
        """Whether it is about this host; a port of None means whatever port."""
        if None not in (port, self.port) and port != self.port:
            return False
        if self.suffix is not None:
            return name.endswith(self.suffix) and len(name) > len(self.suffix)
        return name == self.name

    def covers(self, address: Address, port: int | None) -> bool:
        """Whether it is about this address, or one that this address leads to."""
        if self.network is None or (None not in (port, self.port) and port != self.port):
            return False
        inside = embedded(address) if isinstance(address, IPv6Address) else ()
        return any(
            one.version == self.network.version and one in self.network
            for one in (address, *inside)
        )

    def is_address(self, address: Address, port: int | None) -> bool:
        """Whether it is about this very address: a tunnel to it is another one."""
        if self.network is None or self.network.version != address.version:
            return False
        return (self.port is None or port is None or port == self.port) and address in self.network


@frozen
class Rules:
    """What a session may reach. `open_` is the default: whatever no rule speaks of."""

    allow: tuple[Rule, ...] = ()
    deny: tuple[Rule, ...] = ()
    open_: bool = False

    def judge(
        self, name: str | None, address: Address, port: int, *, own: Sequence[Network] = ()
    ) -> Verdict:
        """A connection to an address, which `name` led to if it was asked for by a name."""
        for rule in self.deny:
            if rule.covers(address, port) or (name is not None and rule.names(name, port)):
                return Verdict(allowed=False, rule=f"deny {rule.text}")
        for rule in self.allow:
            if rule.is_address(address, port):
                return Verdict(allowed=True, rule=f"allow {rule.text}")
        forbidden = special(address) or _owned(address, own)
        if forbidden:
            return Verdict(allowed=False, rule=f"special {forbidden}")
        return self._by_name(name, port)

    def may_resolve(self, name: str) -> Verdict:
        """Whether a name may be looked up at all: a look-up already tells somebody something."""
        for rule in self.deny:
            if rule.port is None and rule.names(name, None):
                return Verdict(allowed=False, rule=f"deny {rule.text}")
        return self._by_name(name, None)

    def _by_name(self, name: str | None, port: int | None) -> Verdict:
        if name is not None:
            for rule in self.allow:
                if rule.names(name, port):
                    return Verdict(allowed=True, rule=f"allow {rule.text}")
        return Verdict(allowed=self.open_, rule="default")


def parse(text: str) -> Rule:
    """One rule. Raises NetworkError that quotes it."""
    where, port = _split_port(text)
    try:
        if "/" in where:
            return Rule(text=text, port=port, network=_network(where))
        if where.startswith("*."):
            return Rule(text=text, port=port, suffix=f".{_name(where[2:])}")
        found = host(where)
    except (NetworkError, ValueError) as error:
        raise NetworkError(
            f'"{text}" is no network rule: {error}',
            hint="HOST[:PORT], *.SUFFIX[:PORT], an address or a CIDR",
        ) from error
    if isinstance(found, IPv4Address | IPv6Address):
        return Rule(text=text, port=port, network=ip_network(found))
    return Rule(text=text, port=port, name=found)


def _name(text: str) -> str:
    found = host(text)
    if isinstance(found, str):
        return found
    raise NetworkError("an address has no names below it")


def _network(text: str) -> Network:
    return ip_network(text.removeprefix("[").removesuffix("]"), strict=True)


def _split_port(text: str) -> tuple[str, int | None]:
    """`[::1]:443` and `a.b:443` have a port, `::1` has none."""
    before, colon, after = text.rpartition(":")
    if not colon or (":" in before and not before.endswith("]")):
        return text, None
    if not (after.isascii() and after.isdecimal() and 0 < int(after) <= _HIGHEST_PORT):
        raise NetworkError(f'"{text}" is no network rule: {after!r} is no port')
    return before, int(after)


def _owned(address: Address, own: Sequence[Network]) -> str | None:
    inside = embedded(address) if isinstance(address, IPv6Address) else ()
    for one in (address, *inside):
        if any(one.version == network.version and one in network for network in own):
            return "this machine"
    return None
