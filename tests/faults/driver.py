"""`outrig` as it is, in a process that waits at the point which FAULT_POINT names.

python -m tests.faults.driver run ...       the command line
A supervisor that it starts comes this way, too, and waits at the same point, if it is the one to.
"""

from __future__ import annotations

import os

from tests.faults.points import NAME, POINTS, plant

SUPERVISOR = (
    "import sys; sys.path.insert(0, sys.argv[1]); from tests.faults import driver; "
    "driver.plant_it(); from outrig.runner import supervise; supervise.main(int(sys.argv[2]))"
)


def plant_it() -> None:
    if os.environ.get(NAME):
        plant(POINTS[os.environ[NAME]])


def main() -> None:
    from outrig.runner import supervise  # noqa: PLC0415 - a supervisor has its own main

    supervise.PROGRAM = SUPERVISOR
    plant_it()
    from outrig.cli.entry import entry  # noqa: PLC0415 - after the wrapping

    entry()


if __name__ == "__main__":
    main()
