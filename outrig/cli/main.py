"""The front door: main(), which runs a command line.

Only the command that was asked for is loaded: `outrig ls` must not pay for `run`.
"""

from __future__ import annotations

import os

from outrig.cli import report
from outrig.cli.doors import canonical

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def main(argv: list[str]) -> int:
    """Run one command line and return its exit code."""
    command = canonical(argv[0]) if argv else None
    return report.guarded(command, lambda: _run(command, argv))


def _run(command: str | None, argv: list[str]) -> Any:
    if command == "run" and "_OUTRIG_COMPLETE" not in os.environ:
        from outrig.cli import option
        from outrig.cli.run import run

        given = option.read(run, argv[1:])
        if given is not None:
            return report.remember_json(run)(**given)
    from outrig.cli import application

    return application.run(command, argv)
