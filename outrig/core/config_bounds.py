"""The keys of what a session may: [limits], [security] and [network].

Nearly all of them a repository may only tighten.
"""

from __future__ import annotations

from outrig.core.field import CAPABILITY, key
from outrig.core.frozen import frozen

# The tightest first; core/network.py says what they mean.
NETWORKS = ("none", "filter", "audit", "open", "bridge")


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
        pattern=CAPABILITY,
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
