"""How a door ends: every failure becomes words on stderr and an exit code, here and only here.

| failure                     | run, resume, attach, wait, exec, shell, rerun | all other commands |
|-----------------------------|-----------------------------------------------|--------------------|
| wrong usage                 | 125                                           | 2                  |
| outrig's own failure        | 125, or the failure's own (126, 127)          | 1                  |
| Ctrl-C outside of a session | 130                                           | 130                |
| stdout closed (`| head`)    | 141                                           | 141                |

141 is what a program killed by SIGPIPE has in a shell.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys

from outrig.core.limits import told
from outrig.core.terminal import one_line, plain
from outrig.errors import OutrigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from outrig.core.session import Session

PASSES_CODES_THROUGH = frozenset({"run", "attach", "wait", "exec", "shell", "rerun", "resume"})
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141


def guarded(command: str | None, act: Callable[[], Any]) -> int:
    """Run `act` and return the exit code of the process."""
    try:
        code = act()
    except OutrigError as error:
        return fail(command, error, as_json=error.as_json)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except (BrokenPipeError, SystemExit) as stop:
        # Of a BrokenPipeError typer makes an exit code 1, unless it has no errno.
        if not any(isinstance(one, BrokenPipeError) for one in (stop, stop.__context__)):
            raise
        _give_up_stdout()
        return EXIT_BROKEN_PIPE
    return code if isinstance(code, int) else 0


def remember_json(command: Callable[..., Any]) -> Callable[..., Any]:
    """A failure is reported as JSON if the command was asked for JSON."""

    @functools.wraps(command)
    def acting(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except OutrigError as error:
            error.as_json = bool(kwargs.get("as_json", False))
            raise

    return acting


def fail(command: str | None, error: OutrigError, *, as_json: bool) -> int:
    """Say what happened and what to do next; return the exit code."""
    if as_json:
        shown = json.dumps({"error": as_object(error)})
    else:
        shown = f"error: {error.message}" + (f"\nhint: {error.hint}" if error.hint else "")
    say_line(shown if as_json else plain(shown))
    return error.run_exit_code if command in PASSES_CODES_THROUGH else error.exit_code


def as_object(error: OutrigError) -> dict[str, str | None]:
    return {"kind": error.kind, "message": error.message, "hint": error.hint}


def notice(text: str) -> None:
    """Progress and notices: one line each, on stderr, whatever names are in it."""
    line = plain(text).replace("\n", " ")
    say_line(f"[outrig] {line}")


def missing(session: Session) -> None:
    """Say what the logs of a session lack, if they do."""
    if session.missing:
        notice(one_line(session.missing))


def limits(session: Session) -> None:
    """Say which limits a session hit, and how there may be more."""
    for words in told(session):
        notice(one_line(words))


def tamper(session: Session) -> None:
    """Say what a session left that could act on this machine later."""
    from outrig.core.tamper import notice as words

    if said := words(session):
        notice(said)


def over(session: Session) -> None:
    """Tell who is at a terminal how it ended."""
    if not os.isatty(2):
        return
    from datetime import UTC, datetime

    from outrig.core.listing import span

    took = span(session, datetime.now(UTC))
    code = "" if session.status == "completed" else f" ({session.reason}, exit {session.exit_code})"
    notice(f"{session.id} {session.status}{code} after {took}; next: outrig logs {session.id}")


def bell(record: Mapping[str, object]) -> None:
    """At the end of one that was run with --notify; without a terminal there is none to ring."""
    if record.get("notify") is True and os.isatty(2):
        with contextlib.suppress(OSError):
            os.write(2, b"\a")


def say_line(text: str) -> None:
    """A line on stderr; a stderr that is closed or gone is no reason to fail."""
    try:
        os.write(2, text.encode("utf-8", "backslashreplace") + b"\n")
    except OSError:
        return


def _give_up_stdout() -> None:
    """Python flushes stdout at exit and would complain about the closed pipe once more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
