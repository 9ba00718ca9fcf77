"""Words that an engine can be told. Its API is JSON: of a byte that is not UTF-8 it makes U+FFFD.

So a path or an argument with such a byte is refused instead of becoming another one.
"""

from __future__ import annotations

from outrig.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def refuse_bytes(what: str, words: Iterable[str]) -> None:
    """Raise UsageError unless all of `words` are UTF-8; `what` they are, for the message."""
    for word in words:
        if not word.isascii() and any("\ud800" <= character <= "\udfff" for character in word):
            raise UsageError(f"{what} is not UTF-8, and a container engine takes nothing else")
