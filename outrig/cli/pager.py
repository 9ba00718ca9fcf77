"""The pager: what is long and goes to a terminal can be read there at the reader's pace.

$OUTRIG_PAGER, else $PAGER, else less, which ends by itself where a page suffices. `cat` or an empty
one means none. The text has been made harmless before it comes here.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from outrig.cli import output

if TYPE_CHECKING:
    from collections.abc import Iterable

_NONE = ("", "cat")


def show(pieces: Iterable[str]) -> None:
    """Show it through the pager, or as it is where there is none."""
    program = os.environ.get("OUTRIG_PAGER", os.environ.get("PAGER", "less")).strip()
    if program in _NONE or not sys.stdout.isatty():
        for piece in pieces:
            output.text(piece)
        return
    process = subprocess.Popen(
        ["/bin/sh", "-c", program],
        stdin=subprocess.PIPE,
        env={"LESS": "FRX", "LV": "-c", **os.environ},
    )
    assert process.stdin
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the pager's
    try:
        with contextlib.suppress(BrokenPipeError):  # the reader has seen enough
            for piece in pieces:
                process.stdin.write(piece.encode("utf-8", "replace"))
            process.stdin.close()
        process.wait()
    finally:
        signal.signal(signal.SIGINT, before)
