"""What a session used, against what it might: the record's `usage`, in words."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from outrig.core.engine import Measured
    from outrig.core.session import Session

_UNITS = ("", "k", "m", "g", "t")
_BYTES = frozenset(("memory", "log_bytes", "disk", "core", "shm"))


def fields(measured: Measured, models: Mapping[str, int]) -> dict[str, Any]:
    """As the record keeps it: bytes, seconds, counts; what is not known is left out."""
    seconds = measured.cpu_seconds
    found = {
        "memory": measured.memory,
        "cpu_seconds": None if seconds is None else round(seconds, 3),
        "received": measured.received,
        "sent": measured.sent,
        "model_requests": models.get("requests"),
        "model_tokens": models.get("tokens"),
    }
    return {name: value for name, value in found.items() if value is not None}


def told(session: Session) -> Iterator[str]:
    """A line for each: `memory: 30m of 4g`."""
    used, limits = session.fields.get("usage"), session.fields.get("limits")
    if not isinstance(used, dict):
        return
    bounds = limits if isinstance(limits, dict) else {}
    if "memory" in used:
        yield f"memory: {size(used['memory'])} at most{_of(bounds.get('memory'), size)}"
    if "cpu_seconds" in used:
        yield f"cpu: {used['cpu_seconds']} s"
    if "received" in used:
        yield f"network: {size(used['received'])} in, {size(used.get('sent', 0))} out"
    for name in ("model_requests", "model_tokens"):
        if name in used:
            yield f"{name.replace('_', ' ')}: {used[name]}{_of(bounds.get(name), str)}"


def sizes(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """A table of a record for people: what is bytes in it is rounded, with its unit."""
    return {
        name: size(value) if name in _BYTES and isinstance(value, int) else value
        for name, value in table.items()
    }


def _of(limit: Any, words: Any) -> str:
    return "" if limit is None else f" of {words(limit)}"


def size(count: Any) -> str:
    """Three digits of it: 34.1m."""
    amount = float(count) if isinstance(count, int | float) else 0.0
    unit = 0
    while amount >= 1024 and unit < len(_UNITS) - 1:  # noqa: PLR2004
        amount, unit = amount / 1024, unit + 1
    return f"{amount:.3g}{_UNITS[unit]}" if amount < 1000 else f"{amount:.0f}{_UNITS[unit]}"  # noqa: PLR2004
