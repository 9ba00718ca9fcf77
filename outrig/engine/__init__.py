"""Containers: the Engine protocol, and connect(), which finds the engine and speaks to it.

This is the only room that imports docker, and it does so late. The protocol speaks of runs and
not of docker, because it has several tenants: a docker daemon near or far, the fake in tests.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any, Protocol

    from outrig.core.engine import (
        Command,
        Container,
        Exit,
        Facts,
        Image,
        Locality,
        Measured,
        Mount,
        Network,
        Ref,
        Seen,
        Stream,
        Volume,
    )
    from outrig.core.transcript import Bookmark, Said
else:
    Protocol = object


class Output(Protocol):
    """The open line to one container: what it says, and its stdin. Never blocks.

    Made before the container starts, so that no first byte is lost.
    """

    def fileno(self) -> int:
        """A descriptor that polls readable when read() has something, writable for write()."""

    def read(self) -> Sequence[tuple[Stream, bytes]] | None:
        """Everything that has arrived, in order; empty when nothing has; None at the end.

        Raises EngineUnreachableError when the line broke instead of ending.
        """

    def write(self, data: memoryview) -> int:
        """Feed stdin; returns how many bytes were taken, 0 when it would block.

        Raises BrokenPipeError when the container no longer reads.
        """

    def end_input(self) -> None:
        """End-of-file on the container's stdin."""

    def close(self) -> None: ...


class Saying(Protocol):
    """The engine's own log of a container, from its beginning on, as it grows. Never blocks."""

    def fileno(self) -> int:
        """A descriptor that polls readable when read() has something."""

    def read(self) -> Iterator[Said]:
        """What has come. Raises EngineUnreachableError when the line broke instead of ending."""

    def over(self) -> bool:
        """Whether read() has told its end."""

    def close(self) -> None: ...


class Attached(Output, Protocol):
    """The line to the agent itself, which another process may go on with."""

    def handover(self) -> tuple[int, Mapping[str, str]]:
        """A descriptor and a state, for Engine.adopt() in another process.

        Raises EngineError when the line cannot leave this process.
        """

    @property
    def due(self) -> float | None:
        """When read() wants to be called even though nothing has arrived (time.monotonic)."""

    @property
    def doubts(self) -> Sequence[str]:
        """What is missing of what was said, or not known, in words; once it has ended."""


class Execution(Output, Protocol):
    """A command that runs beside the agent: its line, and what becomes of it.

    read() raises CommandNotFoundError (127), CommandNotExecutableError (126) or EngineError for a
    command that never ran.
    """

    def resize(self, rows: int, columns: int) -> None: ...

    def signal(self, number: int) -> bool:
        """Signal its process group; False where that cannot be done from here."""

    def exit_code(self) -> int:
        """Block until it has ended. 137, as of all that ends with its container."""


class Engine(Protocol):
    """A container engine. Every method raises EngineUnreachableError when it does not answer."""

    endpoint: str

    def facts(self) -> Facts: ...

    def locality(self) -> Locality:
        """Whether the daemon sees our files: a unix socket, and a nonce that we wrote."""

    def recall(self, subject: str) -> Any | None:
        """What was remembered of this very incarnation of the engine, or None."""

    def remember(self, subject: str, value: Any) -> None: ...

    # ------------------------------------------------------------------ a run
    def prepare(self, container: Container, env: Mapping[str, str]) -> Ref:
        """Create the container, attach to it and ask for its end; nothing runs yet."""

    def start(self, ref: Ref, meanwhile: Callable[[], None] | None = None) -> Attached:
        """Start what prepare() made; `meanwhile` runs while the engine is busy with it.

        Raises CommandNotFoundError (127), CommandNotExecutableError (126) or EngineError.
        """

    def mounted(self, ref: Ref) -> str | None:
        """The mountinfo of a container that runs; None once it has ended, or from afar."""

    def adopt(self, ref: Ref, descriptor: int, state: Mapping[str, str], *, tty: bool) -> Attached:
        """Go on with a line that Output.handover() gave away."""

    def rejoin(
        self,
        ref: Ref,
        *,
        tty: bool,
        kept: Mapping[Stream, int] | None,
        bookmark: Bookmark | None = None,
    ) -> Attached | None:
        """The output of a container that runs and whose listener died; None when it has ended.

        `kept` is how many bytes of each stream are known already; None: begin with what comes now.
        `bookmark` is from where on what it said need be asked for at all.
        """

    def wait(self, ref: Ref) -> Exit:
        """Block until it has ended, then say how.

        An engine that dies or restarts meanwhile is given 30 seconds to come back. Raises
        ContainerGoneError when the container vanished, EngineUnreachableError when the engine did.
        """

    def ended(self, ref: Ref, seconds: float) -> bool:
        """Whether wait() would return at once, asked for at most so many seconds."""

    def exit(self, ref: Ref) -> Exit | None:
        """How a container that nobody waited for has ended; None while it runs.

        One that was made and never started has `started` False. Raises ContainerGoneError.
        """

    def said(self, ref: Ref, *, tty: bool) -> Iterator[Said]:
        """Everything that it wrote so far, as the engine's own log remembers it."""

    def saying(self, ref: Ref, *, tty: bool) -> Saying:
        """The same, and what it writes from now on, as the engine's log grows."""

    def cpu_seconds(self, ref: Ref) -> float:
        """What it used of all processors until now; 0 for one that has ended."""

    def crowded(self, ref: Ref, *, ask: bool) -> str | None:
        """What shows that its limit on processes was reached; None when nothing does.

        `ask` False: only what can be seen without asking the engine. Of one that has ended only
        the kernel's log may still tell.
        """

    def measured(self, ref: Ref, *, ask: bool) -> Measured:
        """What it used until now, or until it was last looked at.

        `ask` False: only what can be seen without asking the engine.
        """

    def signal(self, ref: Ref, name: str) -> None:
        """Send a signal ("TERM"); a container that has ended already is no error."""

    def resize(self, ref: Ref, rows: int, columns: int) -> None: ...

    def pause(self, ref: Ref) -> None:
        """Let nothing in it run until unpause(); one that is paused already is no error."""

    def unpause(self, ref: Ref) -> None:
        """Let it go on; one that is not paused is no error."""

    def is_paused(self, ref: Ref) -> bool: ...

    def exec(self, ref: Ref, command: Command, env: Mapping[str, str]) -> Execution:
        """Start a command in a container that runs; `env` is added to the container's own."""

    def remove(self, ref: Ref) -> None:
        """Remove it, running or not, and see that it is gone; gone already is no error."""

    def seen(self, root: str) -> Sequence[Seen]:
        """Every labelled container that belongs to the session root with this root id."""

    # ------------------------------------------------------------------ volumes
    def make_volume(self, name: str, options: Mapping[str, str], labels: Mapping[str, str]) -> None:
        """A volume of the local driver; it is mounted when a container starts with it."""

    def remove_volume(self, name: str) -> None:
        """Gone already is no error. Raises EngineError while a container has it."""

    def volumes(self, root: str) -> Sequence[Volume]:
        """Every labelled volume that belongs to the session root with this root id."""

    # ------------------------------------------------------------------ networks
    def make_network(self, name: str, addresses: str, labels: Mapping[str, str]) -> str:
        """A network that leads nowhere, this machine included; its id.

        Raises AddressesTakenError for addresses of another one; NetworkError.
        """

    def join_network(self, network_: str, ref: Ref, address: str) -> None:
        """Give a container that was prepared a second leg."""

    def remove_network(self, network_: str) -> None:
        """Gone already is no error. Raises EngineError while a container is in it."""

    def networks(self, root: str) -> Sequence[Network]:
        """Every labelled network that belongs to the session root with this root id."""

    # ------------------------------------------------------------------ images
    def image(self, reference: str) -> Image | None:
        """What is known of a local image; None when it is not there. Never pulls."""

    def images(self) -> Sequence[Image]:
        """Every image whose tag begins with `outrig/`."""

    def remove_image(self, reference: str) -> None:
        """Take an image's tag, and with its last one the image; gone already is no error.

        Raises EngineError while a container is made of it.
        """

    def pull(self, reference: str, show: Callable[[str], None]) -> Image: ...

    def build(
        self,
        *,
        tag: str,
        context: Iterable[bytes],
        dockerfile: str,
        build_args: Mapping[str, str],
        no_cache: bool,
        show: Callable[[str], None],
    ) -> Image:
        """Build from a tar stream; the tag exists only if all of it succeeded."""

    def import_image(
        self, tag: str, archive: bytes | Iterable[bytes], changes: Sequence[str]
    ) -> Image:
        """An image of one layer from a tar stream; `changes` are Dockerfile instructions."""

    def read_files(self, image: Image, paths: Sequence[str]) -> Mapping[str, bytes | None]:
        """Small files of an image, without running anything of it; None for each that is absent.

        Remembered by the image's id: only the first session on an image pays for it.
        """

    def real_paths(self, image: Image, paths: Sequence[str]) -> Mapping[str, str]:
        """Where absolute paths lead in an image, its links followed. Remembered, too."""

    def host_image(self, host_paths: Sequence[str]) -> tuple[Image, Sequence[Mount]]:
        """The `host` image, made when absent, and the read-only mounts that fill it."""

    def close(self) -> None:
        """Let go of every connection; what runs on the engine goes on."""


def connect(
    engine: str | None,
    *,
    env: Mapping[str, str],
    home: Path,
    cache: Path,
    slots: Path,
    root: str = "",
) -> Engine:
    """Find the engine and open a line to it.

    `engine` is a URL or the name of a docker context; without it DOCKER_HOST, the current docker
    context, the usual sockets, rootless included. `cache` keeps what was learned about engines
    and images; `slots` is the host-wide directory of start/stop/remove slots; `root` is the id of
    the session root, which helper containers carry so that clean-up finds them.

    Raises EngineUnreachableError with the endpoints that were tried.
    """
    from outrig.engine.docker import DockerEngine  # noqa: PLC0415 - only when an engine is needed

    return DockerEngine.connect(engine, env=env, home=home, cache=cache, slots=slots, root=root)
