"""`outrig branch`: a session's result as a normal branch."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from outrig.cli import opening, output, report
from outrig.cli.completion import complete_session
from outrig.cli.opening import AsJson, GlobalConfig, SessionDir, SessionRoot
from outrig.core.terminal import one_line
from outrig.errors import UsageError


def branch(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SESSION NAME",
            autocompletion=complete_session,
            help="The session (not with --session-dir), and the new branch.",
        ),
    ] = None,
    as_json: AsJson = False,
    session_dir: SessionDir = None,
    session_root: SessionRoot = None,
    global_config: GlobalConfig = None,
) -> int:
    """Give a session's result a branch of its own.

    Commits and what was left uncommitted are on it; nothing else of yours moves.

    outrig branch @last fix-the-test

    `outrig accept` brings it onto a branch that there is.
    """
    from outrig.runner import branch as branching
    from outrig.runner import work

    given = list(words or ())
    query = given.pop(0) if session_dir is None and given else None
    if len(given) != 1 or (query is None and session_dir is None):
        raise UsageError("a session and the name of a branch", hint="outrig branch @last NAME")
    found = opening.session(query, session_dir, session_root, global_config)
    config = opening.own_config(global_config, skip_global=session_root is not None).git
    commit = branching.branch(
        found, given[0], signature=work.signature(config, os.environ), env=os.environ
    )
    if as_json:
        output.as_json({"id": found.session.id, "branch": given[0], "commit": commit})
    else:
        report.notice(one_line(f"{given[0]} holds what {found.session.id} did"))
        output.text(f"{commit}\n")
    return 0
