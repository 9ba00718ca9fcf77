"""Usage: what a container takes of processors, processes and memory.

| where                           | what shows that a process was killed for memory              |
|---------------------------------|--------------------------------------------------------------|
| its cgroup, where we can see it | `oom_kill` in `memory.events`, or `memory.oom_control` of v1 |
| the engine's `OOMKilled`        | what containerd told it in time: 26.1 with cgroup v1 often   |
|                                 | says nothing                                                 |

`State` says nothing of either (tried on 20.10.24), and stats remember nothing once it has ended.
A cgroup is read in microseconds, and stats of the engine in 2 to 24 milliseconds.
"""

from __future__ import annotations

import contextlib
import os
import select
import time

from outrig.engine.failure import CONFLICT, gone, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from outrig.engine.wire import Wire

    Stats = Mapping[str, Any]

TOP = "/sys/fs/cgroup"
# By cgroup version, and by the engine's cgroup driver: cgroupfs, systemd.
KILLS = (
    "memory/docker/{}/memory.oom_control",
    "memory/system.slice/docker-{}.scope/memory.oom_control",
    "docker/{}/memory.events",
    "system.slice/docker-{}.scope/memory.events",
)


def stats(wire: Wire, container: str) -> Stats:
    """What the engine measures now; nothing of one that has ended."""
    query = {"stream": "0", "one-shot": "1"}
    answer = wire.call("GET", f"/containers/{container}/stats", query=query)
    if not answer.fine:
        if gone(answer) or answer.status == CONFLICT:
            return {}
        raise refusal(answer, "say what the container uses")
    measured: Stats = answer.json()
    return measured


def cpu_seconds(measured: Stats) -> float:
    used = table(table(measured, "cpu_stats"), "cpu_usage").get("total_usage") or 0
    return float(used) / 10**9


def crowd(measured: Stats) -> str | None:
    """That as many processes were there as may be."""
    counted = table(measured, "pids_stats")
    current, limit = counted.get("current") or 0, counted.get("limit") or 0
    return f"{current} of {limit} processes were there" if 0 < limit <= current else None


class Kills:
    """Whether the kernel killed a process for memory; opened while the container runs.

    The cgroup is gone milliseconds after its last process. What was seen last counts then; and of
    cgroup v1 root is told of each time that memory ran out, and once that the cgroup is gone.
    """

    def __init__(self, container: str, top: str = TOP) -> None:
        self._seen = False
        self._fd = first([f"{top}/{place.format(container)}" for place in KILLS])
        self._told: int | None = None
        self._times = 0
        if self._fd is not None:
            with contextlib.suppress(OSError):  # cgroup v2, or we are not root
                self._listen(self._fd)

    def _listen(self, fd: int) -> None:
        events = os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115 - no path, a link of /proc
        control = os.open(
            f"{os.path.dirname(events)}/cgroup.event_control",  # noqa: PTH120
            os.O_WRONLY | os.O_CLOEXEC,
        )
        try:
            told = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            try:
                os.write(control, f"{told} {fd}".encode())
            except BaseException:  # nobody else has this descriptor yet
                os.close(told)
                raise
            self._told = told
        finally:
            os.close(control)

    @property
    def opened(self) -> bool:
        return self._fd is not None

    def seen(self, patience: float = 0) -> bool:
        """`patience` is how many seconds what the kernel has to say may take."""
        if self._fd is None:
            return self._seen
        try:
            lines = os.pread(self._fd, 512, 0).split(b"\n")
        except OSError:  # ENODEV: it has ended
            self._hear(time.monotonic() + patience)
            return self._seen
        counts = (line.removeprefix(b"oom_kill ") for line in lines if line[:9] == b"oom_kill ")
        self._seen |= any(count.isdigit() and int(count) > 0 for count in counts)
        return self._seen

    def _hear(self, until: float) -> None:
        """One time is its end."""
        while self._told is not None:
            with contextlib.suppress(BlockingIOError):
                self._times += os.eventfd_read(self._told)
            self._seen |= self._times > 1
            left = until - time.monotonic()
            if self._seen or left <= 0:
                return
            select.select((self._told,), (), (), left)

    def close(self) -> None:
        for descriptor in (self._fd, self._told):
            if descriptor is not None:
                os.close(descriptor)
        self._fd = self._told = None


def first(paths: Sequence[str]) -> int | None:
    for path in paths:
        with contextlib.suppress(OSError):
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    return None


def table(measured: Stats, key: str) -> Mapping[str, Any]:
    found = measured.get(key)
    return found if isinstance(found, dict) else {}
