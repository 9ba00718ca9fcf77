"""The coding agents that outrig knows from the start, and how a prompt becomes an argv.

Each runs without questions: inside a session the container is the sandbox, so an agent's own asks
for permission and its own inner sandbox (which cannot work there) are switched off. No entry names
a model: a name written here would be stale within a year, and every program but mini has a default
of its own; variables such as AIDER_MODEL are passed in, and words after `--agent` are appended.
Each reaches the hosts of its models and this machine's package registries, and nothing else.
Entries of the configuration, `[agents.NAME]`, are merged over these key by key.
"""

from __future__ import annotations

from outrig.core.config import AgentConfig
from outrig.core.network import REGISTRIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROMPT = "{prompt}"
# Of the programs that work with whichever key is set.
MODEL_HOSTS = (
    "api.anthropic.com:443",
    "api.openai.com:443",
    "generativelanguage.googleapis.com:443",
    "openrouter.ai:443",
)

# The full-screen interface asks for a theme, for trust in the directory, and whether the user
# really means it; `-p` asks nothing.
CLAUDE = AgentConfig(
    command=(
        "claude",
        "-p",
        "--output-format",
        "stream-json",
        "--verbose",  # stream-json is refused without it
        "--dangerously-skip-permissions",
        "--",
        PROMPT,
    ),
    interactive=("claude", "--dangerously-skip-permissions"),
    resume=(
        "claude",
        "-p",
        "--continue",
        "--output-format",
        "stream-json",
        "--verbose",
        "--dangerously-skip-permissions",
        "--",
        PROMPT,
    ),
    resume_interactive=("claude", "--continue", "--dangerously-skip-permissions"),
    env={
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "IS_SANDBOX": "1",  # as uid 0 --dangerously-skip-permissions is refused without it
    },
    env_any_of=("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"),
    network="filter",
    hosts=("api.anthropic.com:443", REGISTRIES),
    env_optional=(
        "ANTHROPIC_BASE_URL",
        "ANTHROPIC_CUSTOM_HEADERS",
        "ANTHROPIC_MODEL",
        "ANTHROPIC_DEFAULT_HAIKU_MODEL",
        "ANTHROPIC_DEFAULT_OPUS_MODEL",
        "ANTHROPIC_DEFAULT_SONNET_MODEL",
    ),
    home={
        ".claude.json": (
            '{"hasCompletedOnboarding": true,'
            ' "projects": {"{workspace}": {"hasTrustDialogAccepted": true}}}\n'
        ),
        ".claude/settings.json": '{"skipDangerousModePermissionPrompt": true}\n',
    },
)

# Codex's built-in provider reads no key from the environment but CODEX_API_KEY, that only in
# `exec`, and may not be redefined: one of our own names the variable that everybody has set.
# Another host: `-c 'model_providers.openai-key.base_url="https://..."'` after `--agent codex`.
CODEX = AgentConfig(
    command=(
        "codex",
        "exec",
        "--json",
        "--skip-git-repo-check",
        "--dangerously-bypass-approvals-and-sandbox",
        "--",
        PROMPT,
    ),
    interactive=("codex", "--dangerously-bypass-approvals-and-sandbox"),
    resume=(
        "codex",
        "exec",
        "resume",
        "--last",
        "--json",
        "--skip-git-repo-check",
        "--dangerously-bypass-approvals-and-sandbox",
        "--",
        PROMPT,
    ),
    resume_interactive=(
        "codex",
        "resume",
        "--last",
        "--include-non-interactive",  # what `exec` said counts too
        "--dangerously-bypass-approvals-and-sandbox",
    ),
    env_any_of=("OPENAI_API_KEY",),
    network="filter",
    hosts=("api.openai.com:443", REGISTRIES),
    home={
        ".codex/config.toml": """\
model_provider = "openai-key"
approval_policy = "never"
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false

[model_providers.openai-key]
name = "OpenAI"
base_url = "https://api.openai.com/v1"
env_key = "OPENAI_API_KEY"
wire_api = "responses"

[projects."{workspace}"]
trust_level = "trusted"
""",
    },
)

GEMINI = AgentConfig(
    command=("gemini", "--yolo", "--prompt={prompt}"),
    interactive=("gemini", "--yolo"),
    resume=("gemini", "--yolo", "--resume=latest", "--prompt={prompt}"),
    resume_interactive=("gemini", "--yolo", "--resume=latest"),
    env={"GEMINI_CLI_TRUST_WORKSPACE": "true"},
    env_any_of=("GEMINI_API_KEY",),
    network="filter",
    hosts=("generativelanguage.googleapis.com:443", REGISTRIES),
    env_optional=("GEMINI_MODEL", "GOOGLE_GEMINI_BASE_URL"),
    home={
        # Without a choice it ends at once: "Invalid auth method selected", exit 41.
        ".gemini/settings.json": (
            '{"security": {"auth": {"selectedType": "gemini-api-key"}},'
            ' "general": {"enableAutoUpdate": false, "enableAutoUpdateNotification": false}}\n'
        ),
    },
)

# It takes the best model of a provider whose key is set; `"model"` in its config says otherwise.
OPENCODE = AgentConfig(
    command=("opencode", "run", "--auto", "--", PROMPT),
    interactive=("opencode", "--auto"),
    resume=("opencode", "run", "--auto", "--continue", "--", PROMPT),
    resume_interactive=("opencode", "--auto", "--continue"),
    env={"OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1"},
    env_any_of=(
        "ANTHROPIC_API_KEY",
        "OPENAI_API_KEY",
        "GEMINI_API_KEY",
        "OPENROUTER_API_KEY",
        "OPENCODE_API_KEY",
        "OPENCODE_CONFIG_CONTENT",
    ),
    env_optional=("ANTHROPIC_BASE_URL", "OPENAI_BASE_URL"),
    network="filter",
    hosts=(*MODEL_HOSTS, "opencode.ai:443", REGISTRIES),
)

# Its models come through litellm, which takes the names of keys and hosts from the provider's name.
LITELLM_KEYS = (
    "ANTHROPIC_API_KEY",
    "OPENAI_API_KEY",
    "GEMINI_API_KEY",
    "DEEPSEEK_API_KEY",
    "OPENROUTER_API_KEY",
)
LITELLM_HOSTS = (
    "ANTHROPIC_API_BASE",
    "ANTHROPIC_BASE_URL",
    "OPENAI_API_BASE",
    "OPENAI_BASE_URL",
)

_AIDER = (
    "aider",
    "--yes-always",
    "--no-check-update",
    "--no-show-release-notes",  # with --yes-always it would open a browser
    "--analytics-disable",
    "--no-pretty",
    "--no-detect-urls",
)
_AIDER_INTERACTIVE = (
    "aider",
    "--no-check-update",
    "--no-show-release-notes",
    "--analytics-disable",
)

AIDER = AgentConfig(
    command=(*_AIDER, "--message={prompt}"),
    interactive=_AIDER_INTERACTIVE,
    # What was said is in .aider.chat.history.md, in the workspace.
    resume=(*_AIDER, "--restore-chat-history", "--message={prompt}"),
    resume_interactive=(*_AIDER_INTERACTIVE, "--restore-chat-history"),
    env={"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    env_any_of=LITELLM_KEYS,
    network="filter",
    hosts=(*MODEL_HOSTS, "api.deepseek.com:443", REGISTRIES),
    env_optional=(*LITELLM_HOSTS, "AIDER_MODEL", "AIDER_WEAK_MODEL", "AIDER_EDITOR_MODEL"),
)

# The one agent without a default model: MSWEA_MODEL_NAME, or `-m PROVIDER/MODEL` after `--agent`.
MINI = AgentConfig(
    command=("mini", "--yolo", "--exit-immediately", "--task={prompt}"),
    interactive=("mini",),
    env={
        "MSWEA_CONFIGURED": "true",
        # A model newer than litellm's price list would otherwise end the run with an error.
        "MSWEA_COST_TRACKING": "ignore_errors",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    },
    env_any_of=LITELLM_KEYS,
    network="filter",
    hosts=(*MODEL_HOSTS, "api.deepseek.com:443", REGISTRIES),
    env_optional=(*LITELLM_HOSTS, "MSWEA_MODEL_NAME"),
)

BUILTIN_AGENTS: Mapping[str, AgentConfig] = {
    "aider": AIDER,
    "claude": CLAUDE,
    "codex": CODEX,
    "gemini": GEMINI,
    "mini": MINI,
    "opencode": OPENCODE,
}


def agent_argv(
    agent: AgentConfig, prompt: str | None, extra: Sequence[str], *, again: bool = False
) -> tuple[str, ...]:
    """The whole command line: `interactive` without a prompt, `extra` words appended.

    `again` goes on with the last conversation, where the agent can.

    A prompt may begin with a dash, so some commands end in `-- {prompt}`; the extra words are
    options nearly always and go in front of that pair.
    """
    if prompt is None:
        return (*((again and agent.resume_interactive) or agent.interactive), *extra)
    argv = (again and agent.resume) or agent.command
    cut = len(argv) - 2 if argv[-2:] == ("--", PROMPT) else len(argv)
    filled = [word.replace(PROMPT, prompt) for word in argv]
    return (*filled[:cut], *extra, *filled[cut:])
