"""Which images there are, for people and for programs: what `outrig images` shows.

| state   | means                                                                   |
|---------|-------------------------------------------------------------------------|
| ready   | the engine has it as the configuration describes it now                 |
| missing | it would be built or pulled when it is first used                       |
| old     | built from what the configuration, Dockerfile or context once was       |
| broken  | the configuration cannot be followed; the last column says why          |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from outrig.core.frozen import as_dict, frozen
from outrig.core.moment import parse_time
from outrig.core.terminal import one_line

if TYPE_CHECKING:
    from datetime import datetime

    from outrig.core.engine import Image

State = Literal["ready", "missing", "old", "broken"]
HEADER = ("NAME", "STATE", "SIZE", "AGE", "TAG")
NOTHING = "-"

_UNITS = ((86_400, "d"), (3600, "h"), (60, "m"))
_SIZES = ((1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB"))


@frozen
class Stocked:
    """One image. `created` is RFC 3339 as the engine wrote it; `size` in bytes."""

    name: str
    state: State
    tag: str | None = None
    id: str | None = None
    size: int | None = None
    created: str | None = None
    why: str | None = None


def stocked(name: str, state: State, image: Image) -> Stocked:
    return Stocked(
        name=name,
        state=state,
        tag=image.reference,
        id=image.id,
        size=image.size,
        created=image.created,
    )


def row(one: Stocked, now: datetime) -> tuple[str, ...]:
    """The words of one line, in the order of HEADER."""
    size = NOTHING if one.size is None else size_text(one.size)
    last = one.why or one.tag or NOTHING
    return (one.name, one.state, size, age(one.created, now), one_line(last))


def fields(one: Stocked) -> dict[str, Any]:
    return as_dict(one)


def size_text(count: int) -> str:
    """In thousands, as docker shows images: 478880318 -> "479 MB"."""
    for unit, name in _SIZES:
        if count >= unit:
            found = count / unit
            return f"{found:.0f} {name}" if found >= 10 else f"{found:.1f} {name}"  # noqa: PLR2004
    return f"{count} B"


def age(created: str | None, now: datetime) -> str:
    """One unit is enough: "3d", "5h", "12m"."""
    moment = parse_time(created)
    if moment is None:
        return NOTHING
    seconds = max(0, int((now - moment).total_seconds()))
    return next((f"{seconds // unit}{name}" for unit, name in _UNITS if seconds >= unit), "0m")
