"""What a user types to name a session -> the ids it may mean.

| query            | means                                                        |
|------------------|--------------------------------------------------------------|
| an exact id      | that session, readable or not                                |
| an exact name    | the session that has it                                      |
| `@last`          | the newest; `@last~1` the one before                         |
| start of an id   | that session, if no other id starts so                       |
| part of an id    | that session, if no other id contains it                     |
| nothing          | a usage error                                                |

Ids and names are looked up by the store; here is what needs no disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from outrig.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

_LAST = "@last"
_MOST_DIGITS = 9


def steps_back(query: str) -> int | None:
    """How many sessions before the newest `@last~N` means; None for another kind of query.

    Raises UsageError for an empty query and for one that starts with @ and is not understood.
    """
    if not query:
        raise UsageError("an empty session name", hint="outrig ls")
    if not query.startswith("@"):
        return None
    if query == _LAST:
        return 0
    number = query.removeprefix(f"{_LAST}~")
    if (
        number == query
        or len(number) > _MOST_DIGITS
        or not (number.isascii() and number.isdecimal())
    ):
        raise UsageError(
            f"{query!r} is not understood", hint="@last is the newest, @last~1 the one before"
        )
    return int(number)


def candidates(query: str, ids: Iterable[str]) -> list[str]:
    """The ids that start with the query, else those that contain it; in the order given."""
    containing = [one for one in ids if query in one]
    return [one for one in containing if one.startswith(query)] or containing
