"""intent.json: who ends a session and why, written before the signal is sent.

The first intent wins: whoever asks later finds it and leaves it, so that the record says what
really ended the session.
"""

from __future__ import annotations

from outrig.core.ending import INTENTS, Intent
from outrig.core.frozen import as_dict
from outrig.errors import StoreError
from outrig.store import file, reserve
from outrig.store.places import INTENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any


def write(directory: Path, intent: Intent) -> Intent:
    """Write an intent unless there is one; returns the one that counts. Raises StoreError.

    A tentative one gives way to the next.
    """
    earlier = read(directory)
    if earlier and not earlier.until:
        return earlier
    fields = as_dict(intent)
    try:
        reserve.write_object(str(directory), INTENT, fields)
    except OSError as error:
        raise StoreError(f"cannot write {directory}/{INTENT}: {error.strerror}") from error
    return intent


def read(directory: Path) -> Intent | None:
    """The intent of a session; None when nobody declared one that can be understood."""
    try:
        fields = file.read_object(f"{directory}/{INTENT}")
    except (OSError, file.UnreadableError):
        return None
    kind = fields.get("kind")
    known = next((one for one in INTENTS if one == kind), None)
    if known is None:
        return None
    return Intent(
        kind=known,
        signal=_signal(fields.get("signal")),
        at=str(fields.get("at") or ""),
        by=str(fields.get("by") or ""),
        until=str(fields.get("until") or ""),
        limit=str(fields.get("limit") or ""),
        evidence=str(fields.get("evidence") or ""),
    )


def _signal(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
