"""The machine's own addresses and resolvers, as the kernel and the C library have them."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from outrig.core.address import Address, Network

# A leaf of the tree of IPv4 routes, and that it is of this machine.
_LOCAL = re.compile(r"\|-- (\S+)\n +/32 host LOCAL")
# Where the resolver of systemd says whom it asks itself; engines look there, too.
_RESOLVERS = ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf")


def own(proc: Path = Path("/proc")) -> Sequence[Network]:
    """Every address that a process of this machine can be reached at, loopback aside."""
    found: set[Address] = set()
    found.update(map(ip_address, _LOCAL.findall(_text(proc / "net/fib_trie"))))
    for line in _text(proc / "net/if_inet6").splitlines():
        found.add(ip_address(bytes.fromhex(line.split()[0])))
    kept = sorted((one for one in found if not one.is_loopback), key=lambda one: one.packed)
    return [ip_network(one) for one in kept]


def resolvers(root: Path = Path("/")) -> Sequence[Address]:
    """Whom names are asked of, where that is not this machine itself."""
    found: dict[Address, None] = {}
    for name in _RESOLVERS:
        for line in _text(root / name.lstrip("/")).splitlines():
            words = line.split()
            if words[:1] == ["nameserver"] and len(words) > 1:
                address = _address(words[1])
                if address and not address.is_loopback:
                    found[address] = None
    return list(found)


def _address(text: str) -> Address | None:
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # a kernel without IPv6
        return ""
