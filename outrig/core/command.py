"""What a run runs: an agent, with a prompt or without, or a plain command."""

from __future__ import annotations

from outrig.core.agents import PROMPT, agent_argv
from outrig.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from outrig.core.config import AgentConfig, Config
    from outrig.core.request import Request


def chosen_agent(request: Request, config: Config) -> str | None:
    """The agent that runs, or None for a plain command.

    Raises UsageError when the agent is not configured or nothing says what to run.
    """
    name = request.agent
    if name is None and request.words:
        if request.prompt is not None:
            raise UsageError(
                "a prompt goes to an agent, and a command was given",
                hint="add --agent NAME: the words are then appended to the agent's own command",
            )
        return None
    name = name or config.default_agent
    known = ", ".join(sorted(config.agents))
    if name is None:
        raise UsageError(
            "nothing to run: no command, no --agent, and no default-agent",
            hint=f"outrig run -- COMMAND, or outrig run --agent NAME -p PROMPT; agents: {known}",
        )
    if name not in config.agents:
        raise UsageError(f'no agent "{name}"', hint=f"agents: {known}; add one as [agents.{name}]")
    return name


def command(request: Request, name: str | None, agent: AgentConfig | None) -> tuple[str, ...]:
    if agent is None:
        return request.words
    prompt = request.prompt
    argv, key = agent.interactive, "interactive"
    if prompt is not None:
        again = request.again and agent.resume
        argv, key = (agent.resume, "resume") if again else (agent.command, "command")
    if not argv:
        raise UsageError(
            f'agent "{name}" has no `{key}`',
            hint=f"set it in [agents.{name}], or give a prompt with -p",
        )
    if prompt is not None and not any(PROMPT in word for word in argv):
        raise UsageError(
            f'agent "{name}" has no {PROMPT} in its `{key}`, so the prompt would be lost',
            hint=f"put {PROMPT} where it belongs in [agents.{name}] {key}",
        )
    return agent_argv(agent, prompt, request.words, again=request.again)


def entrypoint(config: Config, agent: AgentConfig | None) -> tuple[str, ...] | None:
    """An image's ENTRYPOINT stays for commands, not for agents."""
    if config.run.entrypoint is None:
        return () if agent else None
    return (config.run.entrypoint,) if config.run.entrypoint else ()


def forgotten(request: Request, name: str | None, agent: AgentConfig | None) -> tuple[str, ...]:
    """What a user who goes on with a session would else find out from the agent's questions."""
    if not request.again or agent is None:
        return ()
    if agent.resume if request.prompt is not None else agent.resume_interactive:
        return ()
    return (f"{name} cannot go on with its conversation: it begins a new one",)
