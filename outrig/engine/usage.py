"""Usage: what a container takes of processors and processes.

| where                           | what shows that the limit on processes was reached           |
|---------------------------------|--------------------------------------------------------------|
| its cgroup, where we can see it | `pids.events` counts the processes that the kernel refused   |
| the engine's stats              | as many processes as are allowed, at the moment of asking    |

`State` says nothing of it (tried on 20.10.24), and neither remembers anything once it has ended.
A cgroup is read in microseconds, and stats of the engine in 2 to 24 milliseconds.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from outrig.engine.failure import CONFLICT, gone, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from outrig.engine.wire import Wire

TOP = "/sys/fs/cgroup"
# By cgroup version, and by the engine's cgroup driver: cgroupfs, systemd.
PLACES = (
    "pids/docker/{}",
    "pids/system.slice/docker-{}.scope",
    "docker/{}",
    "system.slice/docker-{}.scope",
)


def stats(wire: Wire, container: str) -> Mapping[str, Any]:
    """What the engine measures now; nothing of one that has ended."""
    query = {"stream": "0", "one-shot": "1"}
    answer = wire.call("GET", f"/containers/{container}/stats", query=query)
    if not answer.fine:
        if gone(answer) or answer.status == CONFLICT:
            return {}
        raise refusal(answer, "say what the container uses")
    measured: Mapping[str, Any] = answer.json()
    return measured


def cpu_seconds(measured: Mapping[str, Any]) -> float:
    used = _table(_table(measured, "cpu_stats"), "cpu_usage").get("total_usage") or 0
    return float(used) / 10**9


def crowd(measured: Mapping[str, Any]) -> str | None:
    """That as many processes were there as may be."""
    counted = _table(measured, "pids_stats")
    current, limit = counted.get("current") or 0, counted.get("limit") or 0
    return f"{current} of {limit} processes were there" if 0 < limit <= current else None


class Refusals:
    """The kernel's own count, kept open while the container runs."""

    def __init__(self, container: str, top: str = TOP) -> None:
        self._fd = _first([f"{top}/{place.format(container)}/pids.events" for place in PLACES])

    @property
    def seen(self) -> bool:
        """Whether its cgroup is one that we can see."""
        return self._fd is not None

    def words(self) -> str | None:
        """None when there were none, and after its end."""
        if self._fd is None:
            return None
        try:
            name, _, count = os.pread(self._fd, 64, 0).partition(b"\n")[0].partition(b" ")
        except OSError:  # ENODEV: it has ended
            return None
        if name != b"max" or not count.isdigit() or int(count) == 0:
            return None
        return f"the kernel refused {int(count)} more process{'' if int(count) == 1 else 'es'}"

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _first(paths: Sequence[str]) -> int | None:
    for path in paths:
        with contextlib.suppress(OSError):
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    return None


def _table(measured: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = measured.get(key)
    return found if isinstance(found, dict) else {}
