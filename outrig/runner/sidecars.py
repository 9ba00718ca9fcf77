"""Sidecars of a session: made in a network of its own, healthy before it starts, gone after it.

| mode          | whom they meet there            | how the agent knows them | what they reach     |
|---------------|---------------------------------|--------------------------|---------------------|
| filter, audit | the agent, the gateway          | the gateway answers      | what the agent does |
| open          | the holder, whose network it is | /etc/hosts               | the session         |
| bridge        | the agent, as a second network  | /etc/hosts               | the session         |

They are as contained as the agent is: each one's network is held for it (runner/holder.py), so that
nothing gets past that to this machine; no capability but those of `[sidecars.NAME]`, no new
privileges, limits, nothing of this machine mounted. runner/chronicle.py writes what they say.
"""

from __future__ import annotations

import contextlib
import select
import threading
import time
from typing import TYPE_CHECKING

from outrig.core import sidecars
from outrig.core.engine import Command, Container, Link, Ref
from outrig.core.frozen import frozen
from outrig.core.plan import HOST_IMAGE
from outrig.core.security import Security
from outrig.core.session import with_fields
from outrig.errors import (
    ContainerGoneError,
    EngineError,
    EngineUnreachableError,
    ImageMissingError,
    OutrigError,
    SidecarError,
)
from outrig.runner import holder, image
from outrig.runner.aside import Aside
from outrig.runner.chronicle import Chronicle, keep_log
from outrig.runner.network import SIDECAR, Ready

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from outrig.core.engine import Image
    from outrig.core.network import Inner
    from outrig.core.session import Session
    from outrig.core.sidecars import Sidecar
    from outrig.engine import Engine
    from outrig.runner.cancel import Cancel
    from outrig.runner.network import Making
    from outrig.runner.order import Order

_LOG_BYTES = 16 * 1024**2  # the last ones are kept
_PIDS = 1024
_PAUSE, _LONGEST_PAUSE = 0.05, 1.0  # between two looks at its health
_LAST_WORDS = 2048
_UNENDING = "its health command does not end"
_NO_COMMAND = "No command specified"  # docker's words, for an image without one
_ACCEPTED = (
    "a configured or built-in name (outrig images), one that the engine has, or a registry's"
)


# ------------------------------------------------------------------ the start


def images(
    engine: Engine,
    order: Order,
    directory: Path,
    *,
    cancel: Cancel,
    show: Callable[[str], None],
    quiet: Callable[[str], str],
) -> Mapping[str, Image]:
    """The image of each: an entry of [images], else one that the engine has, else pulled.

    `directory` and `quiet` as for the session's own. Raises SidecarError, or what making it raises.
    """
    found = {}
    for one in order.plan.sidecars:
        show(f"sidecar {one.name}: {one.image}")
        with cancel.interruptible():
            if one.image == HOST_IMAGE:
                raise SidecarError(
                    f"sidecar {one.name}: the image {HOST_IMAGE} is this machine's own system, and "
                    "a sidecar has nothing of this machine",
                    hint=f"--sidecar {one.name}=IMAGE: {_ACCEPTED}",
                )
            if one.image in order.config.images:
                made = image.configured(engine, order, one.image, directory, show, quiet=quiet)
                found[one.name] = made
            else:
                found[one.name] = engine.image(one.image) or _pulled(engine, one, show)
    return found


def _pulled(engine: Engine, one: Sidecar, show: Callable[[str], None]) -> Image:
    show(f"pulling {one.image}")
    try:
        return engine.pull(one.image, show)
    except ImageMissingError as error:
        raise ImageMissingError(
            f"sidecar {one.name}: {error.message}", hint=f"it may be {_ACCEPTED}"
        ) from error


def bridged(making: Making) -> Ready:
    """For a session on the engine's own bridge: one more network, which leads nowhere else."""
    network, inner = making.network().there()
    started = begin(making, network, inner)
    return Ready(
        link=Link(kind="bridge", hosts=sidecars.hosts(making.order.plan.sidecars, inner)),
        legs=((network, inner.agent),),
        wait=started.wait,
    )


def begin(making: Making, network: str, inner: Inner, after: Aside[None] | None = None) -> Starting:
    """Make them all, and begin to start them once `after` is over."""
    hosts = sidecars.hosts(making.order.plan.sidecars, inner)
    starting = Starting(making, after)
    for one in making.order.plan.sidecars:
        own = Link(
            kind="inner",
            to=network,
            address=hosts[one.name],
            resolvers=(inner.gateway,),  # else the engine's own asks this machine's
            hosts={name: address for name, address in hosts.items() if name != one.name},
        )
        filters = holder.inner(inner.range)
        link, holding = holder.hold(making, own, filters, role=f"{one.name}-{holder.ROLE}")
        _tell(making, one.name, address=own.address)
        starting.add(one, _made(making, one, link), holding)
    return starting


def _made(making: Making, one: Sidecar, link: Link) -> Ref:
    attempt = making.note_container(SIDECAR)
    _tell(making, one.name, attempt=attempt)
    container = Container(
        name=sidecars.container_name(making.held.session.text("container_name"), one.name),
        labels=making.labels(attempt, SIDECAR),
        image=making.images[one.name].id,
        entrypoint=None,
        command=one.command,
        user=one.user or "",
        working_dir="",
        mounts=(),
        network=link,
        memory=one.memory,
        cpus=None,
        pids=_PIDS,
        log_bytes=_LOG_BYTES,
        tty=False,
        stdin=False,
        security=Security(capabilities=one.capabilities),
    )
    try:
        ref = making.engine.prepare(container, making.order.beside[one.name])
    except EngineUnreachableError:
        raise
    except OutrigError as error:
        _tell(making, one.name, failed=error.message)
        hint = f"command = [...] in [sidecars.{one.name}]" if _NO_COMMAND in error.message else None
        raise SidecarError(f"sidecar {one.name}: {error.message}", hint=hint) from error
    making.made_container(ref, SIDECAR, attempt)
    making.undo.callback(_keep, making, ref, one.name)
    return ref


def _keep(making: Making, ref: Ref, name: str) -> None:
    """Of a session that did not start: what its sidecars said tells why."""
    with contextlib.suppress(OutrigError):
        keep_log(making.engine, ref, making.held.directory, name, making.redaction)


def _tell(making: Making, name: str, **said: object) -> None:
    making.held.update(lambda session: with_said(session, name, **said))


@frozen
class _One:
    sidecar: Sidecar
    ref: Ref
    aside: Aside[None]


class Starting:
    """Sidecars that are being started, each in a thread of its own."""

    def __init__(self, making: Making, after: Aside[None] | None) -> None:
        self._making = making
        self._after = after
        self._given_up = threading.Event()
        self._chronicle = Chronicle(making.engine, making.held.directory, making.redaction)
        self._all: list[_One] = []

    def add(self, sidecar: Sidecar, ref: Ref, holding: Aside[None]) -> None:
        aside = Aside(lambda: self._start(sidecar, ref, holding))
        self._all.append(_One(sidecar=sidecar, ref=ref, aside=aside))
        self._making.undo.callback(self._give_up, aside)

    def wait(self) -> None:
        """Until all are healthy. Raises SidecarError for the first that fails, or its engine's."""
        for one in self._all:
            one.aside.over()
        self._chronicle.close()  # whoever follows the session has one of its own
        for step in (self._refuse_failed, self._refuse_ended_since):  # each looks at all of them
            for one in self._all:
                try:
                    step(one)
                except SidecarError as error:
                    _tell(self._making, one.sidecar.name, failed=error.message)
                    raise

    @staticmethod
    def _refuse_failed(one: _One) -> None:
        one.aside.wait()

    def _refuse_ended_since(self, one: _One) -> None:
        self._refuse_ended(one.sidecar, one.ref)

    def _give_up(self, aside: Aside[None]) -> None:
        self._given_up.set()
        aside.over()
        self._chronicle.close()

    def _start(self, one: Sidecar, ref: Ref, holding: Aside[None]) -> None:
        try:
            holding.wait()
            if self._after is not None:
                self._after.over()
            self._until_healthy(one, ref)
        except BaseException:  # whatever it was: none of the others is needed any more
            self._given_up.set()
            raise

    def _until_healthy(self, one: Sidecar, ref: Ref) -> None:
        engine = self._making.engine
        if self._given_up.is_set():
            return
        try:
            engine.start(ref).close()  # what it says is read from the engine's log
            self._chronicle.add(ref, one.name)
        except EngineUnreachableError:
            raise
        except OutrigError as error:
            raise SidecarError(f"sidecar {one.name}: {error.message}") from error
        deadline, pause = time.monotonic() + one.health_timeout, _PAUSE
        said = _UNENDING
        while not self._given_up.is_set():
            self._refuse_ended(one, ref)
            why = _complaint(engine, one, ref, deadline) if one.health else None
            if why is None:
                return
            if why != _UNENDING:  # one that the deadline cut short says less than one before it
                said = why
            if time.monotonic() + pause > deadline:
                raise SidecarError(
                    f"sidecar {one.name} is not healthy after {one.health_timeout:g} s: {said}",
                    hint=f"[sidecars.{one.name}] health-timeout, or health",
                )
            self._given_up.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _refuse_ended(self, one: Sidecar, ref: Ref) -> None:
        ended = self._making.engine.exit(ref)
        if ended is not None:
            said: dict[str, list[bytes]] = {"stderr": [], "stdout": []}
            for piece in self._making.engine.said(ref, tty=False):
                said.setdefault(piece.stream, []).append(piece.data)
            words = next(filter(None, map(_last_line, said.values())), "")
            raise SidecarError(
                f"sidecar {one.name} ended with {ended.code}: {words or 'without a word'}",
                hint=f"a user or capabilities in [sidecars.{one.name}] may be what it lacks",
            )


def _complaint(engine: Engine, one: Sidecar, ref: Ref, deadline: float) -> str | None:
    """Why it is not healthy yet; None when it is. Raises SidecarError for no command at all."""
    said: list[bytes] = []
    try:
        with contextlib.closing(engine.exec(ref, Command(argv=one.health), {})) as execution:
            poll = select.poll()
            poll.register(execution.fileno(), select.POLLIN)
            while (left := deadline - time.monotonic()) > 0:
                chunks = execution.read() if poll.poll(left * 1000) else ()
                if chunks is None:
                    code = execution.exit_code()
                    return None if code == 0 else f"{code} {_last_line(said)}".strip()
                said = [*said, *(data for _, data in chunks)][-_LAST_WORDS:]
    except EngineUnreachableError:
        raise
    except ContainerGoneError:
        return "it has ended"
    except EngineError as error:
        return error.message
    except OutrigError as error:
        raise SidecarError(f"sidecar {one.name}: its health command: {error.message}") from error
    return _UNENDING


def _last_line(said: Iterable[bytes]) -> str:
    words = b""
    for data in said:
        words = (words + data)[-_LAST_WORDS:]
    lines = words.decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else ""


# ------------------------------------------------------------------ the end


def with_said(session: Session, name: str, **said: object) -> Session:
    """Say more of one in the record."""
    known = sidecars.noted(session)
    return with_fields(
        session, **{sidecars.FIELD: {**known, name: {**known.get(name, {}), **said}}}
    )
