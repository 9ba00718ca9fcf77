"""asciicast v2: a recording as lines of JSON, header and events, written and read.

    {"version": 2, "width": 80, "height": 24, "timestamp": 1777643052, ...}
    [0.123456, "o", "what was printed"]
    [2.000000, "r", "132x50"]                   the terminal was resized: columns x rows

Lines are ASCII, so that whoever prints one is not commanded by it. Times are microseconds here
and seconds in the text. A reader takes the other events that players know (i, m) and keeps them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

from outrig.core.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VERSION = 2
OUTPUT = "o"
RESIZE = "r"
_LATEST = 1e10  # seconds: no recording is longer, and no date is later
LARGEST = 1000  # rows or columns that anybody has; a hostile size must not fill our memory


@frozen
class Header:
    """What a player has to know first. `timestamp` is in seconds since 1970."""

    width: int
    height: int
    timestamp: int | None = None
    title: str = ""
    command: str = ""


class Event(NamedTuple):
    """Something that happened `at` microseconds after the start."""

    at: int
    code: str
    data: str


def header_line(header: Header) -> str:
    known = {
        "version": VERSION,
        "width": header.width,
        "height": header.height,
        "timestamp": header.timestamp,
        "title": header.title,
        "command": header.command,
    }
    return _line({name: value for name, value in known.items() if value not in {None, ""}})


def event_line(event: Event) -> str:
    seconds = f"{event.at // 1_000_000}.{event.at % 1_000_000:06d}"
    return f"[{seconds}, {json.dumps(event.code)}, {json.dumps(event.data)}]\n"


def parse_header(line: str) -> Header:
    """Raises ValueError where this is no asciicast of version 2."""
    value = _value(line)
    if not isinstance(value, dict) or value.get("version") != VERSION:
        raise ValueError("not an asciicast of version 2")
    timestamp = value.get("timestamp")
    return Header(
        width=bounded(value.get("width"), 80),
        height=bounded(value.get("height"), 24),
        timestamp=int(timestamp) if _is_time(timestamp) else None,
        title=_text(value.get("title")),
        command=_text(value.get("command")),
    )


def parse_event(line: str) -> Event:
    """Raises ValueError where this is no event."""
    match _value(line):
        case [int() | float() as seconds, str() as code, str() as data, *_] if _is_time(seconds):
            return Event(round(seconds * 1_000_000), code, data)
    raise ValueError(f"not an event: {line[:60]!r}")


def resize(at: int, *, rows: int, columns: int) -> Event:
    return Event(at, RESIZE, f"{columns}x{rows}")


def size(event: Event) -> tuple[int, int] | None:
    """Rows and columns of a resize, if that is what it is."""
    columns, _, rows = event.data.partition("x")
    if event.code != RESIZE or not (rows.isdecimal() and columns.isdecimal()):
        return None
    return bounded(int(rows[:9]), 24), bounded(int(columns[:9]), 80)


def bounded(number: object, usual: int) -> int:
    """A number of rows or columns, or the usual one where it is none."""
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        return usual
    return min(number, LARGEST)


def paced(events: Iterable[Event], *, speed: float, idle_limit: float | None) -> Iterator[Event]:
    """The same events as they are played: faster, and no silence longer than so many seconds.

    The limit is of seconds as the viewer waits them, whatever the speed.
    """
    longest = None if idle_limit is None else idle_limit * 1_000_000
    before = 0
    now = 0.0
    for event in events:
        wait = max(0, event.at - before) / speed
        now += wait if longest is None else min(wait, longest)
        before = max(before, event.at)
        yield event._replace(at=round(now))


def _line(value: Any) -> str:
    return json.dumps(value) + "\n"


def _value(line: str) -> Any:
    try:
        return json.loads(line)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and 0 <= value < _LATEST  # and so not NaN


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
