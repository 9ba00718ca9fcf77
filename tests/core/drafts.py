"""Plans as core/draft.py drafts them of few words."""

from __future__ import annotations

import pytest

from outrig.core.cascade import Resolved
from outrig.core.config import (
    AgentConfig,
    Config,
)
from outrig.core.draft import draft
from outrig.core.identity import Person
from outrig.core.plan import Place, RunPlan
from outrig.core.request import Request
from outrig.core.streams import Terminal
from outrig.errors import OutrigError

ADA = Person(uid=1000, gid=1000, name="ada")
PLACE = Place(root="/home/ada/code", start="/home/ada/code", owner=ADA)
TERMINAL = Terminal(stdin="terminal", all_terminals=True, size=(24, 80))
PIPE = Terminal(stdin="data")
NOTHING = Terminal(stdin="other")
BOT = AgentConfig(command=("bot", "--ask={prompt}", "{prompt}"), interactive=("bot", "-i"))
COMMAND = Request(words=("true",))
PROMPTED = Request(agent="bot", prompt="hi")
TALK = Request(agent="bot")


def drafted(
    request: Request = COMMAND,
    *,
    place: Place = PLACE,
    terminal: Terminal = NOTHING,
    caller: Person = ADA,
    origin=None,
    confined=None,
    **settings,
) -> RunPlan:
    config = Config(**{"agents": {"bot": BOT}, **settings})
    resolved = Resolved(config=config, origin=origin or {}, confined=confined or {})
    return draft(
        request, resolved, place=place, caller=caller, terminal=terminal, env_names=("B", "A")
    )


def refusal(request: Request = COMMAND, **how) -> OutrigError:
    with pytest.raises(OutrigError) as refused:
        drafted(request, **how)
    return refused.value
