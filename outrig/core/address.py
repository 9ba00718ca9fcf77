"""Addresses: which of them are special, however they are spelled, and what a host is.

A name is never an address in disguise: `2130706433`, `0x7f.1`, `127.1` and full-width digits are what
some resolver takes for 127.0.0.1, so everything that is neither a plain name nor the canonical
spelling of an address is refused. An IPv6 address that carries an IPv4 one counts as both.

| range                                    | called     |
|------------------------------------------|------------|
| 0.0.0.0/8, ::                            | this       |
| 127.0.0.0/8, ::1                         | loopback   |
| 10/8, 172.16/12, 192.168/16, fc00::/7, fec0::/10 | private |
| 100.64.0.0/10                            | cgnat      |
| 169.254.0.0/16, fe80::/10                | link-local (the clouds' metadata service is there) |
| 224.0.0.0/4, ff00::/8                    | multicast  |
| 240.0.0.0/4 and 255.255.255.255          | reserved   |
| 192.0.0.0/24, 192.0.2.0/24, 198.18.0.0/15, 198.51.100.0/24, 203.0.113.0/24, 192.88.99.0/24, 2001:db8::/32, 100::/64, 3fff::/20, 5f00::/16 | documentation, benchmarks, relays |
| v4-mapped, v4-compatible, NAT64, 6to4, Teredo, ISATAP | what the IPv4 address inside is |
"""  # noqa: E501 - a table's row is one line

from __future__ import annotations

import re
from functools import cache
from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TYPE_CHECKING

from outrig.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Iterator

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.ASCII)
_LONGEST_NAME = 253
# Every spelling that inet_aton takes for an address: the last label begins with a digit.
_NUMERIC_END = re.compile(r"(?:0x[0-9a-f]*|[0-9][0-9a-fx]*)", re.ASCII)

_RANGES = {
    "this": ("0.0.0.0/8", "::/128"),
    "loopback": ("127.0.0.0/8", "::1/128"),
    "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"),
    "cgnat": ("100.64.0.0/10",),
    "link-local": ("169.254.0.0/16", "fe80::/10"),
    "multicast": ("224.0.0.0/4", "ff00::/8"),
    "reserved": ("240.0.0.0/4",),
    "documentation": (
        *("192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "192.88.99.0/24"),
        *("2001:db8::/32", "100::/64", "3fff::/20", "5f00::/16"),
    ),
}
_NAT64 = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
_COMPATIBLE = ip_network("::/96")
_GLOBAL = ip_network("2000::/3")  # all that has ever been given out


def special(address: Address) -> str | None:
    """What a special address is called; None for one of the public internet."""
    for called, network in _networks():
        if address.version == network.version and address in network:
            return called
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64[1]:
        return "nat64"  # a local prefix, whose layout nobody knows
    inside = embedded(address)
    if inside:
        return next((name for one in inside if (name := special(one))), None)
    return None if address in _GLOBAL else "reserved"


def embedded(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses that an IPv6 address leads to by way of a translator or a tunnel."""
    low = IPv4Address(int(address) & 0xFFFF_FFFF)
    found: list[IPv4Address] = []
    if address.ipv4_mapped or address in _NAT64[0] or address in _COMPATIBLE:
        found.append(low)
    if address.sixtofour:
        found.append(address.sixtofour)
    if address.teredo:
        found.extend(address.teredo)
    if (int(address) >> 32) & 0xFDFF_FFFF == 0x0000_5EFE:  # noqa: PLR2004 - RFC 5214
        found.append(low)
    return tuple(found)


def host(text: str) -> str | Address:
    """A host as a client names it: a name in lower case without a final dot, or an address.

    Raises NetworkError for everything else; brackets around an IPv6 address are taken off.
    """
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
        if ":" not in text:
            raise NetworkError(f"{text[:80]!r} in brackets is no IPv6 address")
    literal = _literal(text)
    if literal is not None:
        return literal
    name = text.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > _LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise NetworkError(f"{text[:80]!r} is no host name")
    if _NUMERIC_END.fullmatch(labels[-1]):
        raise NetworkError(f"{text[:80]!r} is an address in disguise", hint="write it as a.b.c.d")
    return name


def _literal(text: str) -> Address | None:
    """An address in its canonical spelling; a zone (`%eth0`) has no meaning for anybody else."""
    if "%" in text or not text.isascii():
        return None
    try:
        return ip_address(text)
    except (ValueError, AddressValueError):
        return None


def ranges() -> Iterator[Network]:
    """Every special range. What carries an IPv4 address within is not among them."""
    return (network for _, network in _networks())


@cache
def _networks() -> tuple[tuple[str, Network], ...]:
    return tuple((name, ip_network(text)) for name, texts in _RANGES.items() for text in texts)
