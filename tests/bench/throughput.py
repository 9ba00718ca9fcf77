"""256 MiB of output through `outrig run`, recorded, against `docker run`, all to /dev/null.

python -m tests.bench.throughput     targets: at most 1.1 times docker with the same log driver and
options; on text at least 1.7 times the rate of docker as it comes (json-file)

The latter nobody reaches on Engine 20.10.24, docker itself with our settings neither (1.35 on two
processors): the engine writes each line of any log with a write of its own, on one thread, and that
is half of its work (perf); what json-file adds is an eighth.
"""

from __future__ import annotations

import os
import statistics
import sys
from typing import TYPE_CHECKING

from tests.bench.timing import show, spent
from tests.bench.yardstick import QUIET, yard

if TYPE_CHECKING:
    from pathlib import Path

MOST, LEAST = 1.1, 1.7
ROUNDS = 5
MIB = 1 << 20
SIZE = 256 * MIB
LINE = b"%07d the quick brown fox jumps over the lazy dog, and the build goes on and on\n"


def main() -> int:
    missed = 0
    with yard() as here:
        fill(here.work)
        for kind in ("text", "binary"):
            command = ("cat", f"/workspace/{kind}")
            commands = {
                "docker, same settings": (*QUIET, *here.docker(*command)),
                "outrig run": (*QUIET, *here.outrig(*command)),
                "docker as it comes": (*QUIET, *here.docker_plain(*command)),
            }
            found = spent(commands, rounds=ROUNDS, env=here.env, warm_up=1)
            same, ours, plain = found.values()
            sys.stdout.write(f"{SIZE // MIB} MiB of {kind}\n")
            show(found, "docker, same settings")
            rate = SIZE / MIB / statistics.median(ours.wall) * 1000
            faster = plain.ratio(ours)
            sys.stdout.write(f"{rate:.0f} MiB/s, {faster:.2f} times docker as it comes\n")
            missed += ours.ratio(same) > MOST or (kind == "text" and faster < LEAST)
    return int(missed > 0)


def fill(work: Path) -> None:
    """Lines as a build prints them; and bytes of which each is as likely as any other."""
    with (work / "text").open("wb") as file:
        for at in range(0, SIZE // len(LINE % 0), 8192):
            file.writelines(LINE % number for number in range(at, at + 8192))
        file.truncate(SIZE)
    with (work / "binary").open("wb") as file:
        for _ in range(SIZE // MIB):
            file.write(os.urandom(MIB))


if __name__ == "__main__":
    sys.exit(main())
