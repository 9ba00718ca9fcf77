"""The keys of what stands beside a session: [secrets.N], [sidecars.N] and [hooks].

None of them is a repository's to set unless its config was approved; hooks never are.
"""

from __future__ import annotations

from outrig.core.field import CAPABILITY, VARIABLE_NAME, key, names
from outrig.core.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# A host name, a file's name among the logs, and no container's or log's that a session has anyway.
SIDECAR_NAME = (
    "(?!(stdout|stderr|terminal|build|gateway|holder|helper|localhost|outrig-broker|.*-holder)$)"
    "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
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
class SidecarConfig:
    image: str | None = key(
        doc="its image: a name of [images], or a reference, pulled when it is missing",
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
        pattern=CAPABILITY,
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
