"""Times as people type them (`--since 2h`, `--since 2026-05-01`) and as they read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from outrig.errors import UsageError


def since(text: str, now: datetime) -> datetime:
    """A span back from now, or a date or time, in the machine's zone unless it says another."""
    if text[-1:].isalpha():
        from outrig.core import quantity

        try:
            return now - timedelta(seconds=quantity.duration(text))
        except ValueError:
            pass
    import pendulum  # 40 ms, so only when a date was typed

    try:
        found = pendulum.parse(text, tz="local", exact=False)
    except ValueError as error:
        raise UsageError(
            f'--since "{text}" is neither a span nor a date',
            hint="--since 2h, --since 3d, --since 2026-05-01 or --since 2026-05-01T14:30",
        ) from error
    if not isinstance(found, pendulum.DateTime):
        raise UsageError(f'--since "{text}" is not a point in time', hint="--since 2026-05-01")
    return found.astimezone(UTC)


def stamp(at: int | None) -> str:
    """The time of a log line: local, RFC 3339; `at` is in microseconds since 1970."""
    if at is None:
        return "-"
    moment = datetime.fromtimestamp(at // 1_000_000, UTC).astimezone()
    return moment.replace(microsecond=at % 1_000_000).isoformat(timespec="microseconds")
