"""Said: a piece of what a container wrote, as the engine's own log remembers it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outrig.core.frozen import frozen

if TYPE_CHECKING:
    from datetime import datetime

    from outrig.core.engine import Stream


@frozen
class Said:
    """Some bytes of one stream, and when they came."""

    at: datetime | None
    stream: Stream
    data: bytes
    doubtful: bool = False  # the engine cannot tell whether a newline follows, and this is the end
