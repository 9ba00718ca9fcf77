"""Learned: what was found out about an engine or an image, kept so that a run need not ask again.

One small JSON file per subject in outrig's cache directory, swapped whole. `key` says for which
incarnation it holds; anything unreadable, or of another incarnation, is simply not known.
A cache that cannot be written costs time, not the run.
"""

from __future__ import annotations

import contextlib
import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

FORMAT = 2  # of everything that is kept; another one is not known


def recall(cache: Path, subject: str, key: str) -> Any | None:
    """What was remembered, or None."""
    try:
        found = json.loads(_file(cache, subject).read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or found.get("format") != FORMAT or found.get("key") != key:
        return None
    return found.get("value")


def remember(cache: Path, subject: str, key: str, value: Any) -> None:
    file = _file(cache, subject)
    fresh = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh.write_text(json.dumps({"format": FORMAT, "key": key, "value": value}))
        fresh.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)


def _file(cache: Path, subject: str) -> Path:
    name = "".join(letter if letter.isalnum() else "_" for letter in subject)
    return cache / f"{name}.json"
