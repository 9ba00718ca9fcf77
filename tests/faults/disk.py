"""A disk for session roots that can be filled, and directories that can be shut."""

from __future__ import annotations

import errno
import subprocess
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

SIZE = "8m"


class Disk:
    """A small tmpfs; a context manager."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __enter__(self) -> Self:
        self.place.mkdir()
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", self.place], check=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "--lazy", self.place], check=True)

    def fill(self) -> None:
        """To the last byte."""
        with (self.place / "filler").open("ab", buffering=0) as filler:
            for size in (65_536, 4096, 1):
                try:
                    while True:
                        filler.write(bytes(size))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def empty(self) -> None:
        (self.place / "filler").unlink()


# Root writes anywhere unless it lacks this capability; then modes hold for it as for anybody.
WITHOUT_OVERRIDE = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--")


def shut(root: Path) -> None:
    """Nothing can be made, renamed or removed in a session root; what is open stays open."""
    for directory in _directories(root):
        directory.chmod(0o500)


def open_again(root: Path) -> None:
    for directory in _directories(root):
        directory.chmod(0o700)


def _directories(root: Path) -> list[Path]:
    """Those that outrig keeps its own files in; not what is the agent's."""
    sessions = [one for one in root.iterdir() if one.is_dir()]
    return [root, *sessions, *(logs for one in sessions if (logs := one / "logs").is_dir())]
