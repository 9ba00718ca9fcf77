"""The holder of a session's network: with the ways to this machine shut, it is the agent's.

A network namespace exists only while something runs in it, so a small container holds one and
shuts its ways before the agent joins. In open the kernel's filter keeps, in the order of
core/rules.py:

| what the session sends                             | becomes of it |
|----------------------------------------------------|---------------|
| within itself, and answers to whoever asked it     | passes        |
| to a sidecar of its own                            | passes        |
| to an address of a deny rule                       | refused       |
| to one of an allow rule; a question to a resolver  | passes        |
| to a special address, this machine, its neighbours | refused       |
| to anybody else                                    | passes        |

In filter and audit it keeps all but what goes to the session's own network. That has no address of
this machine, but this machine is on the same wire: a datagram that is sent to everybody, or past
the routes (SO_BINDTODEVICE and SO_DONTROUTE need no privilege), reached any service here (tried).

The agent has no capability, so nothing that it does changes that; it cannot send raw frames.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from outrig.core import address, network, sidecars
from outrig.core.engine import Link
from outrig.core.frozen import replace
from outrig.engine import addresses
from outrig.runner import beside, program, system
from outrig.runner.aside import Aside
from outrig.runner.network import Ready

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from outrig.core.address import Network
    from outrig.core.network import NetworkPlan
    from outrig.core.rules import Rule
    from outrig.runner.network import Making

ROLE = "holder"
FAILED = "the ways to this machine cannot be shut"
_CAPABILITIES = ("NET_ADMIN", "NET_RAW", "SETPCAP")
_PIDS = 32
# IPv6 addresses that lead to an IPv4 one: NAT64, 6to4, Teredo, mapped and compatible.
_CARRIERS = ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96", "::ffff:0:0/96")
_NEIGHBOURS = ("neighbour-solicitation", "neighbour-advertisement", "router-solicitation")
_IDLE = "exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all sleep infinity"
# The subnets that are directly on the wire are known only inside; neighbours live there.
_SCRIPT = f"""\
set -e
four=
six=
while read -r line; do
    case $line in
    4*) four="$four${{line#4}}
" ;;
    6*) six="$six${{line#6}}
" ;;
    end) break ;;
    esac
done
shut() {{
    printf '*filter\\n%s' "$1"
    shift
    for near; do printf '%s\\n' "-A OUTPUT -d $near -j REJECT"; done
    printf 'COMMIT\\n'
}}
shut "$four" $(ip -4 route show scope link | cut -d' ' -f1) | iptables-restore -w
if grep -qv ' lo$' /proc/net/if_inet6 2>/dev/null; then
    shut "$six" $(ip -6 route show | grep -v via | cut -d' ' -f1) | ip6tables-restore -w
fi
echo ready
{_IDLE}
"""


def ready(making: Making) -> Ready:
    """Begin to make that of a session in open. Raises NetworkError or EngineError."""
    plan = making.order.plan
    if not plan.sidecars:
        link, holding = hold(making, making.outside, shutters(plan.network))
        return Ready(link=link, wait=holding.wait)
    from outrig.runner import sidecars as beside_it  # noqa: PLC0415 - few sessions have one

    network_id, inner_ = making.network().there()
    hosts = sidecars.hosts(plan.sidecars, inner_)
    outside, legs = replace(making.outside, hosts=hosts), ((network_id, inner_.agent),)
    shut = shutters(plan.network, hosts.values())
    link, holding = hold(making, outside, shut, legs=legs)
    started = beside_it.begin(making, network_id, inner_, holding)

    def wait() -> None:
        holding.wait()
        started.wait()

    return Ready(link=link, wait=wait)


def hold(
    making: Making,
    link: Link,
    filters: Iterable[str],
    *,
    role: str = ROLE,
    legs: Iterable[tuple[str, str]] = (),
) -> tuple[Link, Aside[None]]:
    """Begin to hold what `link` says; the agent's own link, and what is to be waited for.

    `legs` are further networks, with an address in each. Raises EngineError; what is waited for
    NetworkError, too.
    """
    own = system.ready(making)
    attempt = making.note_container(role)
    made = beside.container(
        making,
        role=role,
        attempt=attempt,
        image=own.image,
        mounts=tuple(own.mounts),
        command=("/bin/sh", "-c", _SCRIPT),
        link=link,
        capabilities=_CAPABILITIES,
        sysctls={},
        pids=_PIDS,
    )
    ref = making.engine.prepare(made, {"PATH": program.PATH})
    making.made_container(ref, role, attempt)
    for network_id, where in legs:
        making.engine.join_network(network_id, ref, where)
    told = "".join(f"{line}\n" for line in (*filters, "end")).encode()
    starting = Aside(lambda: beside.start(making, ref, told, failed=FAILED))
    making.undo.callback(starting.over)
    return Link(kind="joined", to=ref.id), starting


def inner(range_: str) -> Iterator[str]:
    """The filter's rules in a network of the session's own, as shutters() gives them."""
    yield "4-A OUTPUT -o lo -j ACCEPT"
    for everybody in ("BROADCAST", "MULTICAST"):
        yield f"4-A OUTPUT -m addrtype --dst-type {everybody} -j REJECT"
    yield f"4-A OUTPUT -d {range_} -j ACCEPT"
    yield "4-A OUTPUT -j REJECT"
    yield "6-A OUTPUT -o lo -j ACCEPT"
    yield "6-A OUTPUT -j REJECT"


def shutters(plan: NetworkPlan, sidecars: Iterable[str] = ()) -> Iterator[str]:
    """The filter's rules, each after a 4 or a 6 that says for which family.

    `sidecars` are the addresses of the session's own.
    """
    for family in ("4", "6"):
        yield f"{family}-A OUTPUT -o lo -j ACCEPT"
        yield f"{family}-A OUTPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"
    for kind in _NEIGHBOURS:  # without which there is no IPv6 at all
        yield f"6-A OUTPUT -p icmpv6 --icmpv6-type {kind} -j ACCEPT"
    for one in sidecars:
        yield _line(ip_network(one), "", "ACCEPT")
    for text in plan.deny:
        yield from _of_rule(network.parse(text), "REJECT")
    for text in plan.allow:
        yield from _of_rule(network.parse(text), "ACCEPT")
    for resolver in map(ip_address, plan.resolvers) if plan.resolvers else addresses.resolvers():
        for proto in ("udp", "tcp"):
            match = f"-p {proto} --dport 53"
            yield _line(ip_network(resolver), match, "ACCEPT")
    for shut in (*address.ranges(), *map(ip_network, _CARRIERS), *addresses.own()):
        yield _line(shut, "", "REJECT")
    yield "4-A OUTPUT -m addrtype --dst-type BROADCAST -j REJECT"


def _of_rule(rule: Rule, verdict: str) -> Iterator[str]:
    assert rule.network  # core/network.py lets no other through in this mode
    if rule.port is None:
        yield _line(rule.network, "", verdict)
        return
    for proto in ("tcp", "udp"):
        yield _line(rule.network, f"-p {proto} --dport {rule.port}", verdict)


def _line(to: Network, match: str, verdict: str) -> str:
    return f"{to.version}-A OUTPUT -d {to} {match} -j {verdict}"
