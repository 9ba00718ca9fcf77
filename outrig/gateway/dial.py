"""Dialling out: a name is resolved here, each address judged, and that same address dialled."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from outrig.core.address import Address
    from outrig.core.rules import Verdict
    from outrig.gateway.policy import Policy

CONNECT_SECONDS = 15.0
RESOLVE_SECONDS = 10.0
_MOST_TRIED = 4  # addresses of one name


class Dialled(NamedTuple):
    connection: socket.socket
    address: Address
    verdict: Verdict


class DialError(Exception):
    """Why there is no connection. `verdict` is of a refusal; None: the network's fault."""

    def __init__(
        self, why: str, *, verdict: Verdict | None = None, address: Address | None = None
    ) -> None:
        super().__init__(why)
        self.verdict = verdict
        self.address = address


async def dial(policy: Policy, name: str | Address, port: int) -> Dialled:
    """A connection to a host that the policy allows. Raises DialError."""
    if not isinstance(name, str):
        return await _first(policy, None, [name], port)
    early = policy.may_resolve(name)
    if not early.allowed:
        raise DialError("not allowed", verdict=early)
    return await _first(policy, name, await resolve(name), port)


async def resolve(name: str) -> Sequence[Address]:
    """The addresses of a name, without search domains. Raises DialError."""
    loop = asyncio.get_running_loop()
    question = loop.getaddrinfo(f"{name}.", None, type=socket.SOCK_STREAM)
    try:
        found = await asyncio.wait_for(question, RESOLVE_SECONDS)
    except (OSError, UnicodeError) as error:
        raise DialError(f"{name} cannot be resolved: {error}") from error
    except TimeoutError as error:
        raise DialError(f"{name} is not resolved within {RESOLVE_SECONDS:.0f} s") from error
    return alternating([ip_address(str(one[4][0]).partition("%")[0]) for one in found])


def alternating(addresses: Sequence[Address]) -> Sequence[Address]:
    """Both families by turns, the resolver's favourite first: one of them may lead nowhere."""
    first = [one for one in addresses if one.version == addresses[0].version]
    other = [one for one in addresses if one.version != addresses[0].version]
    pairs = zip_longest(first, other)
    return [one for pair in pairs for one in pair if one is not None]


async def _first(
    policy: Policy, name: str | None, addresses: Sequence[Address], port: int
) -> Dialled:
    """The first one that answers; a name with any address that is refused is refused whole."""
    judged = [(address, policy.judge(name, address, port)) for address in addresses]
    for address, verdict in judged:
        if not verdict.allowed:
            raise DialError("not allowed", verdict=verdict, address=address)
    failure = DialError("no address")
    for address, verdict in judged[:_MOST_TRIED]:
        try:
            return Dialled(await _connected(address, port), address, verdict)
        except OSError as error:  # TimeoutError is one
            why = str(error) or "no answer"
            failure = DialError(f"{address}: {why}", address=address)
    raise failure


async def _connected(address: Address, port: int) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004
    connection = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop = asyncio.get_running_loop()
        await asyncio.wait_for(loop.sock_connect(connection, (str(address), port)), CONNECT_SECONDS)
    except BaseException:  # cancelled, too: nobody else has the socket yet
        connection.close()
        raise
    return connection
