"""Whether a session stands still, and how long it has: what its clocks do not count.

`paused_at` is in the record while it is paused, `paused_seconds` is what earlier pauses took.
"""

from __future__ import annotations

from outrig.core.moment import parse_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

    from outrig.core.session import Session


def is_paused(session: Session) -> bool:
    return bool(session.text("paused_at")) and not session.ended


def paused_seconds(session: Session, now: datetime) -> float:
    """How long it has stood still in all."""
    earlier = session.fields.get("paused_seconds")
    since = parse_time(session.fields.get("paused_at"))
    running = max(0.0, (now - since).total_seconds()) if since else 0.0
    return running + (float(earlier) if isinstance(earlier, int | float) else 0.0)
