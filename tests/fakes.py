"""One fake Engine, for what a real one cannot be made to do: to die, to lie, to refuse on cue.

Its containers are scripts: what they say, how they end, and where the engine fails instead. It
keeps what it was told (`prepared`, `signals`, `removed`), so that a test can look at the order.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from outrig.core.engine import (
    Exit,
    Facts,
    Image,
    Locality,
    Measured,
    Mount,
    Network,
    Ref,
    Seen,
    Volume,
)
from outrig.core.frozen import replace
from outrig.core.moment import time_text
from outrig.core.naming import LABEL_ATTEMPT, LABEL_ROLE, LABEL_ROOT, LABEL_SESSION
from outrig.core.transcript import Bookmark, Said
from outrig.errors import ContainerGoneError, EngineError, EngineUnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from outrig.core.engine import Command, Container, Stream
    from outrig.errors import OutrigError

ENDPOINT = "unix:///fake.sock"
IMAGE = Image(reference="fake:1", id="sha256:fake", environment={"PATH": "/bin"})
FACTS = Facts(
    id="FAKE",
    version="20.10.24",
    api_version="1.41",
    os="linux",
    architecture="amd64",
    kernel="6.1",
    cpus=2,
    memory=8 * 1024**3,
    storage_driver="overlay2",
    root_directory="/var/lib/docker",
    cgroup_version="2",
    cgroup_driver="systemd",
    rootless=False,
    userns_remap=False,
    seccomp=True,
    swap_limit=True,
    runc_version="1.2.8",
)


class FakeSaying:
    """The engine's log of a container, which has what the script says until it is told more."""

    def __init__(self, script: Script) -> None:
        self._new = list(script.says)
        self._ready = os.eventfd(1)
        self._over = False
        self.closed = False

    def more(self, *says: tuple[Stream, bytes], over: bool = False) -> None:
        self._new += says
        self._over = over
        os.eventfd_write(self._ready, 1)

    def fileno(self) -> int:
        return self._ready

    def read(self) -> Iterator[Said]:
        os.eventfd_read(self._ready)
        new, self._new = self._new, []
        return (Said(at=None, stream=stream, data=data) for stream, data in new)

    def over(self) -> bool:
        return self._over

    def close(self) -> None:
        self.closed = True
        os.close(self._ready)


def exited(code: int = 0, *, oom: bool = False, engine_died: bool = False) -> Exit:
    return Exit(
        code=code,
        oom=oom,
        error="",
        started=True,
        finished_at="2026-05-01T13:44:12Z",
        engine_died=engine_died,
    )


@dataclass(kw_only=True)
class Script:
    """What one container does. An error in place of an answer is raised at that point."""

    says: Sequence[tuple[Stream, bytes]] = ()
    ends: Exit | OutrigError = field(default_factory=exited)
    line_breaks: bool = False  # after what it says, the line breaks instead of ending
    runs_until: str | None = None  # the signal that ends it; None: it ends by itself
    mounted: str | None = None  # its mountinfo
    # Each look at its processes takes one.
    crowd: list[str | OutrigError | None] = field(default_factory=list)
    refuses_create: OutrigError | None = None
    refuses_build: OutrigError | None = None
    refuses_start: OutrigError | None = None
    refuses_remove: OutrigError | None = None
    refuses_pause: OutrigError | None = None


class FakeOutput:
    """A line over which a script speaks; what is fed to it is kept in `heard`."""

    due: float | None = None
    doubts: Sequence[str] = ()

    def __init__(self, script: Script) -> None:
        self._script = script
        self._says = list(script.says)
        self._ours, self._engines = socket.socketpair()
        self.heard = bytearray()
        self.input_ended = False
        self.closed = False
        if self._says or script.runs_until is None:
            self._wake()

    def _wake(self) -> None:
        """Poll readable from now on: there is something to read, if only the end."""
        self._engines.send(b"!")

    def finish(self) -> None:
        self._script.runs_until = None
        self._wake()

    def fileno(self) -> int:
        return self._ours.fileno()

    def read(self) -> Sequence[tuple[Stream, bytes]] | None:
        said, self._says = self._says, []
        if said:
            if self._script.runs_until is not None:
                self._ours.recv(1)  # it goes on, and is silent
            return said
        if self._script.runs_until is not None:
            return []
        if self._script.line_breaks:
            self._script.line_breaks = False
            raise EngineUnreachableError("lost the line to the container")
        return None

    def write(self, data: memoryview) -> int:
        if self.input_ended:
            raise BrokenPipeError
        self.heard += data
        return len(data)

    def end_input(self) -> None:
        self.input_ended = True

    def close(self) -> None:
        self.closed = True
        self._ours.close()
        self._engines.close()

    def handover(self) -> tuple[int, Mapping[str, str]]:
        raise EngineError("the line to a fake engine cannot leave this process")


class FakeExecution(FakeOutput):
    """A command beside the agent; it plays a script too."""

    def __init__(self, script: Script, command: Command) -> None:
        super().__init__(script)
        self.command = command
        self.signals: list[int] = []
        self.sizes: list[tuple[int, int]] = []

    def resize(self, rows: int, columns: int) -> None:
        self.sizes.append((rows, columns))

    def signal(self, number: int) -> bool:
        self.signals.append(number)
        if self._script.runs_until == str(number):
            self.finish()
        return True

    def exit_code(self) -> int:
        assert isinstance(self._script.ends, Exit)
        return self._script.ends.code


@dataclass
class FakeContainer:
    container: Container
    env: Mapping[str, str]
    output: FakeOutput
    state: str = "created"


class FakeEngine:
    """Satisfies the Engine protocol; every container it makes plays the same script."""

    def __init__(
        self,
        script: Script | None = None,
        *,
        images: Sequence[Image] = (IMAGE,),
        facts: Facts = FACTS,
        local: bool = True,
    ) -> None:
        self.endpoint = ENDPOINT
        self.script = script or Script()
        self.scripts: dict[str, Script] = {}  # of the containers beside an agent, by their role
        self.containers: dict[str, FakeContainer] = {}
        self.prepared: list[Container] = []
        self.signals: list[str] = []
        self.removed: list[str] = []
        self.made_volumes: dict[str, Mapping[str, str]] = {}
        self.refuses_volumes: OutrigError | None = None
        self.made_networks: dict[str, Mapping[str, str]] = {}
        self.refuses_networks: list[OutrigError] = []
        self.known: dict[str, Any] = {}
        self.joined: list[tuple[str, str, str]] = []
        self.exec_script = Script()
        self.executed: list[tuple[FakeExecution, Mapping[str, str]]] = []
        self.built: list[tuple[str, Mapping[str, str]]] = []
        self.changes: Sequence[str] = ()
        self.files: dict[str, bytes] = {}
        self.links: dict[str, str] = {}  # of its images
        self.sayings: list[FakeSaying] = []
        self._images = {image.reference: image for image in images}
        self._facts = facts
        self._local = local

    def facts(self) -> Facts:
        return self._facts

    def locality(self) -> Locality:
        return Locality(local=self._local, why="a fake says so")

    def close(self) -> None:
        for made in self.containers.values():
            made.output.close()

    def recall(self, subject: str) -> Any | None:
        return self.known.get(subject)

    def remember(self, subject: str, value: Any) -> None:
        self.known[subject] = value

    # ------------------------------------------------------------------ a run
    def prepare(self, container: Container, env: Mapping[str, str]) -> Ref:
        role = container.name.rpartition("-")[2]
        script = self.scripts.get(role, self.script)
        if script.refuses_create:
            raise script.refuses_create
        ref = Ref(engine="fake", endpoint=ENDPOINT, id=os.urandom(8).hex())
        self.prepared.append(container)
        output = FakeOutput(script)
        self.containers[ref.id] = FakeContainer(container, dict(env), output)
        return ref

    def start(self, ref: Ref, meanwhile: Callable[[], None] | None = None) -> FakeOutput:
        if meanwhile:
            meanwhile()
        if self.script.refuses_start:
            raise self.script.refuses_start
        made = self._found(ref)
        made.state = "running"
        return made.output

    def mounted(self, ref: Ref) -> str | None:
        self._found(ref)
        return self.script.mounted

    def adopt(
        self, ref: Ref, descriptor: int, state: Mapping[str, str], *, tty: bool
    ) -> FakeOutput:
        return self._found(ref).output

    def rejoin(
        self,
        ref: Ref,
        *,
        tty: bool,
        kept: Mapping[Stream, int] | None,
        bookmark: Bookmark | None = None,
    ) -> FakeOutput | None:
        return self._found(ref).output

    def wait(self, ref: Ref) -> Exit:
        made = self._found(ref)
        if not isinstance(self.script.ends, Exit):
            raise self.script.ends
        made.state = "exited"
        return self._ended(self.script.ends)

    def exit(self, ref: Ref) -> Exit | None:
        made = self._found(ref)
        if made.state in ("running", "paused"):
            return None
        if not isinstance(self.script.ends, Exit):
            raise self.script.ends
        return self._ended(self.script.ends)

    def _ended(self, ends: Exit) -> Exit:
        """One that was told to end has ended just now."""
        return replace(ends, finished_at=time_text(datetime.now(UTC))) if self.signals else ends

    def said(self, ref: Ref, *, tty: bool) -> Iterator[Said]:
        self._found(ref)
        return (Said(at=None, stream=stream, data=data) for stream, data in self.script.says)

    def saying(self, ref: Ref, *, tty: bool) -> FakeSaying:
        self._found(ref)
        self.sayings.append(FakeSaying(self.script))
        return self.sayings[-1]

    def ended(self, ref: Ref, seconds: float) -> bool:
        return self._found(ref).state != "running" or self.script.runs_until is None

    def cpu_seconds(self, ref: Ref) -> float:
        return 0.0

    def measured(self, ref: Ref, *, ask: bool) -> Measured:
        return Measured(memory=30 << 20, cpu_seconds=1.5)

    def crowded(self, ref: Ref, *, ask: bool) -> str | None:
        crowd = self.script.crowd
        found = crowd.pop(0) if crowd else None
        if isinstance(found, Exception):
            raise found
        return found

    def signal(self, ref: Ref, name: str) -> None:
        self.signals.append(name)
        made = self.containers.get(ref.id)
        if made and name in (self.script.runs_until, "KILL"):
            made.output.finish()

    def resize(self, ref: Ref, rows: int, columns: int) -> None:
        self.signals.append(f"resize {rows} {columns}")

    def pause(self, ref: Ref) -> None:
        if self.script.refuses_pause:
            raise self.script.refuses_pause
        self._found(ref).state = "paused"

    def unpause(self, ref: Ref) -> None:
        self._found(ref).state = "running"

    def is_paused(self, ref: Ref) -> bool:
        return self._found(ref).state == "paused"

    def exec(self, ref: Ref, command: Command, env: Mapping[str, str]) -> FakeExecution:
        self._found(ref)
        made = FakeExecution(self.exec_script, command)
        self.executed.append((made, dict(env)))
        return made

    def remove(self, ref: Ref) -> None:
        if self.script.refuses_remove:
            raise self.script.refuses_remove
        made = self.containers.pop(ref.id, None)
        if made:
            made.output.close()
            self.removed.append(ref.id)

    def seen(self, root: str) -> Sequence[Seen]:
        return [
            Seen(
                ref=Ref(engine="fake", endpoint=ENDPOINT, id=identity),
                name=made.container.name,
                session=made.container.labels.get(LABEL_SESSION, ""),
                root=root,
                attempt=made.container.labels.get(LABEL_ATTEMPT, ""),
                role=made.container.labels.get(LABEL_ROLE, ""),
                state=made.state,
            )
            for identity, made in self.containers.items()
            if made.container.labels.get(LABEL_ROOT) == root
        ]

    def _found(self, ref: Ref) -> FakeContainer:
        if ref.id not in self.containers:
            raise ContainerGoneError(f"the container {ref.id} does not exist (any more)")
        return self.containers[ref.id]

    # ------------------------------------------------------------------ volumes
    def make_volume(self, name: str, options: Mapping[str, str], labels: Mapping[str, str]) -> None:
        if self.refuses_volumes:
            raise self.refuses_volumes
        self.made_volumes[name] = {**options, **labels}

    def remove_volume(self, name: str) -> None:
        self.made_volumes.pop(name, None)

    def volumes(self, root: str) -> Sequence[Volume]:
        mine = self.made_volumes.items()
        return [
            Volume(name=name, session=labels[LABEL_SESSION])
            for name, labels in mine
            if labels[LABEL_ROOT] == root
        ]

    # ------------------------------------------------------------------ networks
    def make_network(self, name: str, addresses: str, labels: Mapping[str, str]) -> str:
        if self.refuses_networks:
            raise self.refuses_networks.pop(0)
        made = f"network-{len(self.made_networks)}-{addresses}"
        self.made_networks[made] = {"name": name, **labels}
        return made

    def join_network(self, network_: str, ref: Ref, address: str) -> None:
        self.joined.append((network_, ref.id, address))

    def remove_network(self, network_: str) -> None:
        self.made_networks.pop(network_, None)

    def networks(self, root: str) -> Sequence[Network]:
        return [
            Network(id=made, name=said["name"], session=said[LABEL_SESSION])
            for made, said in self.made_networks.items()
            if said[LABEL_ROOT] == root
        ]

    # ------------------------------------------------------------------ images
    def image(self, reference: str) -> Image | None:
        return self._images.get(reference)

    def images(self) -> Sequence[Image]:
        return list(self._images.values())

    def remove_image(self, reference: str) -> None:
        self._images.pop(reference, None)

    def pull(self, reference: str, show: Callable[[str], None]) -> Image:
        show(f"pulled {reference}")
        return self._made(reference)

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
        if self.script.refuses_build:
            raise self.script.refuses_build
        assert b"".join(context)
        self.built.append((tag, build_args))
        show(f"built {tag} of {dockerfile}")
        return self._made(tag)

    def import_image(
        self, tag: str, archive: bytes | Iterable[bytes], changes: Sequence[str]
    ) -> Image:
        assert archive if isinstance(archive, bytes) else b"".join(archive)
        self.changes = changes
        return self._made(tag)

    def read_files(self, image: Image, paths: Sequence[str]) -> Mapping[str, bytes | None]:
        return {path: self.files.get(path) for path in paths}

    def real_paths(self, image: Image, paths: Sequence[str]) -> Mapping[str, str]:
        return {path: self.links.get(path, path) for path in paths}

    def host_image(self, host_paths: Sequence[str]) -> tuple[Image, Sequence[Mount]]:
        return IMAGE, [Mount(source="/usr", target="/usr")]

    def _made(self, reference: str) -> Image:
        image = Image(reference=reference, id=f"sha256:{reference}", environment={})
        self._images[reference] = image
        return image
