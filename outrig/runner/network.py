"""A session's way to the network is made ready, before its container is made.

| mode          | made on the engine                                                      |
|---------------|-------------------------------------------------------------------------|
| none, bridge  | nothing                                                                 |
| open          | a holder: a container whose network, with fewer ways out, the agent has |
| filter, audit | a gateway: a container whose network the agent has, without a way out   |

With sidecars (runner/sidecars.py) every mode but none has a network of the session's own.

All of it is noted in the record before it is made, and goes with the session's container. The
gateway is told what it is to do on its stdin, and says `ready` before the agent may start.
"""

from __future__ import annotations

import contextlib
import functools
import os

from outrig.core import naming, network
from outrig.core.engine import BRIDGED, UNLINKED, Link, Mount, Ref
from outrig.core.frozen import frozen, given
from outrig.core.session import with_fields, with_resource, without_resource
from outrig.core.sidecars import name_of
from outrig.errors import AddressesTakenError, NetworkError, OutrigError, StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from outrig.core.engine import Image
    from outrig.core.identity import Identity
    from outrig.core.network import Inner
    from outrig.core.redact import Redaction
    from outrig.core.session import Session
    from outrig.engine import Engine
    from outrig.runner.aside import Aside, MadeNetwork
    from outrig.runner.order import Order
    from outrig.store.creation import Held

KIND = "network"
GATEWAY, SIDECAR = "gateway", "sidecar"  # roles of containers
_DRAWS = 64
_LAST_WORDS_SECONDS = 5.0


@frozen
class Ready:
    """What the agent's container gets. `wait` blocks until the way is open, and raises why not."""

    link: Link
    mounts: tuple[Mount, ...] = ()
    environment: Mapping[str, str] = given(factory=dict)
    wait: Callable[[], None] = lambda: None
    broker: str | None = None  # its URL
    notices: tuple[str, ...] = ()
    legs: tuple[tuple[str, str], ...] = ()  # further networks, and the agent's address in each


def ready(
    order: Order,
    held: Held,
    who: Identity,
    engine: Engine,
    undo: contextlib.ExitStack,
    *,
    broker: Mapping[str, object] | None = None,
    images: Mapping[str, Image] = {},
    redaction: Redaction | None = None,
) -> Ready:
    """Make it; `undo` takes it back. Raises NetworkError, SidecarError or EngineError.

    `broker` is what the gateway is told of its broker, `images` are those of the sidecars.
    """
    making = Making(order, held, who, engine, undo, broker, images, redaction)
    match order.plan.network.mode:
        case "none":
            return Ready(link=UNLINKED)
        case "bridge" if not order.plan.sidecars:
            return Ready(link=BRIDGED)
        case "bridge":
            from outrig.runner import sidecars  # noqa: PLC0415 - each mode loads its own

            return sidecars.bridged(making)
        case "open":
            from outrig.runner import holder  # noqa: PLC0415

            return holder.ready(making)
        case _:
            from outrig.runner import gateway  # noqa: PLC0415

            return gateway.ready(making)


@frozen(kw_only=False)
class Making:
    """What is made for one session, each thing noted before and taken back by `undo`."""

    order: Order
    held: Held
    who: Identity
    engine: Engine
    undo: contextlib.ExitStack
    broker: Mapping[str, object] | None = None  # what it is told; with secrets, stored nowhere
    images: Mapping[str, Image] = given(factory=dict)  # of sidecars, by their names
    redaction: Redaction | None = None  # of what they say

    @property
    def outside(self) -> Link:
        """What leads out."""
        plan = self.order.plan.network
        return Link(kind="bridge", to=plan.egress or "", resolvers=plan.resolvers)

    def labels(self, attempt: str, role: str) -> Mapping[str, str]:
        session = self.held.session
        return naming.labels(
            session=session.id, root=session.text("root_id"), attempt=attempt, role=role
        )

    def network(self) -> MadeNetwork:
        """Begin to make the session's own network."""
        from outrig.runner.aside import MadeNetwork  # noqa: PLC0415 - many sessions have none

        attempt = os.urandom(8).hex()
        self._note(kind=KIND, role=GATEWAY, ref=None, attempt=attempt)
        self.undo.callback(self._remove_networks, attempt)
        labels = self.labels(attempt, GATEWAY)
        name = naming.container_name(self.held.id)
        return MadeNetwork(lambda: _make_network(self.engine, name, labels), self, attempt)

    def note_container(self, role: str) -> str:
        attempt = os.urandom(8).hex()
        self._note(kind="container", role=role, ref=None, attempt=attempt)
        return attempt

    def made_container(self, ref: Ref, role: str, attempt: str) -> None:
        self.undo.callback(self._remove_container, ref, attempt)
        self._note(kind="container", role=role, ref=ref.id, attempt=attempt)

    def _note(self, **resource: Any) -> None:
        self.held.update(lambda session: with_resource(session, **resource))

    def made_network(self, made: str, attempt: str) -> None:
        self._note(kind=KIND, role=GATEWAY, ref=made, attempt=attempt)

    def _remove_networks(self, attempt: str) -> None:
        with contextlib.suppress(OutrigError):
            remove_all(self.engine, self.held.session)
            self.held.update(lambda session: without_resource(session, attempt))

    def _remove_container(self, ref: Ref, attempt: str) -> None:
        with contextlib.suppress(OutrigError):
            self.engine.remove(ref)
            self.held.update(lambda session: without_resource(session, attempt))


def _make_network(engine: Engine, name: str, labels: Mapping[str, str]) -> tuple[str, Inner]:
    for _ in range(_DRAWS):
        inner = network.inner(int.from_bytes(os.urandom(2), "big"))
        with contextlib.suppress(AddressesTakenError):
            return engine.make_network(name, inner.range, labels), inner
    raise NetworkError(
        "the engine has no addresses left for a session's network",
        hint="outrig clean; then docker network ls",
    )


# ------------------------------------------------------------------ its end


def noted(session: Session) -> Iterator[tuple[str | None, str]]:
    """The id, if it is known, and the attempt of each network."""
    for item in session.resources:
        attempt, ref = item.get("attempt"), item.get("ref")
        if item.get("kind") == KIND and isinstance(attempt, str):
            yield ref if isinstance(ref, str) else None, attempt


def beside(session: Session) -> Iterator[tuple[str, str, str]]:
    """Id, role and attempt of each container but the agent's."""
    for item in session.resources:
        ref, role, attempt = item.get("ref"), item.get("role"), item.get("attempt")
        if item.get("kind") != "container" or role == "agent":
            continue
        if isinstance(ref, str) and isinstance(role, str) and isinstance(attempt, str):
            yield ref, role, attempt


class Leaving:
    """What was made for a session that we look after and that has ended, on its way out.

    Begun before the agent's container is removed, and over after it.
    """

    def __init__(self, engine: Engine, held: Held, redaction: Redaction | None = None) -> None:
        self._engine = engine
        self._held = held
        self._redaction = redaction
        self._lost: dict[str, str] = {}  # why a log is not kept, by attempt
        self._going = [
            (role, attempt, self._aside(container, role, attempt))
            for container, role, attempt in beside(held.session)
        ]

    def _aside(self, container: str, role: str, attempt: str) -> Aside[int | None]:
        from outrig.runner.aside import Aside  # noqa: PLC0415 - as above

        return Aside(functools.partial(self._end, container, role, attempt))

    def over(self) -> None:
        """What cannot be removed stays noted, for whoever comes next."""
        for role, attempt, going in self._going:
            with contextlib.suppress(OutrigError):
                early = going.wait()
                if early is not None and role == GATEWAY:
                    self._tell(early)
                if role == SIDECAR:
                    self._tell_of_sidecar(attempt, early)
                _forget(self._held, attempt)
        for _, attempt in list(noted(self._held.session)):
            with contextlib.suppress(OutrigError):
                remove_all(self._engine, self._held.session)
                _forget(self._held, attempt)

    def _end(self, container: str, role: str, attempt: str) -> int | None:
        """Remove it; with which code it had ended before, if it had. Most have last words."""
        ref = Ref(engine="docker", endpoint=self._engine.endpoint, id=container)
        ended = self._engine.exit(ref)
        if ended is None and role in (GATEWAY, SIDECAR):
            self._engine.signal(ref, "TERM")
            self._engine.ended(ref, _LAST_WORDS_SECONDS)
        if role == SIDECAR:
            self._keep_log(ref, attempt)
        self._engine.remove(ref)
        return ended.code if ended else None

    def _keep_log(self, ref: Ref, attempt: str) -> None:
        from outrig.runner import chronicle  # noqa: PLC0415 - few sessions have one

        name = name_of(self._held.session, attempt)
        if name is None:
            return
        try:
            chronicle.keep_log(self._engine, ref, self._held.directory, name, self._redaction)
        except StoreError as error:
            self._lost[attempt] = error.message

    def _tell_of_sidecar(self, attempt: str, early: int | None) -> None:
        """One that ended before its session, or whose words the disk refused."""
        from outrig.runner import sidecars  # noqa: PLC0415 - as above

        said = (
            {"failed": f"it ended with {early} before the session did"} if early is not None else {}
        )
        lost = {"log": self._lost[attempt]} if attempt in self._lost else {}
        name = name_of(self._held.session, attempt)
        if name is not None and (said or lost):
            self._held.update(lambda session: sidecars.with_said(session, name, **said, **lost))

    def _tell(self, code: int) -> None:
        """A gateway that ended before its session: from then on nothing went out."""
        said = self._held.session.fields.get("network")
        failed = f"the gateway ended with {code} before the session did"
        network_ = {**(said if isinstance(said, dict) else {}), "failed": failed}
        self._held.update(lambda session: with_fields(session, network=network_))


def remove_all(engine: Engine, session: Session) -> None:
    """Each network of a session, whether or not its record knows it. Raises EngineError."""
    for one in engine.networks(session.text("root_id")):
        if one.session == session.id:
            engine.remove_network(one.id)


def _forget(held: Held, attempt: str) -> None:
    held.update(lambda session: without_resource(session, attempt))
