"""DockerEngine: the Engine protocol, spoken to a docker daemon (or what talks like one).

A run is five requests: create, attach and wait before start so that no byte and no end is
missed, start, and remove when it is over. What belongs to one noun stands in that noun's module.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import ExitStack, closing, contextmanager, suppress

from outrig.core.ending import KILLED
from outrig.core.engine import Ref
from outrig.core.frozen import frozen, replace
from outrig.core.naming import LABEL_ROOT
from outrig.engine import (
    archive,
    container,
    endpoint,
    facts,
    host,
    images,
    learned,
    locality,
    network,
    volumes,
)
from outrig.engine.counts import Counts
from outrig.engine.failure import CONFLICT, gone, refusal
from outrig.engine.output import AttachedOutput
from outrig.engine.slots import slot
from outrig.engine.watch import Watch, look
from outrig.engine.wire import Wire
from outrig.errors import ContainerGoneError, EngineError, EngineUnreachableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

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
        Seen,
        Stream,
        Volume,
    )
    from outrig.core.transcript import Bookmark, Said
    from outrig.engine import Attached, Execution
    from outrig.engine.line import Head, Line
    from outrig.engine.rejoin import Growing

KERNEL_SECONDS = 0.1  # until the kernel has said all about a cgroup that is gone
START_SECONDS = 120.0  # an engine under load; 0.2 s when it is not
REMOVE_SECONDS = 120.0  # a large layer on a slow disk
BUSY_SECONDS = 30.0  # for a file system that is busy, or somebody else who is removing it
PAUSE_SECONDS = 0.05


@frozen
class Prepared:
    """The two open connections of a container that was created and has not ended."""

    output: Attached
    watch: Watch
    size: tuple[int, int] | None  # of its terminal, where the engine does not know it yet


class DockerEngine:
    def __init__(
        self, wire: Wire, *, cache: Path, slot_directory: Path, home: Path, root: str
    ) -> None:
        self.endpoint = wire.endpoint.url
        self._wire = wire
        self._cache = cache
        self._slots = slot_directory
        self._home = home
        self._root = root
        self._prepared: dict[str, Prepared] = {}
        self._of_host: str | None = None  # the image that this machine's own /usr is put into
        self._counts: dict[str, Counts] = {}

    @classmethod
    def connect(
        cls,
        engine: str | None,
        *,
        env: Mapping[str, str],
        home: Path,
        cache: Path,
        slots: Path,
        root: str = "",
    ) -> DockerEngine:
        wire = Wire(endpoint.find(engine, env=env, home=home))
        return cls(wire, cache=cache, slot_directory=slots, home=home, root=root)

    def close(self) -> None:
        for container_id in {*self._prepared, *self._counts}:
            self._forget(container_id)
        self._wire.close()

    def facts(self) -> Facts:
        return facts.facts(self._wire, self._cache)

    def locality(self) -> Locality:
        known = locality.known(self._wire, self._cache)
        if known:
            return known
        image = self._empty_image(host.survey()[0])
        return locality.probe(self._wire, self._cache, image.id, labels=self._helper())

    def recall(self, subject: str) -> Any | None:
        about = f"{subject} {self.endpoint}"
        return learned.recall(self._cache, about, facts.incarnation(self._wire))

    def remember(self, subject: str, value: Any) -> None:
        about = f"{subject} {self.endpoint}"
        learned.remember(self._cache, about, facts.incarnation(self._wire), value)

    # ------------------------------------------------------------------ a run
    def prepare(self, container_: Container, env: Mapping[str, str]) -> Ref:
        self._check_input(container_)
        made = container.body(
            container_,
            env,
            facts=self.facts(),
            api=self._wire.api,
            has_stty=container_.image == self._of_host and host.has_stty(),
        )
        query = {"name": container_.name}
        answer = self._wire.call("POST", "/containers/create", query=query, body=made)
        if not answer.fine:
            raise refusal(answer, "create the container")
        ref = Ref(engine="docker", endpoint=self.endpoint, id=str(answer.json()["Id"]))
        try:
            output = self._attached(ref, tty=container_.tty, stdin=container_.stdin)
            try:
                watch = Watch(self._wire, ref.id, "next-exit")
            except BaseException:  # a Ctrl-C, too: nobody else could close it
                output.close()
                raise
        except BaseException:  # the same of the container
            self.remove(ref)
            raise
        size = container_.size if self._wire.api < container.SIZE_AT_CREATE else None
        self._prepared[ref.id] = Prepared(output=output, watch=watch, size=size)
        return ref

    def _check_input(self, container_: Container) -> None:
        if self._wire.endpoint.tls and container_.stdin and not container_.tty:
            # Python's ssl cannot close one direction and keep the other.
            raise EngineError(
                "an engine over TLS cannot be told where a piped stdin ends",
                hint="--no-stdin, or reach the engine by a unix socket (ssh -L forwards one)",
            )

    def _attached(self, ref: Ref, *, tty: bool, stdin: bool) -> AttachedOutput:
        query: dict[str, str | bytes | tuple[str, ...]]
        query = {"stream": "1", "stdout": "1", "stderr": "1"}
        if stdin:
            query |= {"stdin": "1", "detachKeys": container.NO_DETACH_KEYS}
        path = f"/containers/{ref.id}/attach"
        headers = {"Connection": "Upgrade", "Upgrade": "tcp"}
        line, _ = self._wire.ask(
            "POST", path, query=query, headers=headers, doing="attach to the container"
        )
        return AttachedOutput(line.socket, first=line.taken(), tty=tty, where=self.endpoint)

    def start(self, ref: Ref, meanwhile: Callable[[], None] | None = None) -> Attached:
        path = f"/containers/{ref.id}/start"
        counts = self._counting(ref)
        counts.listen()
        with slot(self._slots):
            answer = self._wire.call(
                "POST",
                path,
                seconds=START_SECONDS,
                meanwhile=meanwhile,
                until=lambda: counts.opened,
            )
        if not answer.fine:
            raise refusal(answer, "start the container")
        prepared = self._prepared[ref.id]
        if prepared.size:
            with suppress(EngineUnreachableError):  # it was started; wait() finds what became of it
                self.resize(ref, *prepared.size)
        return prepared.output

    def mounted(self, ref: Ref) -> str | None:
        try:
            with self._watching(ref) as watch:
                pid = watch.state().get("Pid")
        except ContainerGoneError:
            return None
        if not pid:
            return None
        try:
            descriptor = os.open(f"/proc/{pid}/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # it has ended, or belongs to an engine in another pid namespace
            return None
        with os.fdopen(descriptor, encoding="utf-8", errors="surrogateescape") as file:
            return file.read() or None

    def adopt(
        self, ref: Ref, descriptor: int, state: Mapping[str, str], *, tty: bool
    ) -> AttachedOutput:
        return AttachedOutput.adopt(descriptor, state, tty=tty, where=ref.endpoint)

    def wait(self, ref: Ref) -> Exit:
        counts = self._counting(ref)
        counts.killed()  # first: its cgroup does not wait
        with self._watching(ref) as watch:
            found = watch.wait()
        unsaid = found.code == KILLED and not found.oom
        return replace(found, killed_for_memory=counts.killed(KERNEL_SECONDS if unsaid else 0))

    def ended(self, ref: Ref, seconds: float) -> bool:
        with self._watching(ref) as watch:
            return watch.ready(seconds)

    def exit(self, ref: Ref) -> Exit | None:
        return look(self._wire, ref.id)

    def said(self, ref: Ref, *, tty: bool) -> Iterator[Said]:
        from outrig.engine.logs import output  # noqa: PLC0415 - no run needs it

        return output(self._wire, ref, tty=tty)

    def saying(self, ref: Ref, *, tty: bool) -> Growing:
        from outrig.engine import rejoin  # noqa: PLC0415 - no run needs it

        return rejoin.Growing(*self._log(ref, {"follow": "1"}), tty=tty)

    def _log(self, ref: Ref, query: Mapping[str, str]) -> tuple[Line, Head]:
        from outrig.engine import logs  # noqa: PLC0415 - as above

        path, whole = f"/containers/{ref.id}/logs", {**logs.QUERY, **query}
        return self._wire.ask("GET", path, query=whole, doing=logs.DOING)

    def rejoin(
        self,
        ref: Ref,
        *,
        tty: bool,
        kept: Mapping[Stream, int] | None,
        bookmark: Bookmark | None = None,
    ) -> Attached | None:
        from outrig.engine import logs, rejoin  # noqa: PLC0415 - no run needs it

        with ExitStack() as undo:
            watch = Watch(self._wire, ref.id, "not-running")
            undo.callback(watch.close)
            attached = self._attached(ref, tty=tty, stdin=tty)
            undo.callback(attached.close)
            since = {"since": logs.since(bookmark)} if bookmark else {}
            line, head = self._log(ref, {"follow": "1", **(since if kept else {"tail": "0"})})
            undo.callback(line.close)
            if self.exit(ref) is not None:  # a line to one that has ended would never end
                return None
            undo.pop_all()
        streams: tuple[Stream, ...] = ("terminal",) if tty else ("stdout", "stderr")
        before = bookmark.before if bookmark and kept else None
        output = rejoin.Rejoined(
            attached,
            rejoin.Growing(line, head, tty=tty),
            {stream: rejoin.Seam(_of(kept, stream), _of(before, stream)) for stream in streams},
            remembered=(lambda: self.said(ref, tty=tty)) if kept else None,
        )
        self._prepared[ref.id] = Prepared(output=output, watch=watch, size=None)
        return output

    @contextmanager
    def _watching(self, ref: Ref) -> Iterator[Watch]:
        """The watch that prepare() opened, or, for anybody else's container, one for now."""
        if prepared := self._prepared.get(ref.id):
            yield prepared.watch
            return
        with closing(Watch(self._wire, ref.id, "not-running")) as watch:
            yield watch

    def cpu_seconds(self, ref: Ref) -> float:
        return self._counting(ref).cpu_seconds()

    def measured(self, ref: Ref, *, ask: bool) -> Measured:
        return self._counting(ref).measured(ask=ask)

    def crowded(self, ref: Ref, *, ask: bool) -> str | None:
        return self._counting(ref).crowded(ask=ask)

    def _counting(self, ref: Ref) -> Counts:
        if ref.id not in self._counts:
            self._counts[ref.id] = Counts(self._wire, ref.id)
        return self._counts[ref.id]

    def signal(self, ref: Ref, name: str) -> None:
        answer = self._wire.call("POST", f"/containers/{ref.id}/kill", query={"signal": name})
        if not answer.fine and not gone(answer) and answer.status != CONFLICT:
            raise refusal(answer, f"send {name} to the container")

    def resize(self, ref: Ref, rows: int, columns: int) -> None:
        query = {"h": str(rows), "w": str(columns)}
        answer = self._wire.call("POST", f"/containers/{ref.id}/resize", query=query)
        if not answer.fine and not gone(answer) and answer.status != CONFLICT:
            raise refusal(answer, "change the size of the terminal")

    def pause(self, ref: Ref) -> None:
        answer = self._wire.call("POST", f"/containers/{ref.id}/pause")
        if not answer.fine and not self.is_paused(ref):
            raise refusal(answer, "pause the container")

    def unpause(self, ref: Ref) -> None:
        answer = self._wire.call("POST", f"/containers/{ref.id}/unpause")
        if not answer.fine and (gone(answer) or self.is_paused(ref)):
            raise refusal(answer, "unpause the container")

    def is_paused(self, ref: Ref) -> bool:
        answer = self._wire.call("GET", f"/containers/{ref.id}/json")
        return answer.fine and answer.json()["State"].get("Status") == "paused"

    def exec(self, ref: Ref, command: Command, env: Mapping[str, str]) -> Execution:
        from outrig.engine.exec import execute  # noqa: PLC0415 - no run needs it

        return execute(self._wire, ref, command, env)

    def remove(self, ref: Ref) -> None:
        self._forget(ref.id)
        deadline = time.monotonic() + BUSY_SECONDS
        query = {"force": "1", "v": "1"}
        while True:
            with slot(self._slots):
                answer = self._wire.call(
                    "DELETE", f"/containers/{ref.id}", query=query, seconds=REMOVE_SECONDS
                )
            if answer.fine or gone(answer):  # it answers once it has forgotten it
                return
            # 409: somebody else is removing it. 500: its filesystem is busy for a moment.
            if time.monotonic() > deadline:
                raise refusal(answer, "remove the container")
            time.sleep(PAUSE_SECONDS)

    def _forget(self, container_id: str) -> None:
        if prepared := self._prepared.pop(container_id, None):
            prepared.output.close()
            prepared.watch.close()
        if counts := self._counts.pop(container_id, None):
            counts.close()

    def seen(self, root: str) -> Sequence[Seen]:
        filters = json.dumps({"label": [f"{LABEL_ROOT}={root}"]})
        query = {"all": "1", "filters": filters}
        answer = self._wire.call("GET", "/containers/json", query=query)
        if not answer.fine:
            raise refusal(answer, "list its containers")
        return [container.read_seen(one, endpoint=self.endpoint) for one in answer.json()]

    # ------------------------------------------------------------------ volumes
    def make_volume(self, name: str, options: Mapping[str, str], labels: Mapping[str, str]) -> None:
        volumes.make(self._wire, name, options, labels)

    def remove_volume(self, name: str) -> None:
        volumes.remove(self._wire, name)

    def volumes(self, root: str) -> Sequence[Volume]:
        return volumes.listed(self._wire, root)

    # ------------------------------------------------------------------ networks
    def make_network(self, name: str, addresses: str, labels: Mapping[str, str]) -> str:
        return network.make(self._wire, name, addresses, labels)

    def join_network(self, network_: str, ref: Ref, address: str) -> None:
        network.join(self._wire, network_, ref, address)

    def remove_network(self, network_: str) -> None:
        network.remove(self._wire, network_)

    def networks(self, root: str) -> Sequence[Network]:
        return network.listed(self._wire, root)

    # ------------------------------------------------------------------ images
    def image(self, reference: str) -> Image | None:
        return images.inspect(self._wire, reference)

    def images(self) -> Sequence[Image]:
        return images.ours(self._wire)

    def remove_image(self, reference: str) -> None:
        images.remove(self._wire, reference)

    def pull(self, reference: str, show: Callable[[str], None]) -> Image:
        from outrig.engine.pull import pull  # noqa: PLC0415 - no run on a ready image needs it

        return pull(self._wire, reference, show)

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
        from outrig.engine.build import build  # noqa: PLC0415 - no run on a ready image needs it

        return build(
            self._wire,
            tag=tag,
            context=context,
            dockerfile=dockerfile,
            build_args=build_args,
            no_cache=no_cache,
            show=show,
        )

    def import_image(
        self, tag: str, archive_: bytes | Iterable[bytes], changes: Sequence[str]
    ) -> Image:
        return images.import_image(self._wire, tag, archive_, changes)

    def read_files(self, image: Image, paths: Sequence[str]) -> Mapping[str, bytes | None]:
        labels = self._helper()
        return archive.read_files(self._wire, self._cache, image, paths, labels=labels)

    def real_paths(self, image: Image, paths: Sequence[str]) -> Mapping[str, str]:
        labels = self._helper()
        return archive.real_paths(self._wire, self._cache, image, paths, labels=labels)

    def host_image(self, host_paths: Sequence[str]) -> tuple[Image, Sequence[Mount]]:
        where = self.locality()
        if not where.local:
            raise EngineError(
                f"the host image needs an engine on this machine: {where.why}",
                hint="--image NAME, with an image that the engine has",
            )
        layout, mounts = host.survey()
        image = self._empty_image(layout)
        self._of_host = image.id
        return image, [*mounts, *host.path_mounts(host_paths, home=self._home)]

    def _empty_image(self, layout: host.Layout) -> Image:
        tag = host.tag(layout, self._cache)
        found = images.inspect(self._wire, tag)
        return found or images.import_image(self._wire, tag, host.archive(layout), host.CHANGES)

    def _helper(self) -> Mapping[str, str]:
        return archive.helper_labels(root=self._root, attempt=os.urandom(8).hex())


def _of(sizes: Mapping[Stream, int] | None, stream: Stream) -> int:
    return (sizes or {}).get(stream, 0)
