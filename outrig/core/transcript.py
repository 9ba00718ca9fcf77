"""Said: a piece of what a container wrote, as the engine's own log remembers it.

Bookmark: a place in such a log, so that who has read it need not read it all again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from outrig.core.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from outrig.core.engine import Stream


@frozen
class Said:
    """Some bytes of one stream, and when they came."""

    at: datetime | None
    stream: Stream
    data: bytes
    doubtful: bool = False  # the engine cannot tell whether a newline follows, and this is the end


@frozen
class Bookmark:
    """Before `at` came so many bytes of each stream, and none of them later; a line ends there."""

    at: datetime
    before: Mapping[Stream, int]
