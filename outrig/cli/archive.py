"""`outrig archive`: keep a session's result, and free the rest."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from outrig.cli import opening, output, report
from outrig.cli.opening import AsJson, GlobalConfig, SessionDir, SessionQueries, SessionRoot
from outrig.core.terminal import one_line


def archive(  # noqa: PLR0917 - one parameter per option, as typer wants them
    sessions: SessionQueries = None,
    reopen: Annotated[
        bool, typer.Option("--reopen", help="Let an archived one be accepted after all.")
    ] = False,
    as_json: AsJson = False,
    session_dir: SessionDir = None,
    session_root: SessionRoot = None,
    global_config: GlobalConfig = None,
) -> int:
    """Keep a session's result and free the rest.

    The result is the ref refs/outrig/archive/ID of your repository; record and logs stay.

    outrig archive @last

    `outrig ls --archived` lists them; `outrig accept` takes a result over.
    """
    from outrig.runner import archive as archiving
    from outrig.runner import work

    config = opening.own_config(global_config, skip_global=session_root is not None).git
    rows: list[dict[str, str | None]] = []
    for found in opening.sessions(sessions or [], session_dir, session_root, global_config):
        if reopen:
            session = archiving.reopen(found)
            rows.append({"id": session.id, "state": "open"})
            continue
        done = archiving.archive(
            found,
            signature=work.signature(config, os.environ),
            env=os.environ,
            connect=opening.engine,
        )
        said = {"id": done.session.id, "state": "archived", "ref": done.ref, "commit": done.commit}
        rows.append(said)
        if not as_json and done.ref:
            report.notice(one_line(f"{done.session.id} is kept as {done.ref}"))
    if as_json:
        output.as_json(rows)
    else:
        output.text("".join(f"{row['id']}\n" for row in rows))
    return 0
