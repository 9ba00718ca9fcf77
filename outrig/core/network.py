"""Network modes: what the words mean.

| mode | the session reaches                                                          |
|------|------------------------------------------------------------------------------|
| none | nothing but its own loopback                                                 |
| open | whatever the engine's default bridge reaches: the internet, the LAN, the host |
"""

from __future__ import annotations

from typing import Literal

from outrig.errors import UsageError

Mode = Literal["none", "open"]
MODES: tuple[Mode, ...] = ("none", "open")


def mode(text: str) -> Mode:
    """Raises UsageError when `text` is no mode."""
    if text not in MODES:
        raise UsageError(f'network mode "{text}" is none of {", ".join(MODES)}')
    return text


def announcement(chosen: Mode) -> str | None:
    """What a user must be told before a session reaches out; None when it cannot."""
    if chosen == "none":
        return None
    return (
        "network open: the session reaches whatever the engine's default bridge reaches; "
        "--network none cuts it off"
    )
