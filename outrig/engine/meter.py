"""Meter: what a container has used so far, and what it had used when it was last looked at.

| what     | where its cgroup can be seen                        | else, when the engine is asked  |
|----------|-----------------------------------------------------|---------------------------------|
| memory   | the highest it was: max_usage_in_bytes, memory.peak | the highest that was seen       |
| cpu      | cpuacct.usage, cpu.stat                             | cpu_stats                       |
| network  | -                                                   | networks, each interface summed |

A cgroup is gone with its last process; the last look before that is what is known then.
"""

from __future__ import annotations

import os

from outrig.core.engine import Measured
from outrig.core.frozen import replace
from outrig.engine.usage import TOP, first, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

MEMORY = (
    "memory/docker/{}/memory.max_usage_in_bytes",
    "memory/system.slice/docker-{}.scope/memory.max_usage_in_bytes",
    "docker/{}/memory.peak",
    "system.slice/docker-{}.scope/memory.peak",
)
CPU = (
    "cpuacct/docker/{}/cpuacct.usage",
    "cpuacct/system.slice/docker-{}.scope/cpuacct.usage",
    "docker/{}/cpu.stat",
    "system.slice/docker-{}.scope/cpu.stat",
)


class Meter:
    def __init__(self, container: str | None, top: str = TOP) -> None:
        """None: its cgroup is not of this machine, and only the engine is to be asked."""
        here = container is not None
        self._memory = first([f"{top}/{one.format(container)}" for one in MEMORY if here])
        self._cpu = first([f"{top}/{one.format(container)}" for one in CPU if here])
        self.last = Measured()

    def look(self) -> None:
        """Read its cgroup, if it is there."""
        memory, used = _number(self._memory), _number(self._cpu)
        if memory is not None:
            self.last = replace(self.last, memory=max(int(memory), self.last.memory or 0))
        if used is not None:
            seconds = used if isinstance(used, float) else used / 10**9
            self.last = replace(self.last, cpu_seconds=seconds)

    def hear(self, stats: Mapping[str, Any]) -> None:
        """Take what the engine says."""
        memory, cpu = table(stats, "memory_stats"), table(table(stats, "cpu_stats"), "cpu_usage")
        peak = max(memory.get("max_usage") or 0, memory.get("usage") or 0, self.last.memory or 0)
        seconds = max((cpu.get("total_usage") or 0) / 10**9, self.last.cpu_seconds or 0.0)
        found = [one for one in table(stats, "networks").values() if isinstance(one, dict)]
        heard = replace(self.last, memory=peak or None, cpu_seconds=seconds or None)
        if found:
            received = sum(one.get("rx_bytes") or 0 for one in found)
            sent = sum(one.get("tx_bytes") or 0 for one in found)
            heard = replace(heard, received=received, sent=sent)
        self.last = heard

    def close(self) -> None:
        for descriptor in (self._memory, self._cpu):
            if descriptor is not None:
                os.close(descriptor)
        self._memory = self._cpu = None


def _number(descriptor: int | None) -> int | float | None:
    """Bytes or nanoseconds as they stand there; the microseconds of cpu.stat as seconds."""
    if descriptor is None:
        return None
    try:
        words = os.pread(descriptor, 256, 0).split()
    except OSError:  # ENODEV: it has ended
        return None
    if not words:
        return None
    if words[0] == b"usage_usec":
        return int(words[1]) / 10**6
    return int(words[0]) if words[0].isdigit() else None
