"""--result FILE: the final record, or the error, for programs; in place whole or not at all.

The file may lie in the workspace, where the session can put links in its way while it runs. So its
directory is opened, and its links are followed, before anything runs.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

from outrig.cli import report
from outrig.errors import UsageError
from outrig.store import file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class Result:
    """Where a result goes. Made before anything runs; `wanted` None: nowhere."""

    def __init__(self, wanted: Path | None) -> None:
        """Raises UsageError when it could not be written: hours later would be too late."""
        self._wanted = wanted
        self._name = ""
        self._descriptor = -1
        if wanted is None:
            return
        try:
            self._open(wanted)
        except OSError as error:
            raise UsageError(f"--result {wanted} cannot be written: {error.strerror}") from error

    def _open(self, wanted: Path) -> None:
        """A pipe or a device is written to; anything else is replaced in its directory."""
        if wanted.is_dir():
            raise UsageError(f"--result {wanted} is a directory")
        if wanted.exists() and not stat.S_ISREG(wanted.stat().st_mode):
            self._descriptor = os.open(wanted, os.O_WRONLY | os.O_CLOEXEC)
            return
        real = Path(os.path.realpath(wanted))
        self._name = real.name
        self._descriptor = os.open(real.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if not os.access(real.parent, os.W_OK):
            raise UsageError(f"--result {wanted}: its directory is not writable")

    def hand_out(self, value: Mapping[str, Any], *, kept: str | None = None) -> None:
        """Write it. A failure is only said: it must not change the exit code of a run.

        `kept` is the session whose record can still be looked at.
        """
        if self._wanted is None:
            return
        try:
            if self._name:
                file.write_object(f"/proc/self/fd/{self._descriptor}/{self._name}", value)
            else:
                with os.fdopen(os.dup(self._descriptor), "w", encoding="utf-8") as stream:
                    stream.write(json.dumps(value, indent=2) + "\n")
        except OSError as error:
            where = f"; the record is kept: outrig show {kept}" if kept else ""
            report.notice(f"cannot write --result {self._wanted}: {error.strerror}{where}")
