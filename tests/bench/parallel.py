"""40 sessions of `true`, 8 at a time, against `docker run --rm` the same way.

python -m tests.bench.parallel       target: at most 1.3 times docker, in wall-clock time and in
what all processors did meanwhile: docker's client leaves its work to the engine
"""

from __future__ import annotations

import sys

from tests.bench.timing import show, spent
from tests.bench.yardstick import yard

TARGET = 1.3
ROUNDS = 5
MANY = ("sh", "-c", 'seq 40 | xargs -P 8 -I% "$@" 2>/dev/null', "sh")


def main() -> int:
    with yard() as here:
        commands = {
            "docker run": (*MANY, *here.docker("true")),
            "outrig run": (*MANY, *here.outrig("true")),
        }
        found = spent(commands, rounds=ROUNDS, env=here.env, warm_up=1)
    show(found, "docker run")
    ours, theirs = found["outrig run"], found["docker run"]
    machine = ours.machine_ratio(theirs)
    sys.stdout.write(f"CPU time of the whole machine, the engine's included: {machine:.2f}\n")
    return int(max(ours.ratio(theirs), machine) > TARGET)


if __name__ == "__main__":
    sys.exit(main())
