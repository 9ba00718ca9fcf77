"""`outrig attach`: back to a session that runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from outrig.cli import opening, report
from outrig.cli.opening import GlobalConfig, SessionDir, SessionQuery, SessionRoot
from outrig.core.ending import EXIT_OWN_FAILURE

if TYPE_CHECKING:
    from outrig.core.streams import Stdin


def attach(  # noqa: PLR0917 - one parameter per option, as typer wants them
    session: SessionQuery = None,
    no_stdin: Annotated[bool, typer.Option("--no-stdin", help="Only look.")] = False,
    detach_keys: Annotated[
        str, typer.Option("--detach-keys", help="Let go of it again, in a terminal.")
    ] = "ctrl-p,ctrl-q",
    session_dir: SessionDir = None,
    session_root: SessionRoot = None,
    global_config: GlobalConfig = None,
) -> int:
    """Look at a session that runs, and type into it.

    The exit code is the session's own; letting go of it (ctrl-p ctrl-q, or Ctrl-C without a
    terminal) ends nothing.

    outrig attach @last

    `outrig logs -f` only looks; `outrig stop` ends it.
    """
    from outrig.cli.console import TerminalConsole
    from outrig.core import detach
    from outrig.core.terminal import one_line
    from outrig.runner.attach import attach as attach_to

    found = opening.session(session, session_dir, session_root, global_config)
    with_terminal = bool(found.session.fields.get("tty")) and os.isatty(0)
    stdin: Stdin = "null" if no_stdin else "terminal" if with_terminal else "pipe"
    try:
        keys = detach.parse(detach_keys)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--detach-keys") from error
    with TerminalConsole(show_streams=True) as console:
        console.keeps_input = True
        if with_terminal:
            console.tell_size()
        with console.feeding(stdin, keys):
            session_now = attach_to(found, console, report.notice)
    if not session_now.ended:
        report.notice(one_line(f"detached; back to it: outrig attach {session_now.id}"))
        return 0
    report.limits(session_now)
    report.tamper(session_now)
    report.over(session_now)
    report.bell(session_now.fields)
    return EXIT_OWN_FAILURE if session_now.exit_code is None else session_now.exit_code
