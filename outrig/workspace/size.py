"""How much a tree takes on the disk, as `du` counts: blocks, and each file once."""

from __future__ import annotations

import contextlib
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

BLOCK = 512  # bytes, whatever the file system's own are


def taken(trees: Iterable[Path]) -> int:
    """Bytes of all these together; what cannot be looked at, or goes meanwhile, takes nothing."""
    total, seen = 0, set()
    for tree in trees:
        for found, is_file in _looked_at(tree):
            one = (found.st_dev, found.st_ino)
            if is_file and found.st_nlink > 1:
                if one in seen:
                    continue
                seen.add(one)
            total += found.st_blocks * BLOCK
    return total


def _looked_at(tree: Path) -> Iterator[tuple[os.stat_result, bool]]:
    with contextlib.suppress(OSError):  # the tree itself is gone
        for _, directories, files, folder in os.fwalk(tree, follow_symlinks=False):
            for name in (*directories, *files):
                with contextlib.suppress(OSError):
                    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
                    yield found, name not in directories
