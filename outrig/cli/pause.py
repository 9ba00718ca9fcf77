"""`outrig pause` and `outrig unpause`: a session stands still, its clocks with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outrig.cli import opening, output, report
from outrig.cli.opening import GlobalConfig, SessionDir, SessionQueries, SessionRoot

if TYPE_CHECKING:
    from outrig.store.finding import Found


def pause(
    sessions: SessionQueries = None,
    session_dir: SessionDir = None,
    session_root: SessionRoot = None,
    global_config: GlobalConfig = None,
) -> int:
    """Let sessions stand still; their time limits do too.

    outrig pause @last

    `outrig unpause` lets them go on.
    """
    from outrig.runner import pause as pausing

    for found in opening.sessions(sessions or [], session_dir, session_root, global_config):
        if _is_paused(found):
            report.notice(f"{found.session.id} is paused already")
        else:
            pausing.pause(found, opening.engine)
            output.text(f"{found.session.id}\n")
    return 0


def unpause(
    sessions: SessionQueries = None,
    session_dir: SessionDir = None,
    session_root: SessionRoot = None,
    global_config: GlobalConfig = None,
) -> int:
    """Let paused sessions go on.

    outrig unpause @last

    `outrig pause` is its counterpart.
    """
    from outrig.runner import pause as pausing

    for found in opening.sessions(sessions or [], session_dir, session_root, global_config):
        was_paused = _is_paused(found)
        pausing.unpause(found, opening.engine)  # `docker pause` is in no record
        if was_paused:
            output.text(f"{found.session.id}\n")
        else:
            report.notice(f"{found.session.id} was not paused")
    return 0


def _is_paused(found: Found) -> bool:
    from outrig.core.pause import is_paused

    return is_paused(found.session)
