"""`outrig wait`: until sessions have ended, and with which exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outrig.cli import opening, output, report
from outrig.cli.opening import GlobalConfig, SessionDir, SessionQueries, SessionRoot
from outrig.core.ending import EXIT_OWN_FAILURE

if TYPE_CHECKING:
    from outrig.core.session import Session


def wait(
    sessions: SessionQueries = None,
    session_dir: SessionDir = None,
    session_root: SessionRoot = None,
    global_config: GlobalConfig = None,
) -> int:
    """Wait until sessions have ended.

    It exits with the first code of theirs that is not 0; of several it prints each id and code.

    outrig wait @last

    `outrig stop` makes them end.
    """
    from outrig.runner.wait import wait as wait_for

    founds = opening.sessions(sessions or [], session_dir, session_root, global_config)
    codes = []
    for found in founds:
        session = wait_for(found, opening.engine, report.notice)
        report.limits(session)
        report.tamper(session)
        report.over(session)
        report.bell(session.fields)
        codes.append(_code(session))
        if len(founds) > 1:
            output.text(f"{found.session.id} {codes[-1]}\n")
    return next(filter(None, codes), 0)


def _code(session: Session) -> int:
    """What `outrig run` returned; nobody can say it of a session that was lost."""
    return EXIT_OWN_FAILURE if session.exit_code is None else session.exit_code
