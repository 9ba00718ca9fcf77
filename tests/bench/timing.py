"""Commands timed against each other: alternating, after a warm-up, by their medians."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REPO = Path(__file__).resolve().parents[2]
# What the installed `outrig` script does, with the sources of this tree.
OUTRIG = (sys.executable, "-P", "-c", "import sys; from outrig.cli.entry import entry; entry()")


def medians(
    commands: Mapping[str, Sequence[str]], *, rounds: int, env: Mapping[str, str]
) -> dict[str, float]:
    """Milliseconds by name. Each round runs every command once, so that noise hits all alike."""
    with tempfile.TemporaryDirectory() as compiled:
        # As installed: compiled once. Where bytecode is not written, sources cost 20 ms more.
        bytecode = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": compiled}
        where = {**os.environ, **env, **bytecode, "PYTHONPATH": str(REPO)}
        return _medians(commands, rounds, where)


def _medians(
    commands: Mapping[str, Sequence[str]], rounds: int, env: Mapping[str, str]
) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 2):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
            if number >= 2:  # the first ones fill caches
                taken[name].append((time.perf_counter() - started) * 1000)
    return {name: statistics.median(times) for name, times in taken.items()}
