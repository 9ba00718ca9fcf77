"""entry(): what the `outrig` script calls. The process starts fast and ends fast.

Python's collector would run eight times while modules load, and its teardown takes 9 ms to free
what the kernel frees at once: together a tenth of the life of `outrig ls`.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def entry() -> None:
    """Run the command line of this process, and end it with the exit code."""
    _hold_standard_streams()
    _find_programs_elsewhere()
    sys.excepthook = _failed
    gc.set_threshold(50_000)
    from outrig.cli.main import main  # with the collector calmed

    code = main(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # closed, or nobody reads it
            stream.flush()
    os._exit(code)


def _failed(*raised: Any) -> None:
    """A mistake of ours: in a run, Python's own exit code 1 would be taken for the agent's."""
    from outrig.cli.report import PASSES_CODES_THROUGH
    from outrig.core.ending import EXIT_OWN_FAILURE

    sys.__excepthook__(*raised)
    os._exit(EXIT_OWN_FAILURE if PASSES_CODES_THROUGH.intersection(sys.argv[1:2]) else 1)


def _hold_standard_streams() -> None:
    """Open what the caller closed: else the next file we open would become our stdout."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
            setattr(sys, name, os.fdopen(nowhere, "w" if descriptor else "r"))


def _find_programs_elsewhere() -> None:
    """Where PATH says `.`, a git or less that a session planted would be run for the user's own."""
    kept = [part for part in os.environ.get("PATH", "").split(os.pathsep) if part.startswith("/")]
    if kept:
        os.environ["PATH"] = os.pathsep.join(kept)
    else:
        os.environ.pop("PATH", None)  # then the system's own places
