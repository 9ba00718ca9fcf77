"""What an engine is told and what it says, in words that fit any engine."""

from __future__ import annotations

from outrig.core.frozen import frozen, given
from outrig.core.security import Security

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    Stream = Literal["stdout", "stderr", "terminal"]
    Role = Literal["agent", "gateway", "sidecar", "helper"]


@frozen
class Ref:
    """Where one container is: kept in the record, enough to find it again."""

    engine: str  # "docker"
    endpoint: str  # "unix:///var/run/docker.sock"
    id: str


@frozen
class Facts:
    """What an engine says of itself. Sizes in bytes."""

    id: str
    version: str
    api_version: str
    os: str
    architecture: str
    kernel: str
    cpus: int
    memory: int
    storage_driver: str
    root_directory: str
    cgroup_version: str
    cgroup_driver: str
    rootless: bool
    userns_remap: bool
    seccomp: bool
    swap_limit: bool
    runc_version: str
    open_files: int | None = None  # hard limit of the daemon's own process, where it can be told
    warnings: tuple[str, ...] = ()

    @property
    def platform(self) -> str:
        return f"{self.os}/{self.architecture}"


@frozen
class Locality:
    """Whether the engine sees this machine's files, and why not."""

    local: bool
    why: str


@frozen
class Image:
    """An image that is present on the engine. `entrypoint` and `command` are its own."""

    reference: str
    id: str
    digest: str | None = None
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""
    environment: Mapping[str, str]
    working_dir: str = ""
    size: int = 0  # bytes
    created: str = ""
    tags: tuple[str, ...] = ()


@frozen
class Mount:
    """A bind mount with a resolved source. A missing source is an error, never created.

    `volume`: the source is the name of a volume that was made for the session.
    """

    source: str
    target: str
    writable: bool = False
    volume: bool = False


@frozen
class Volume:
    """A labelled volume on the engine."""

    name: str
    session: str


@frozen
class Network:
    """A labelled network on the engine."""

    id: str
    name: str
    session: str


@frozen
class Link:
    """How a container meets the network.

    | kind   | what it has                                                        |
    |--------|--------------------------------------------------------------------|
    | none   | loopback                                                           |
    | bridge | the network `to` of the engine, or its default one                 |
    | inner  | the session's own network `to`, at `address`                       |
    | joined | the network of the container `to`, which must run by the start     |

    `resolvers` are asked for names in place of the machine's; `hosts` are the addresses of names
    that nobody is asked for, and whoever joins the container's network has them too.
    """

    kind: Literal["none", "bridge", "inner", "joined"]
    to: str = ""
    address: str = ""
    resolvers: tuple[str, ...] = ()
    hosts: Mapping[str, str] = given(factory=dict)


UNLINKED = Link(kind="none")
BRIDGED = Link(kind="bridge")


@frozen
class Container:
    """Everything an engine needs to make one container, but the values of its environment."""

    name: str
    labels: Mapping[str, str]
    image: str  # an image id
    entrypoint: tuple[str, ...] | None  # None: the image's own; (): none
    command: tuple[str, ...]
    user: str  # "UID:GID"
    working_dir: str
    mounts: tuple[Mount, ...]
    network: Link
    memory: int | None  # bytes, swap included
    cpus: float | None
    pids: int
    log_bytes: int
    tty: bool
    stdin: bool  # an open stdin that is ours to feed; else /dev/null
    size: tuple[int, int] | None = None  # rows, columns of a tty
    security: Security = Security()
    seccomp: str | None = None  # the profile's text; None: the engine's own
    keep_host_userns: bool = False  # on an engine with userns-remap the workspace needs it
    sysctls: Mapping[str, str] = given(factory=dict)
    init: bool = True


@frozen
class Command:
    """A command to run beside the agent, in its container; what is empty is as the agent's."""

    argv: tuple[str, ...]
    user: str = ""  # "UID:GID"
    working_dir: str = ""
    tty: bool = False
    stdin: bool = False
    size: tuple[int, int] | None = None  # rows, columns of a tty


@frozen
class Measured:
    """What a container used, as far as it is known: bytes at most, bytes through its network."""

    memory: int | None = None
    cpu_seconds: float | None = None
    received: int | None = None
    sent: int | None = None


@frozen
class Exit:
    """How a container ended, read after it did."""

    code: int
    oom: bool
    error: str
    started: bool
    finished_at: str
    engine_died: bool = False
    killed_for_memory: bool = False  # a process, as the kernel says, where that can be seen


@frozen
class Seen:
    """One labelled object on the engine, with its role: not only the agent's container."""

    ref: Ref
    name: str
    session: str
    root: str
    attempt: str
    role: str
    state: str  # created, running, paused, exited, dead ...
    created: float = 0.0  # seconds since 1970

    @property
    def alive(self) -> bool:
        return self.state in ("running", "paused", "restarting")
