"""Moments: the times of records, RFC 3339 in UTC, written and read."""

from __future__ import annotations

from datetime import UTC, datetime


def time_text(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds and `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: object) -> datetime | None:
    """A record's time, with a fraction of any length (other tools write nanoseconds).

    None when the field is absent or is not a time.
    """
    if not isinstance(text, str) or text[10:11] not in {"T", "t", " "} or text[16:17] != ":":
        return None  # a date alone, or a spelling that only fromisoformat() knows
    try:
        moment = datetime.fromisoformat(text.upper())
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
