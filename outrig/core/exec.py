"""What `outrig exec` runs beside the agent, and how: decided from flags, terminal and record.

| stdin, stdout, stderr | -i | -t, -T | the command has          |
|-----------------------|----|--------|--------------------------|
| all terminals         | ?  | none   | a terminal, and keys     |
| data on stdin         | ?  | none   | the data                 |
| data on stdin         | no | -t     | a terminal, no input     |
| data on stdin         | -i | -t     | refused                  |
| anything else         | -i | none   | what comes on stdin      |
| anything else         | no | any    | no input                 |

It is the session's user in the session's directory unless told otherwise. Secrets that the session
has as variables it has, too, as that user: nobody else can read them. A variable that was given
to it itself comes before.
"""

from __future__ import annotations

import re
from posixpath import isabs, join, normpath
from typing import TYPE_CHECKING, NamedTuple

from outrig.core import container, identity
from outrig.core.engine import Command
from outrig.core.frozen import frozen
from outrig.core.secrets import ENVIRONMENT, INSIDE
from outrig.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outrig.core.session import Session
    from outrig.core.streams import Stdin, Terminal

OF_OUR_TERMINAL = ("TERM", "COLORTERM")

# bash if the image has it. No login shell: /etc/profile would replace the session's PATH.
SHELL = ("sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash; exec sh")


@frozen
class Wish:
    """The command line."""

    argv: tuple[str, ...]
    user: str = "caller"
    workdir: str | None = None
    tty: bool | None = None  # -t, -T, or neither
    interactive: bool = False
    no_stdin: bool = False
    variables: tuple[str, ...] = ()  # names of those that are given to it


class Drafted(NamedTuple):
    command: Command
    stdin: Stdin


def draft(wish: Wish, session: Session, terminal: Terminal) -> Drafted:
    """The table above. Raises UsageError for what makes no sense."""
    if not wish.argv or not wish.argv[0]:
        raise UsageError("no command to run", hint=f"outrig shell {session.id}")
    tty = _tty(wish, terminal)
    stdin = _stdin(wish, terminal, tty=tty)
    command = Command(
        argv=_with_variables(wish, session),
        user=_user(wish.user),
        working_dir=_working_dir(wish.workdir, session),
        tty=tty,
        stdin=stdin != "null",
        size=terminal.size if tty else None,
    )
    return Drafted(command, stdin)


def environment(
    command: Command, given: Mapping[str, str], host: Mapping[str, str]
) -> dict[str, str]:
    """What is added to the session's own: `given`, and what our terminal is, on a terminal."""
    ours = {name: host[name] for name in OF_OUR_TERMINAL if command.tty and host.get(name)}
    return {**ours, **given}


def _with_variables(wish: Wish, session: Session) -> tuple[str, ...]:
    """No engine gives a command beside the agent what a script had set for the agent."""
    noted = session.fields.get("secrets")
    given = noted.get("given") if isinstance(noted, dict) else None
    if not isinstance(given, dict) or "env" not in given.values():
        return wish.argv
    script = f"{INSIDE}/{ENVIRONMENT}"
    own = [name for name in wish.variables if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name)]
    kept = "".join(f"outrig_{at}=${name}; " for at, name in enumerate(own))
    back = "".join(f"{name}=$outrig_{at}; unset outrig_{at}; " for at, name in enumerate(own))
    words = f'[ -r {script} ] && {{ {kept}. {script}; {back}}}; exec "$@"'
    return (container.SHELL, "-c", words, "outrig", *wish.argv)


def _tty(wish: Wish, terminal: Terminal) -> bool:
    if wish.tty and wish.interactive and terminal.stdin == "data":
        raise UsageError(
            "stdin is not a terminal, and -it needs one", hint="use -i alone for piped input"
        )
    if wish.tty is not None:
        return wish.tty
    return terminal.all_terminals and not wish.no_stdin


def _stdin(wish: Wish, terminal: Terminal, *, tty: bool) -> Stdin:
    if wish.no_stdin:
        return "null"
    if tty and terminal.stdin == "terminal":
        return "terminal"
    if wish.interactive or (terminal.stdin == "data" and not tty):
        return "pipe"
    return "null"


def _user(asked: str) -> str:
    if asked == "caller":
        return ""
    nobody = identity.Person(uid=0, gid=0)
    return identity.decide(asked, caller=nobody, owner=nobody, rootless=False).user


def _working_dir(asked: str | None, session: Session) -> str:
    """Relative to the workspace's place inside, as in `outrig run`."""
    if asked is None:
        return ""
    if isabs(asked):
        return normpath(asked)
    workspace = session.fields.get("workspace")
    target = workspace.get("target") if isinstance(workspace, dict) else None
    if not isinstance(target, str):
        raise UsageError(f"-w {asked}: the session has no workspace; give an absolute path")
    return normpath(join(target, asked))
