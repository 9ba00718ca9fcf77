"""Names that outrig gives: session ids, containers, labels, image tags; and names it takes."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

# Compiled when a name is looked at: `ls` only ever looks at ids.
NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}"

_ID_LENGTH = len("yyyymmddTHHMMSS-rrrr")
_HEX = frozenset("0123456789abcdef")

LABEL_SESSION = "org.outrig.session"
LABEL_ROOT = "org.outrig.root"
LABEL_ATTEMPT = "org.outrig.attempt"
LABEL_ROLE = "org.outrig.role"


def is_id(text: str) -> bool:
    """Whether `text` is shaped like a session id, `yyyymmddTHHMMSS-rrrr`."""
    return (
        len(text) == _ID_LENGTH
        and text.isascii()
        and text[8] == "T"
        and text[15] == "-"
        and (text[:8] + text[9:15]).isdecimal()
        and _HEX.issuperset(text[16:])
    )


def is_name(text: str) -> bool:
    """Whether a user may give a session this name: never one shaped like an id."""
    return re.fullmatch(NAME_PATTERN, text) is not None and not is_id(text)


def session_id(moment: datetime, digits: int) -> str:
    """The id of a session started at `moment` (UTC); `digits` are 16 random bits."""
    return f"{moment:%Y%m%dT%H%M%S}-{digits & 0xFFFF:04x}"


def container_name(session: str) -> str:
    return f"outrig-{session}"


def labels(*, session: str, root: str, attempt: str, role: str) -> Mapping[str, str]:
    """What everything made on an engine carries, so that clean-up can find it."""
    return {
        LABEL_SESSION: session,
        LABEL_ROOT: root,
        LABEL_ATTEMPT: attempt,
        LABEL_ROLE: role,
    }


def image_tag(name: str, digest: str) -> str:
    """The tag of an image built by outrig: `outrig/<name>:<16 hex>`."""
    return f"outrig/{name}:{digest[:16]}"
