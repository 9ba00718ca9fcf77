"""Names and the stand-in addresses that the session is given for them.

A name is never resolved for the agent: it gets an address of the session's own network, and the
gate remembers which name that means. So a look-up carries nothing out, and a connection to the
address says by which name it was asked for.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Network

    from outrig.core.address import Address


class Names:
    """Stand-ins, all from `network`. The longest unused is given again."""

    def __init__(self, network: IPv4Network) -> None:
        self._network = network
        self._free = list(network.hosts())
        self._free.reverse()
        self._by_name: OrderedDict[str, IPv4Address] = OrderedDict()
        self._by_address: dict[Address, str] = {}
        self._busy: dict[str, int] = {}

    def address(self, name: str) -> IPv4Address | None:
        """The stand-in for a name; None when each one is in use at this moment."""
        found = self._by_name.get(name)
        if found is None:
            found = self._free.pop() if self._free else self._recycled()
            if found is None:
                return None
            self._by_name[name] = found
            self._by_address[found] = name
        self._by_name.move_to_end(name)
        return found

    def __contains__(self, address: Address) -> bool:
        return address in self._network

    def name(self, address: Address) -> str | None:
        """The name that a stand-in was last given for."""
        return self._by_address.get(address)

    def connected(self, name: str) -> None:
        """A connection to it begins: until disconnected() it keeps its stand-in."""
        self._busy[name] = self._busy.get(name, 0) + 1

    def disconnected(self, name: str) -> None:
        self._busy[name] -= 1
        if not self._busy[name]:
            del self._busy[name]

    def _recycled(self) -> IPv4Address | None:
        for name in self._by_name:
            if name not in self._busy:
                address = self._by_name.pop(name)
                del self._by_address[address]
                return address
        return None
