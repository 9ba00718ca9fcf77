"""Paths of the tree that the session may read and not write: those of `protect` that exist.

Each component is looked at without following links, because a link would take the mount elsewhere
(tried: onto the container's /etc), and nothing that is missing is mounted, because the engine
would make it, as root, in the user's tree.
"""

from __future__ import annotations

import os
import stat

from outrig.core.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


@frozen(kw_only=False)
class Protected:
    """What is there, what lies above it and must not be moved away, and what leads elsewhere."""

    paths: tuple[str, ...]
    above: tuple[str, ...]
    links: tuple[str, ...]


def find(root: str, wanted: Iterable[str]) -> Protected:
    """Which of these paths, relative to `root`, exist there as plain files or directories."""
    paths: list[str] = []
    above: dict[str, None] = {}
    links: list[str] = []
    for path in sorted({os.path.normpath(one) for one in wanted}):
        if any(path.startswith(f"{one}/") for one in paths):
            continue
        parts = path.split("/")
        steps = ["/".join(parts[: at + 1]) for at in range(len(parts))]
        link = next((step for step in steps if _mode(f"{root}/{step}", stat.S_ISLNK)), None)
        if link:
            links.append(link)
        elif _mode(f"{root}/{path}", stat.S_ISDIR, stat.S_ISREG):
            paths.append(path)
            above |= dict.fromkeys(steps[:-1])
    inner = [one for one in above if one not in paths]
    return Protected(tuple(paths), tuple(inner), tuple(dict.fromkeys(links)))


def _mode(path: str, *kinds: object) -> bool:
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return False
    return any(kind(mode) for kind in kinds if callable(kind))
