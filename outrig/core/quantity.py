"""Amounts as people write them: "4g" -> bytes, "2h30m" -> seconds, and back.

Sizes count in 1024s whatever the spelling (4g, 4GB and 4GiB are one thing), as docker's do.
Durations have a resolution of a millisecond. What is written here reads back as the same number.
"""

from __future__ import annotations

import re

SIZE_EXAMPLES = '"512m" or "4g"'
DURATION_EXAMPLES = '"90s", "2h30m" or "30d"'

_SIZE = r"(?ai)(\d{1,19})(?:\.(\d{1,9}))? ?([kmgtp]?)(?:i?b)?"
_UNITS: dict[str, int] = {
    unit: 1024**power for power, unit in enumerate(("", "k", "m", "g", "t", "p"))
}

_PART = r"(?a)(\d{1,12})(?:\.(\d{1,9}))?(ms|[smhdw])"
_BARE = r"(?a)\d+(?:\.\d+)?"
_MILLISECONDS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_LONGEST = 100 * 366 * 86_400  # seconds: beyond it, clocks and poll() overflow


def size(text: str) -> int:
    """Bytes. Raises ValueError when `text` is no size."""
    found = re.fullmatch(_SIZE, text.strip())
    if not found:
        raise ValueError(f'"{text}" is not a size such as {SIZE_EXAMPLES}')
    whole, part, unit = found[1], found[2] or "", found[3].lower()
    count: int = int(whole + part) * _UNITS[unit] // 10 ** len(part)
    return count


def size_text(count: int) -> str:
    """The shortest exact text: 4294967296 -> "4g", 1000 -> "1000"."""
    for unit in ("p", "t", "g", "m", "k"):
        if count and count % _UNITS[unit] == 0:
            return f"{count // _UNITS[unit]}{unit}"
    return str(count)


def duration(text: str) -> float:
    """Seconds. Units w d h m s ms, the largest first; a bare number is seconds.

    Raises ValueError.
    """
    rest = text.strip().lower().replace(" ", "")
    if re.fullmatch(_BARE, rest):
        rest += "s"
    total, smallest, at = 0, None, 0
    for found in re.finditer(_PART, rest):
        unit = _MILLISECONDS[found[3]]
        if found.start() != at or (smallest is not None and unit >= smallest):
            break
        total += int(found[1] + (found[2] or "")) * unit // 10 ** len(found[2] or "")
        smallest, at = unit, found.end()
    if not rest or at != len(rest):
        raise ValueError(f'"{text}" is not a time such as {DURATION_EXAMPLES}')
    if total > _LONGEST * 1000:
        raise ValueError(f'"{text}" is more than a hundred years')
    return total / 1000


def duration_text(seconds: float) -> str:
    """The text of a duration: 9000 -> "2h30m", 0.25 -> "250ms", 0 -> "0s"."""
    left = round(seconds * 1000)
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, _MILLISECONDS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
