"""The policy: what the session may reach at this moment, read from a file that the host swaps.

The file is on a read-only mount. It is looked at before each decision (a stat, microseconds) and
read again when it was swapped, so `outrig network allow` counts from the next connection on. One
that cannot be read or understood allows nothing.
"""

from __future__ import annotations

import json
import os
import time
from ipaddress import IPv4Address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outrig.core.rules import Rules, Verdict, parse
from outrig.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from outrig.core.address import Address, Network

UNREADABLE = Verdict(allowed=False, rule="policy unreadable")
_LARGEST = 4 * 1024 * 1024


class Policy:
    """What `path` says now. `clock` is in seconds since 1970."""

    def __init__(self, path: str, clock: Any = time.time) -> None:
        self._path = path
        self._clock = clock
        self._stamp: tuple[int, int, int] | None = None
        self._rules: Rules | None = None
        self._own: Sequence[Network] = ()
        self._until: float | None = None
        self.hosts: Mapping[str, IPv4Address] = {}

    def judge(self, name: str | None, address: Address, port: int) -> Verdict:
        """May this address be dialled, for a client that asked for `name`?"""
        rules = self._current()
        return rules.judge(name, address, port, own=self._own) if rules else UNREADABLE

    def may_resolve(self, name: str) -> Verdict:
        """May this name be looked up?"""
        rules = self._current()
        return rules.may_resolve(name) if rules else UNREADABLE

    def _current(self) -> Rules | None:
        stamp = self._looked_at()
        expired = self._until is not None and self._clock() >= self._until
        if stamp is None:
            self._rules = None
        elif stamp != self._stamp or expired:
            self._rules = self._read()
        self._stamp = stamp
        return self._rules

    def _looked_at(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self._path)  # noqa: PTH116 - before each decision
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _read(self) -> Rules | None:
        try:
            with Path(self._path).open("rb") as file:
                return self._understood(json.loads(file.read(_LARGEST)))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, NetworkError):
            return None

    def _understood(self, said: Mapping[str, Any]) -> Rules:
        now = self._clock()
        for_now = [one for one in said.get("temporary", ()) if float(one["until"]) > now]
        allow = [*said["allow"], *(one["rule"] for one in for_now)]
        rules = Rules(
            allow=tuple(map(parse, allow)),
            deny=tuple(map(parse, said["deny"])),
            open_=said["mode"] == "audit",
        )
        self._own = tuple(ip_network(text) for text in said["own"])
        self.hosts = {name: IPv4Address(address) for name, address in said.get("hosts", {}).items()}
        self._until = min((float(one["until"]) for one in for_now), default=None)
        return rules
