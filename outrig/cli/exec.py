"""`outrig exec` and `outrig shell`: a command beside the agent, in its container."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from outrig.cli import opening, report
from outrig.cli.completion import complete_session
from outrig.cli.opening import GlobalConfig, SessionDir, SessionQuery, SessionRoot
from outrig.core.exec import SHELL, Wish
from outrig.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from outrig.store.finding import Found

Env = Annotated[
    list[str] | None,
    typer.Option("-e", "--env", metavar="NAME[=VALUE]", help="Set a variable, or pass yours on."),
]
Workdir = Annotated[
    str | None,
    typer.Option("-w", "--workdir", help="Start here; relative to the workspace's place inside."),
]
User = Annotated[
    str,
    typer.Option("-u", "--user", metavar="caller|root|UID[:GID]", help="Run as; caller: as it is."),
]


def exec_(  # noqa: PLR0917 - one parameter per option, as typer wants them
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SESSION COMMAND [ARG...]",
            autocompletion=complete_session,
            help="Id, name, unique part of an id, or @last; then the command.",
        ),
    ] = None,
    interactive: Annotated[
        bool, typer.Option("-i", "--interactive", help="Feed stdin, whatever it is.")
    ] = False,
    tty: Annotated[bool, typer.Option("-t", "--tty", help="With a terminal.")] = False,
    no_tty: Annotated[bool, typer.Option("-T", "--no-tty", help="Without one.")] = False,
    no_stdin: Annotated[bool, typer.Option("--no-stdin", help="No input.")] = False,
    env: Env = None,
    workdir: Workdir = None,
    user: User = "caller",
    session_dir: SessionDir = None,
    session_root: SessionRoot = None,
    global_config: GlobalConfig = None,
) -> int:
    """Run a command in a session that runs.

    It is not recorded. The exit code is its own.

    outrig exec @last git status

    `outrig shell` opens a shell there.
    """
    query, argv = _split(words or [], by_directory=session_dir is not None)
    if tty and no_tty:
        raise UsageError("-t and -T: give one of them")
    wish = Wish(
        argv=argv,
        user=user,
        workdir=workdir,
        tty=True if tty else False if no_tty else None,
        interactive=interactive,
        no_stdin=no_stdin,
    )
    found = opening.session(query, session_dir, session_root, global_config)
    return _execute(found, wish, env or ())


def shell(  # noqa: PLR0917 - one parameter per option, as typer wants them
    session: SessionQuery = None,
    env: Env = None,
    workdir: Workdir = None,
    user: User = "caller",
    session_dir: SessionDir = None,
    session_root: SessionRoot = None,
    global_config: GlobalConfig = None,
) -> int:
    """Open a shell in a session that runs.

    outrig shell @last

    It is bash if the session has it, else sh. `outrig exec` runs one command.
    """
    found = opening.session(session, session_dir, session_root, global_config)
    return _execute(found, Wish(argv=SHELL, user=user, workdir=workdir), env or ())


def _split(words: Sequence[str], *, by_directory: bool) -> tuple[str | None, tuple[str, ...]]:
    """The session, and the command; `--` may stand between them."""
    if by_directory:
        return None, tuple(words)
    if not words:
        raise UsageError("name the session and the command", hint="outrig exec @last ls")
    query, *argv = words
    if argv and argv[0] == "--":
        argv = argv[1:]
    elif argv and argv[0].startswith("-"):
        raise UsageError(
            f"{argv[0]} is no command; options go before the session",
            hint=f"outrig exec {argv[0]} {query} COMMAND",
        )
    return query, tuple(argv)


def _execute(found: Found, wish: Wish, env: Sequence[str]) -> int:
    from outrig.cli.console import TerminalConsole, terminal
    from outrig.core import environment
    from outrig.core.exec import draft
    from outrig.core.exec import environment as added
    from outrig.core.frozen import replace
    from outrig.runner.exec import execute, reach_for
    from outrig.runner.secrets import redacting

    given, notices = environment.given(env, os.environ)
    for notice in notices:
        report.notice(notice)
    drafted = draft(replace(wish, variables=tuple(given)), found.session, terminal())
    reached = reach_for(found, opening.engine)
    values = added(drafted.command, given, os.environ)
    with (
        TerminalConsole(show_streams=True, unread="the command is ended") as console,
        console.feeding(drafted.stdin),
    ):
        return execute(
            reached,
            drafted.command,
            values,
            console,
            show=report.notice,
            redacting=redacting(reached.session),
        )
