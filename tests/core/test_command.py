"""Which agent or command runs, and what no run can be made of."""

from __future__ import annotations

import pytest

from outrig.core.config import (
    AgentConfig,
    RunConfig,
)
from outrig.core.request import Request
from outrig.errors import UsageError
from tests.core.drafts import (
    COMMAND,
    PROMPTED,
    drafted,
    refusal,
)


@pytest.mark.parametrize(
    ("request_", "command", "agent"),
    [
        (COMMAND, ("true",), None),
        (Request(words=("sh", "-c", "{prompt}")), ("sh", "-c", "{prompt}"), None),
        (PROMPTED, ("bot", "--ask=hi", "hi"), "bot"),
        (Request(agent="bot", prompt="{prompt} $(x)"), None, "bot"),
        (Request(agent="bot", prompt="hi", words=("-m", "x")), None, "bot"),
        (Request(agent="bot", tty=True), ("bot", "-i"), "bot"),
        (Request(agent="bot", tty=True, words=("-m",)), ("bot", "-i", "-m"), "bot"),
    ],
)
def test_the_command(request_, command, agent):
    plan = drafted(request_)
    assert plan.agent == agent
    assert plan.task == request_.prompt
    if command:
        assert plan.command == command
    else:
        prompt = request_.prompt
        assert plan.command == ("bot", f"--ask={prompt}", prompt, *request_.words)


def test_the_default_agent_runs_when_nothing_else_is_said():
    assert drafted(Request(prompt="hi"), default_agent="bot").agent == "bot"
    assert drafted(COMMAND, default_agent="bot").agent is None
    assert drafted(PROMPTED, default_agent="gone").agent == "bot"


@pytest.mark.parametrize(
    ("request_", "settings", "message", "hint"),
    [
        (Request(), {}, "nothing to run", "agents: bot"),
        (Request(agent="bto"), {}, 'no agent "bto"', "[agents.bto]"),
        (Request(prompt="x"), {"default_agent": "gone"}, 'no agent "gone"', "agents: bot"),
        (Request(prompt="x", words=("ls",)), {}, "a prompt goes to an agent", "--agent"),
        (PROMPTED, {"agents": {"bot": AgentConfig(interactive=("x",))}}, "no `command`", "-p"),
        (
            Request(agent="bot", tty=True),
            {"agents": {"bot": AgentConfig(command=("x",))}},
            "no `interactive`",
            "-p",
        ),
        (
            PROMPTED,
            {"agents": {"bot": AgentConfig(command=("bot", "--go"))}},
            "the prompt would be lost",
            "[agents.bot]",
        ),
    ],
)
def test_nothing_sensible_to_run(request_, settings, message, hint):
    error = refusal(request_, **settings)
    assert isinstance(error, UsageError)
    assert message in error.message
    assert hint in str(error.hint)


@pytest.mark.parametrize(
    ("entrypoint", "for_command", "for_agent"),
    [(None, None, ()), ("", (), ()), ("/bin/x", ("/bin/x",), ("/bin/x",))],
)
def test_the_entrypoint_stays_for_commands_and_not_for_agents(entrypoint, for_command, for_agent):
    run = RunConfig(entrypoint=entrypoint)
    assert drafted(COMMAND, run=run).entrypoint == for_command
    assert drafted(PROMPTED, run=run).entrypoint == for_agent
