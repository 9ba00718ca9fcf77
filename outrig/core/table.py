"""Rows of words -> aligned plain text. The last column takes what is left of the line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP = "  "
_NARROWEST = 10  # columns that the last one keeps, however narrow the terminal is


def table(rows: Sequence[Sequence[str]], *, width: int | None = None) -> str:
    """One line per row; `width` cuts the last column so that a line fits, None cuts nothing."""
    if not rows:
        return ""
    widths = [max(map(columns, column)) for column in list(zip(*rows, strict=True))[:-1]]
    left = None if width is None else width - sum(widths) - len(GAP) * len(widths)
    lines = (
        GAP.join([*map(_padded, row[:-1], widths), shortened(row[-1], left)]).rstrip()
        for row in rows
    )
    return "".join(f"{line}\n" for line in lines)


def shortened(text: str, width: int | None) -> str:
    """At most `width` terminal columns, the cut marked with an ellipsis."""
    if width is None or columns(text) <= max(width, _NARROWEST):
        return text
    room = max(width, _NARROWEST) - 1
    kept = 0
    while room >= 0:
        room -= columns(text[kept])
        kept += room >= 0
    return text[:kept] + "\N{HORIZONTAL ELLIPSIS}"


def columns(text: str) -> int:
    """How many terminal columns a line takes."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    import unicodedata  # noqa: PLC0415 - most tables are ASCII

    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _padded(text: str, width: int) -> str:
    return text + " " * (width - columns(text))
