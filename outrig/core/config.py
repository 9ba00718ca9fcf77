"""Config and its sections. The defaults are the field defaults; nowhere else has a default.

What is said about a key (core/field.py) stands beside its default. A field `log_bytes` is the key
`log-bytes`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from outrig.core.field import VARIABLE_NAME, key, named, names, section
from outrig.core.frozen import frozen, given
from outrig.core.workspace import GITS, MODES, PROTECTED

if TYPE_CHECKING:
    from collections.abc import Mapping

# The tightest first; core/network.py says what they mean.
NETWORKS = ("none", "filter", "audit", "open", "bridge")
# A host name, a file's name among the logs, and no container's or log's that a session has anyway.
SIDECAR_NAME = (
    "(?!(stdout|stderr|terminal|build|gateway|holder|helper|localhost|outrig-broker|.*-holder)$)"
    "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
)
_CAPABILITY = "(?!(CAP_)?ALL$)[A-Z][A-Z_]{2,30}"


@frozen
class ImageConfig:
    dockerfile: str | None = key(
        doc="Dockerfile to build",
        kind="path",
        trust="repo-inside",
        example='"images/dev/Dockerfile"',
    )
    context: str | None = key(
        doc="build context directory",
        kind="path",
        trust="repo-inside",
        example='"."',
        default_words="the Dockerfile's directory",
    )
    build_args: Mapping[str, str] = names(
        doc="build arguments; BASE names another configured image",
        kind="argument-table",
        trust="repo-no-references",
        example='{ VERSION = "3" }',
        pattern=VARIABLE_NAME,
        expects="a build argument's name: letters, digits and _",
    )
    image_name: str | None = key(
        doc="a ready image instead, pulled when it is missing",
        kind="string",
        trust="trusted",
        example='"debian:bookworm-slim"',
    )


@frozen
class AgentConfig:
    command: tuple[str, ...] = key(
        (),
        doc="argv of a run with a prompt; {prompt} is replaced",
        kind="argv",
        trust="repo",
        example='["claude", "-p", "{prompt}"]',
    )
    interactive: tuple[str, ...] = key(
        (), doc="argv without a prompt", kind="argv", trust="repo", example='["claude"]'
    )
    resume: tuple[str, ...] = key(
        (),
        doc="argv that goes on with the last conversation; {prompt} is replaced",
        kind="argv",
        trust="repo",
        example='["claude", "-p", "--continue", "{prompt}"]',
        default_words="a new conversation: command",
    )
    resume_interactive: tuple[str, ...] = key(
        (),
        doc="the same without a prompt",
        kind="argv",
        trust="repo",
        example='["claude", "--continue"]',
        default_words="a new conversation: interactive",
    )
    image: str | None = key(
        doc="image to use where the program is not in the host image",
        kind="string",
        trust="repo",
        example='"claude"',
    )
    env: Mapping[str, str] = names(
        doc='environment: "value", or "${VAR}" of the host',
        kind="environment",
        trust="repo-no-references",
        example='{ DISABLE_AUTOUPDATER = "1" }',
        pattern=VARIABLE_NAME,
        expects="a variable's name: letters, digits and _",
    )
    env_any_of: tuple[str, ...] = key(
        (),
        doc="host variables passed in when set; at least one must be",
        kind="strings",
        trust="trusted",
        pattern=VARIABLE_NAME,
        expects="an array of variables' names",
        example='["ANTHROPIC_API_KEY"]',
    )
    env_optional: tuple[str, ...] = key(
        (),
        doc="host variables passed in when set",
        kind="strings",
        trust="trusted",
        pattern=VARIABLE_NAME,
        expects="an array of variables' names",
        example='["ANTHROPIC_BASE_URL"]',
    )
    home: Mapping[str, str] = names(
        doc="files laid into HOME: path = text; {workspace} is replaced",
        kind="table",
        trust="repo",
        example='{ ".config/x" = "text" }',
        pattern=r"(?!.*(?:^|/)\.{0,2}(?:/|$))[^\0]+",
        expects="a path below HOME, without . or ..",
    )
    network: str | None = key(
        doc="network mode for this agent, where no flag says another",
        kind="choice",
        choices=NETWORKS,
        trust="narrower",
        example='"none"',
    )
    hosts: tuple[str, ...] = key(
        (),
        doc="network rules for what it cannot work without, allowed in mode filter",
        kind="strings",
        trust="trusted",
        example='["model.example.org:443"]',
    )


@frozen
class MountConfig:
    host: str = key(
        "",
        doc="path on this machine",
        kind="path",
        trust="repo-inside",
        flag="--volume",
        example='"data"',
    )
    container: str = key(
        "",
        doc="absolute path in the container",
        kind="string",
        trust="repo",
        example='"/data"',
        pattern=r"/.+",
        expects="an absolute path in the container",
    )
    mode: str = key("ro", doc="ro or rw", kind="choice", choices=("ro", "rw"), trust="repo")


@frozen
class WorkspaceConfig:
    path: str | None = key(
        doc="the directory the session works in",
        kind="path",
        trust="repo-inside",
        example='"."',
        default_words="the git top level, else the repo config's root, else the working directory",
    )
    target: str = key(
        "/workspace",
        doc="where it appears in the container",
        kind="string",
        trust="repo",
        pattern=r"/.+",
        expects="an absolute path in the container",
    )
    mode: str = key(
        "bind",
        doc="what the session works on: your tree, or one of its own",
        kind="choice",
        choices=MODES,
        trust="narrower",
        flag="--workspace",
    )
    git: str = key(
        "shadow",
        doc="in the bind modes: a .git of the session's own, yours read-only, or yours",
        kind="choice",
        choices=GITS,
        trust="narrower",
    )
    include: tuple[str, ...] = key(
        (),
        doc="ignored files that come along into a worktree, as in .gitignore; also .outriginclude",
        kind="strings",
        trust="repo",
        example='["node_modules/", ".env.test"]',
    )
    exclude: tuple[str, ...] = key(
        (),
        doc="files that no session sees, as in .gitignore",
        kind="strings",
        trust="adds",
        example='["secrets/", "*.pem"]',
    )
    protect: tuple[str, ...] = key(
        PROTECTED,
        doc="paths that are read-only in the session where they exist",
        kind="strings",
        trust="adds",
        pattern=r"(?!.*(?:^|/)\.{0,2}(?:/|$))[^\0]+",
        expects="an array of paths below the workspace, without . or ..",
    )
    checkpoint: float | None = key(
        doc="record the tree this often while the session runs",
        kind="duration",
        trust="repo",
        example='"5m"',
        default_words="at its start and end only",
        flag="--checkpoint",
    )
    mounts: tuple[MountConfig, ...] = given(
        default=(),
        metadata={
            "doc": "further mounts; all layers' entries concatenate",
            "shape": "list",
            "entry": MountConfig,
        },
    )


@frozen
class RunConfig:
    user: str = key(
        "caller",
        doc="caller, root, or UID[:GID]",
        kind="string",
        trust="trusted",
        flag="--user",
        pattern=r"caller|root|[0-9]{1,10}(:[0-9]{1,10})?",
        expects='"caller", "root" or "UID[:GID]"',
    )
    grace: float = key(
        10.0,
        doc="time between asking a session to end and killing it",
        kind="duration",
        trust="repo",
        zero=True,
    )
    detach_keys: str = key(
        "ctrl-p,ctrl-q",
        doc='let go of a session in a terminal without ending it; "" switches that off',
        kind="string",
        trust="repo",
        zero=True,
    )
    entrypoint: str | None = key(
        doc='replaces the image\'s ENTRYPOINT for commands; "" clears it',
        kind="string",
        trust="repo",
        example='""',
        default_words="the image's own",
        flag="--entrypoint",
        zero=True,
    )


@frozen
class LimitsConfig:
    memory: int | None = key(
        doc="memory, swap included",
        kind="size",
        trust="narrower",
        example='"4g"',
        default_words="80 % of the machine",
        flag="--memory",
    )
    cpus: float | None = key(
        doc="processors",
        kind="number",
        trust="narrower",
        example="2.0",
        default_words="all",
        flag="--cpus",
    )
    pids: int = key(
        512, doc="processes and threads", kind="integer", trust="narrower", flag="--pids"
    )
    wall: float | None = key(
        doc="wall-clock time (--timeout)",
        kind="duration",
        trust="narrower",
        example='"90m"',
        default_words="none",
        flag="--timeout",
    )
    idle: float | None = key(
        doc="time without output and without use of a processor (--idle-timeout)",
        kind="duration",
        trust="narrower",
        example='"15m"',
        default_words="none",
        flag="--idle-timeout",
    )
    log_bytes: int = key(
        1024**3, doc="bound of the engine's own log of a session", kind="size", trust="narrower"
    )
    open_files: int = key(
        65_536,
        doc="open files of a process; never more than the engine itself may have",
        kind="integer",
        trust="narrower",
    )
    core: int = key(
        0, doc="size of a core file; 0: none is written", kind="size", trust="narrower", zero=True
    )
    shm: int = key(256 * 1024**2, doc="shared memory, /dev/shm", kind="size", trust="narrower")
    disk: int | None = key(
        doc="by how much workspace and HOME may grow, looked at now and then",
        kind="size",
        trust="narrower",
        example='"10g"',
        default_words="none",
        flag="--disk",
    )
    model_requests: int | None = key(
        doc="requests to models through the broker",
        kind="integer",
        trust="narrower",
        example="200",
        default_words="none",
        flag="--model-requests",
    )
    model_tokens: int | None = key(
        doc="tokens of models through the broker, both ways, as their provider counts them",
        kind="integer",
        trust="narrower",
        example="2000000",
        default_words="none",
        flag="--model-tokens",
    )


@frozen
class SecurityConfig:
    read_only: bool = key(
        default=False,
        doc="the session writes nothing but its workspace, its HOME, /tmp and /run",
        kind="switch",
        trust="narrower",
        flag="--read-only",
    )
    capabilities: tuple[str, ...] = key(
        (),
        doc="capabilities of the kernel, beside those of --user root",
        kind="strings",
        trust="narrower",
        pattern=_CAPABILITY,
        expects='an array of capabilities such as "NET_RAW"; never ALL',
        example='["NET_RAW"]',
        default_words="none",
        flag="--cap-add",
    )
    seccomp: str | None = key(
        doc="a seccomp profile in docker's format",
        kind="path",
        trust="trusted",
        example='"~/.config/outrig/seccomp.json"',
        default_words="the engine's own",
    )


@frozen
class NetworkConfig:
    mode: str = key(
        "open",
        doc="what a session reaches; built-in agents have filter unless a flag says another",
        kind="choice",
        choices=NETWORKS,
        trust="narrower",
        flag="--network",
    )
    allow: tuple[str, ...] = key(
        (),
        doc="rules: HOST[:PORT], *.SUFFIX[:PORT], address, CIDR; @registries: of pip, npm, apt ...",
        kind="strings",
        trust="trusted",
        example='["git.example.org:443", "@registries"]',
        flag="--allow",
    )
    deny: tuple[str, ...] = key(
        (),
        doc="rules that win over those of allow",
        kind="strings",
        trust="adds",
        example='["*.tracker.example"]',
        flag="--deny",
    )
    egress: str | None = key(
        doc="the engine's network by which filter, audit and open lead out",
        kind="string",
        trust="global",
        example='"corporate"',
        default_words="its default bridge",
    )
    resolvers: tuple[str, ...] = key(
        (),
        doc="addresses that are asked for names there, in place of the machine's own",
        kind="strings",
        trust="global",
        pattern=r"[0-9a-fA-F.:]+",
        expects="an array of addresses",
        example='["192.0.2.53"]',
    )


@frozen
class SecretConfig:
    from_: str | None = key(
        doc="where the value is: env:NAME, file:PATH, command:ARGV or keyring:SERVICE/USER",
        kind="source",
        trust="trusted",
        example='"env:ANTHROPIC_API_KEY"',
        expects="env:NAME, file:PATH, command:ARGV or keyring:SERVICE/USER, never the value itself",
    )
    as_: str | None = key(
        doc="how a session gets it: the broker adds it on the way out; a file; a variable",
        kind="choice",
        choices=("broker", "file", "env"),
        trust="trusted",
        example='"broker"',
        default_words="broker where api, upstream or hosts say where to, else file",
    )
    agents: tuple[str, ...] = key(
        (),
        doc="only for sessions of these agents",
        kind="strings",
        trust="trusted",
        example='["claude"]',
        default_words="every session",
    )
    variable: str | None = key(
        doc="the variable that holds it (env), its path as VARIABLE_FILE (file), or a placeholder",
        kind="string",
        trust="trusted",
        example='"ANTHROPIC_API_KEY"',
        default_words="that of the api, else the name in capitals",
        pattern=VARIABLE_NAME,
        expects="a variable's name: letters, digits and _",
    )
    api: str | None = key(
        doc="broker: what is asked, for upstream, header, paths and variables",
        kind="choice",
        choices=("anthropic", "openai", "gemini"),
        trust="trusted",
        example='"anthropic"',
    )
    upstream: str | None = key(
        doc="broker: the one place that the key goes to",
        kind="string",
        trust="trusted",
        example='"https://api.example.org"',
        default_words="that of the api, else the first of hosts",
        pattern=r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[!-~]*)?",
        expects="https://HOST[:PORT][/PATH]",
    )
    hosts: tuple[str, ...] = key(
        (),
        doc="broker: the hosts that the key may go to; upstream must be one of them",
        kind="strings",
        trust="trusted",
        example='["api.example.org"]',
        default_words="that of upstream",
        pattern=r"[A-Za-z0-9.-]+",
        expects="an array of host names",
    )
    header: str | None = key(
        doc="broker: the header that carries it; {} is replaced",
        kind="string",
        trust="trusted",
        example='"Authorization: Bearer {}"',
        default_words="that of the api, else Authorization: Bearer {}",
        pattern=r"[A-Za-z0-9-]+: ([A-Za-z][A-Za-z0-9-]{0,15} )?\{\}",
        expects='"NAME: {}" or "NAME: WORD {}", never the value itself',
    )
    methods: tuple[str, ...] = key(
        ("GET", "POST"),
        doc="broker: what may be done",
        kind="strings",
        trust="trusted",
        pattern="[A-Z]{3,16}",
        expects="an array of methods in capitals",
    )
    paths: tuple[str, ...] = key(
        (),
        doc="broker: what the path of a request must begin with",
        kind="strings",
        trust="trusted",
        example='["/v1/"]',
        default_words="those of the api, else /",
        pattern=r"/[!-~]*",
        expects="an array of paths from /",
    )


@frozen
class GitConfig:
    author: str | None = key(
        doc="who commits what a session left uncommitted, merges and squashes",
        kind="string",
        trust="trusted",
        example='"Ada Lovelace"',
        default_words="GIT_AUTHOR_NAME, or user.name of your own git",
    )
    email: str | None = key(
        doc="the address of that author",
        kind="string",
        trust="trusted",
        example='"ada@example.org"',
        default_words="GIT_AUTHOR_EMAIL, or user.email of your own git",
    )
    sign: str = key(
        "never",
        doc="sign these commits as your own git is set up to: never or always",
        kind="choice",
        choices=("never", "always"),
        trust="trusted",
    )


@frozen
class SidecarConfig:
    image: str | None = key(
        doc="its image, pulled when it is missing",
        kind="string",
        trust="trusted",
        example='"postgres:17"',
    )
    command: tuple[str, ...] = key(
        (),
        doc="argv in place of the image's own",
        kind="argv",
        trust="trusted",
        example='["postgres", "-c", "fsync=off"]',
    )
    env: Mapping[str, str] = names(
        doc='environment: "value", or "${VAR}" of the host; whoever may use the engine can read it',
        kind="environment",
        trust="trusted",
        example='{ POSTGRES_HOST_AUTH_METHOD = "trust" }',
        pattern=VARIABLE_NAME,
        expects="a variable's name: letters, digits and _",
    )
    health: tuple[str, ...] = key(
        (),
        doc="argv that is run in it until it ends with 0; the session starts then",
        kind="argv",
        trust="trusted",
        example='["pg_isready", "-h", "127.0.0.1"]',
        default_words="healthy once it runs",
    )
    health_timeout: float = key(
        60.0, doc="no session when it takes longer", kind="duration", trust="trusted"
    )
    memory: int = key(1024**3, doc="memory, swap included", kind="size", trust="trusted")
    user: str | None = key(
        doc="UID[:GID]",
        kind="string",
        trust="trusted",
        example='"999:999"',
        default_words="the image's own",
        pattern=r"[0-9]{1,10}(:[0-9]{1,10})?",
        expects='"UID[:GID]"',
    )
    capabilities: tuple[str, ...] = key(
        (),
        doc="capabilities of the kernel; images that begin as root want CHOWN, SETUID, SETGID ...",
        kind="strings",
        trust="trusted",
        pattern=_CAPABILITY,
        expects='an array of capabilities such as "CHOWN"; never ALL',
        example='["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"]',
        default_words="none",
    )
    on_demand: bool = key(
        default=False,
        doc="only for sessions that ask for it with --sidecar NAME",
        kind="switch",
        trust="trusted",
    )


@frozen
class HooksConfig:
    planned: tuple[str, ...] = key(
        (),
        doc="argv to run on this machine when a session is planned; its record on stdin",
        kind="argv",
        trust="global",
        example='["logger", "planned"]',
    )
    running: tuple[str, ...] = key(
        (),
        doc="when it runs",
        kind="argv",
        trust="global",
        example='["logger", "running"]',
    )
    detached: tuple[str, ...] = key(
        (),
        doc="when its user let go of it",
        kind="argv",
        trust="global",
        example='["logger", "detached"]',
    )
    limit_hit: tuple[str, ...] = key(
        (),
        doc="when it hit a limit",
        kind="argv",
        trust="global",
        example='["logger", "limit"]',
    )
    ended: tuple[str, ...] = key(
        (),
        doc="when it has ended",
        kind="argv",
        trust="global",
        example='["notify-send", "a session has ended"]',
    )
    discarded: tuple[str, ...] = key(
        (),
        doc="when it was discarded",
        kind="argv",
        trust="global",
        example='["logger", "discarded"]',
    )
    timeout: float = key(30.0, doc="how long a hook may run", kind="duration", trust="global")


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
