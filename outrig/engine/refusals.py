"""Refusals: whether the kernel refused a container another process.

| where                                        | what shows it                                   |
|----------------------------------------------|-------------------------------------------------|
| its cgroup, where we can see it              | `pids.events` counts them                       |
| the kernel's log, where we may read it: root | a line for the first one, that lives on         |
| the engine's stats (usage.py)                | as many as are allowed, at the moment of asking |

A cgroup is gone 15 to 60 ms after its last process, and cgroup v1 wakes nobody before (Linux 6.18:
neither poll nor inotify), so on a loaded machine its count alone missed seven of ten short bombs.
"""

from __future__ import annotations

import contextlib
import os

from outrig.engine.usage import TOP, first

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# By cgroup version, and by the engine's cgroup driver: cgroupfs, systemd.
PLACES = (
    "pids/docker/{}",
    "pids/system.slice/docker-{}.scope",
    "docker/{}",
    "system.slice/docker-{}.scope",
)
KERNEL_LOG = "/dev/kmsg"
SAID = "cgroup: fork rejected by pids controller in "  # and the path of the cgroup
_RECORD = 8192  # bytes; what the kernel itself asks readers to have room for
_BY_THE_KERNEL = 8  # priorities below it; whoever writes into the log has one above


class Refusals:
    """Opened before the container's first process, or as soon as it can be."""

    def __init__(self, container: str, top: str = TOP, log: str = KERNEL_LOG) -> None:
        self._container = container
        self._top = top
        self._count: int | None = None
        self._log = _end_of(log)
        self._logged = False

    @property
    def seen(self) -> bool:
        """Whether its cgroup is one that we can see."""
        if self._count is None:
            places = [f"{self._top}/{place.format(self._container)}" for place in PLACES]
            self._count = first([f"{place}/pids.events" for place in places])
        return self._count is not None

    def words(self) -> str | None:
        """None when there were none, or when nobody can say so any more."""
        count = self._counted()
        if count is None:
            return "the kernel refused it more processes" if self._was_logged() else None
        if count == 0:
            return None
        return f"the kernel refused {count} more process{'' if count == 1 else 'es'}"

    def _counted(self) -> int | None:
        """None before its cgroup is there, and after its end."""
        if not self.seen or self._count is None:
            return None
        try:
            name, _, count = os.pread(self._count, 64, 0).partition(b"\n")[0].partition(b" ")
        except OSError:  # ENODEV: it has ended
            return None
        return int(count) if name == b"max" and count.isdigit() else 0

    def _was_logged(self) -> bool:
        for line in self._lines():
            path = line.removeprefix(SAID)  # it may come as a record of its own
            self._logged |= path.startswith("/") and self._container in path.rpartition("/")[2]
        return self._logged

    def _lines(self) -> Iterator[str]:
        """What the kernel said since the last time."""
        while self._log is not None:
            try:
                record = os.read(self._log, _RECORD)
            except BrokenPipeError:  # what stood here is overwritten: on with what does not
                continue
            except OSError:  # EAGAIN: that is all
                return
            about, _, words = record.partition(b";")
            priority = about.partition(b",")[0]
            if priority.isdigit() and int(priority) < _BY_THE_KERNEL:
                yield words.partition(b"\n")[0].decode(errors="replace")

    def close(self) -> None:
        for descriptor in (self._count, self._log):
            if descriptor is not None:
                os.close(descriptor)
        self._count = self._log = None


def _end_of(log: str) -> int | None:
    try:
        descriptor = os.open(log, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with contextlib.suppress(OSError):
        os.lseek(descriptor, 0, os.SEEK_END)
    return descriptor
