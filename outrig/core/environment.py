"""The environment of a session: what configuration and flags ask for, and what every session has.

    the image's own < standard < [env] < [agents.N] env < host variables an agent wants < -e

Nothing of the host's environment comes along unless it is named here or there.
"""

from __future__ import annotations

import re

from outrig.core import secrets
from outrig.core.frozen import frozen
from outrig.core.network import GATED
from outrig.core.reference import resolve
from outrig.core.words import refuse_bytes
from outrig.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from outrig.core.config import AgentConfig, Config
    from outrig.core.identity import Identity

PASSED_IN = ("TERM", "COLORTERM", "LANG", "TZ")
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"


@frozen
class Asked:
    """Values by name, kept beside the plan and stored nowhere; and what to tell the user."""

    values: Mapping[str, str]
    notices: tuple[str, ...] = ()


def asked(
    config: Config,
    agent_name: str | None,
    flags: Sequence[str],
    host: Mapping[str, str],
    *,
    instead: Collection[str] = (),
) -> Asked:
    """What [env], the agent and `-e` ask for; `instead` are variables that secrets set.

    Raises ConfigError for a reference to an unset host variable and UsageError for a malformed
    `-e`, a value that is not UTF-8, or an agent none of whose keys is set.
    """
    values = resolve(config.env, host, "env")
    chosen, notices = given(flags, host)
    if agent_name is not None:
        agent = config.agents[agent_name]
        values |= resolve(agent.env, host, f"agents.{agent_name}.env")
        known = {**values, **host, **chosen}
        values |= _wanted(agent_name, agent, known, instead=instead, config=config)
    values |= chosen
    for name, value in values.items():
        refuse_bytes(f"the value of {name}", (value,))
    left = {name: value for name, value in values.items() if name not in instead}
    return Asked(values=left, notices=notices)


def literal(flags: Sequence[str]) -> tuple[str, ...]:
    """Names whose values `-e` says itself."""
    return tuple(name for name, equals, _ in (flag.partition("=") for flag in flags) if equals)


def given(flags: Sequence[str], host: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """What `-e` asks for, and what to tell the user. Raises UsageError for what is malformed."""
    values: dict[str, str] = {}
    notices = []
    for flag in flags:
        name, equals, value = flag.partition("=")
        if not re.fullmatch(_NAME, name):
            raise UsageError("-e takes NAME=VALUE or NAME, and NAME must be a variable's name")
        if "\0" in value:
            raise UsageError(f"-e {name}: a value cannot hold a NUL byte")
        if equals:
            values[name] = value
        elif name in host:
            values[name] = host[name]
        else:
            notices.append(f"-e {name}: not set here, so not set in the session")
    return values, tuple(notices)


def _wanted(
    name: str,
    agent: AgentConfig,
    known: Mapping[str, str],
    *,
    instead: Collection[str],
    config: Config,
) -> dict[str, str]:
    """With one key as a secret, no other is passed in: it would be there to be read."""
    secret = any(key in instead for key in agent.env_any_of)
    any_of = [key for key in agent.env_any_of if known.get(key) and not secret]
    if agent.env_any_of and not (any_of or secret):
        keys = " or ".join(agent.env_any_of)
        left_out = secrets.given(config.secrets, name, GATED[0])
        brokered = [one.name for one in left_out if one.variable in agent.env_any_of]
        raise UsageError(
            f'agent "{name}" needs {keys}, and none is set',
            hint=f"--network {GATED[0]}: secret {brokered[0]} goes by the broker, which is there"
            if brokered
            else f"export {agent.env_any_of[0]}=..., or pass it with -e",
        )
    optional = [key for key in agent.env_optional if known.get(key)]
    return {key: known[key] for key in (*any_of, *optional)}


def standard(
    who: Identity,
    *,
    image: Mapping[str, str],
    host: Mapping[str, str],
    committer: Mapping[str, str],
    path: str | None,
) -> dict[str, str]:
    """What every session has. `path` replaces the image's PATH (the host image has none)."""
    search = path or image.get("PATH") or DEFAULT_PATH
    return {
        **{name: host[name] for name in PASSED_IN if host.get(name)},
        **committer,
        "HOME": who.home,
        "USER": who.name,
        "PATH": f"{who.home}/.local/bin:{search}",
        "NPM_CONFIG_PREFIX": f"{who.home}/.local",
        # The workspace may belong to another uid than the session's (root, rootless engines).
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        # Without it init passes a signal to its one child, and the child's children stay.
        "TINI_KILL_PROCESS_GROUP": "1",
    }
