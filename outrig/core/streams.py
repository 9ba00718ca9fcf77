"""Whether a run has a terminal, and what comes on its stdin."""

from __future__ import annotations

from outrig.core.frozen import frozen
from outrig.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from outrig.core.config import AgentConfig
    from outrig.core.request import Request

    Stdin = Literal["null", "pipe", "terminal", "held"]  # held: open, for whoever attaches


@frozen
class Terminal:
    """What the three standard streams of this process are."""

    stdin: Literal["terminal", "data", "other"] = "other"  # data: a pipe or a regular file
    all_terminals: bool = False
    size: tuple[int, int] | None = None  # rows, columns


def tty(request: Request, agent: AgentConfig | None, terminal: Terminal) -> bool:
    if request.tty is False:
        return False
    if request.tty and request.interactive and terminal.stdin == "data" and not request.detach:
        raise UsageError(
            "stdin is not a terminal, and -it needs one", hint="use -i alone for piped input"
        )
    unseen = request.no_stdin or request.capture or request.detach
    usable = terminal.all_terminals and not unseen
    if agent and request.prompt is None and not (request.tty or usable):
        raise UsageError(
            "an agent without a prompt needs a terminal", hint="give it a prompt with -p"
        )
    if request.tty:
        return True
    prompted = agent is not None and request.prompt is not None
    return usable and (not prompted or request.interactive)


def stdin(request: Request, agent: AgentConfig | None, terminal: Terminal, *, tty: bool) -> Stdin:
    """Data reaches a command; an agent with a prompt waits for ever on an open pipe."""
    if request.no_stdin:
        return "null"
    if request.detach:
        return "held" if request.interactive else "null"
    prompted = agent is not None and request.prompt is not None
    if tty and terminal.stdin == "terminal" and (request.interactive or not prompted):
        return "terminal"
    if request.interactive:
        return "pipe"
    return "pipe" if terminal.stdin == "data" and not prompted and not tty else "null"
