"""Commands timed against each other: alternating, after a warm-up, in wall-clock and CPU time.

Each round runs every command once, so that noise hits all alike; a ratio is the median of the
ratios within the rounds. CPU time is what the command and its children used; the engine's is in
the machine's, which means something where nothing else runs.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REPO = Path(__file__).resolve().parents[2]
_TICK = 1 / os.sysconf("SC_CLK_TCK")
# What the installed `outrig` script does, with the sources of this tree.
OUTRIG = (sys.executable, "-P", "-c", "import sys; from outrig.cli.entry import entry; entry()")


class Spent(NamedTuple):
    """What a command took, a number for each round, in milliseconds."""

    wall: list[float]
    cpu: list[float]
    machine: list[float]

    def ratio(self, to: Spent) -> float:
        return _ratio(self.wall, to.wall)

    def cpu_ratio(self, to: Spent) -> float:
        return _ratio(self.cpu, to.cpu)

    def machine_ratio(self, to: Spent) -> float:
        return _ratio(self.machine, to.machine)


def _ratio(these: Sequence[float], those: Sequence[float]) -> float:
    return statistics.median(one / other for one, other in zip(these, those, strict=True))


def spent(
    commands: Mapping[str, Sequence[str]], *, rounds: int, env: Mapping[str, str], warm_up: int = 2
) -> dict[str, Spent]:
    """By name. The first rounds fill caches and do not count."""
    with tempfile.TemporaryDirectory() as compiled:
        where = environment(env, compiled)
        taken = {name: Spent([], [], []) for name in commands}
        for number in range(warm_up + rounds):
            for name, command in commands.items():
                measured = _run(command, where)
                if number >= warm_up:
                    for series, milliseconds in zip(taken[name], measured, strict=True):
                        series.append(milliseconds)
    return taken


def environment(env: Mapping[str, str], compiled: str) -> dict[str, str]:
    """As installed: compiled once. Where bytecode is not written, sources cost 20 ms more."""
    bytecode = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": compiled}
    return {**os.environ, **env, **bytecode, "PYTHONPATH": str(REPO)}


def _run(command: Sequence[str], env: Mapping[str, str]) -> tuple[float, float, float]:
    busy, started = _busy(), time.perf_counter()
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    cpu = used.ru_utime + used.ru_stime
    return wall * 1000, cpu * 1000, max(_busy() - busy, _TICK) * 1000


def _busy() -> float:
    """Seconds that all processors together did anything, since the machine was started."""
    with Path("/proc/stat").open(encoding="ascii") as file:
        user, nice, system, _idle, _waiting, *interrupts = map(int, file.readline().split()[1:8])
    return (user + nice + system + sum(interrupts)) * _TICK


def show(found: Mapping[str, Spent], yardstick: str) -> None:
    """A line each: milliseconds, and how many times the yardstick's."""
    base = found[yardstick]
    width = max(map(len, found))
    for name, one in found.items():
        wall, cpu = statistics.median(one.wall), statistics.median(one.cpu)
        sys.stdout.write(
            f"{name:<{width}}  {wall:8.1f} ms  {one.ratio(base):5.2f}"
            f"   cpu {cpu:8.1f} ms  {one.cpu_ratio(base):5.2f}\n"
        )
    sys.stdout.flush()
