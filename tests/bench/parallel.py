"""40 sessions of `true`, 8 at a time, against `docker run --rm` the same way.

python -m tests.bench.parallel       target: at most 1.3 times docker, in wall-clock and CPU time
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
    return int(ours.ratio(theirs) > TARGET or ours.cpu_ratio(theirs) > TARGET)


if __name__ == "__main__":
    sys.exit(main())
