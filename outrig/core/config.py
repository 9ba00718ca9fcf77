"""Config: every key there is. The defaults are the field defaults; nowhere else has a default.

Its sections are declared in config_program, config_work, config_bounds and config_beside, and
imported from here. What is said about a key (core/field.py) stands beside its default. A field
`log_bytes` is the key `log-bytes`.
"""

from __future__ import annotations

from outrig.core.config_beside import SIDECAR_NAME, HooksConfig, SecretConfig, SidecarConfig
from outrig.core.config_bounds import NETWORKS, LimitsConfig, NetworkConfig, SecurityConfig
from outrig.core.config_program import AgentConfig, ImageConfig, RunConfig
from outrig.core.config_work import GitConfig, MountConfig, WorkspaceConfig
from outrig.core.field import VARIABLE_NAME, key, named, names, section
from outrig.core.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "NETWORKS",
    "SIDECAR_NAME",
    "AgentConfig",
    "Config",
    "GitConfig",
    "HooksConfig",
    "ImageConfig",
    "LimitsConfig",
    "MountConfig",
    "NetworkConfig",
    "RunConfig",
    "SecretConfig",
    "SecurityConfig",
    "SidecarConfig",
    "WorkspaceConfig",
]


@frozen
class Config:
    session_root: str | None = key(
        doc="where sessions are kept",
        kind="path",
        trust="global",
        example='"~/outrig-sessions"',
        default_words="$XDG_DATA_HOME/outrig/sessions",
        flag="--session-root",
    )
    engine: str | None = key(
        doc="engine URL (unix:///..., tcp://...) or docker context",
        kind="string",
        trust="global",
        example='"unix:///run/docker.sock"',
        default_words="DOCKER_HOST, the current docker context, the usual sockets",
    )
    default_agent: str | None = key(
        doc="agent when neither --agent nor a command is given",
        kind="string",
        trust="repo",
        example='"claude"',
        default_words="none",
    )
    default_image: str = key(
        "host",
        doc="image of plain commands; host is this machine's own /usr",
        kind="string",
        trust="repo",
    )
    host_paths: tuple[str, ...] = key(
        (),
        doc="directories added read-only to the host image, at the same path",
        kind="paths",
        trust="trusted",
        example='["~/.local/bin"]',
    )
    images: Mapping[str, ImageConfig] = named(
        ImageConfig,
        doc="images to build or to pull",
        pattern="[a-z0-9]+(?:[._-][a-z0-9]+)*",  # becomes the repository of the image's tag
        expects="an image's name: lowercase letters and digits, with single . _ - between them",
    )
    agents: Mapping[str, AgentConfig] = named(
        AgentConfig,
        doc="how to run a coding agent",
        pattern="[A-Za-z0-9][A-Za-z0-9_.-]*",
        expects="an agent's name: letters, digits, . _ - and a letter or digit first",
    )
    env: Mapping[str, str] = names(
        doc='environment of every session: NAME = "value", or "${VAR}" of the host',
        kind="environment",
        trust="repo-no-references",
        example='{ TZ = "UTC" }',
        pattern=VARIABLE_NAME,
        expects="a variable's name: letters, digits and _",
    )
    workspace: WorkspaceConfig = section(WorkspaceConfig, doc="what the session works on")
    run: RunConfig = section(RunConfig, doc="how the command runs")
    limits: LimitsConfig = section(LimitsConfig, doc="what the session may use")
    network: NetworkConfig = section(NetworkConfig, doc="what the session may reach")
    security: SecurityConfig = section(
        SecurityConfig, doc="what the session may do to the machine below it"
    )
    secrets: Mapping[str, SecretConfig] = named(
        SecretConfig,
        doc="keys and passwords that sessions may use",
        pattern="[A-Za-z0-9][A-Za-z0-9_-]{0,62}",  # a file's name, and a part of a URL's path
        expects="a secret's name: letters, digits, _ - and a letter or digit first",
    )
    sidecars: Mapping[str, SidecarConfig] = named(
        SidecarConfig,
        doc="databases and caches beside a session, which reaches them by their names",
        pattern=SIDECAR_NAME,
        expects="a sidecar's name: lowercase letters, digits and -, and none that outrig uses",
    )
    git: GitConfig = section(GitConfig, doc="who commits when a session's work is taken over")
    hooks: HooksConfig = section(
        HooksConfig, doc="commands of yours that run when something happens"
    )
