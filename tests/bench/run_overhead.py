"""What a recorded session costs over the bare container: `outrig run` against `docker run --rm`.

python -m tests.bench.run_overhead   target: at most 1.3 times docker, with the very same settings
"""

from __future__ import annotations

import sys

from tests.bench.timing import show, spent
from tests.bench.yardstick import QUIET, yard

TARGET = 1.3
ROUNDS = 10


def main() -> int:
    with yard() as here:
        commands = {
            "docker run": (*QUIET, *here.docker("true")),
            "outrig run": (*QUIET, *here.outrig("true")),
        }
        found = spent(commands, rounds=ROUNDS, env=here.env)
    show(found, "docker run")
    return int(found["outrig run"].ratio(found["docker run"]) > TARGET)


if __name__ == "__main__":
    sys.exit(main())
