"""RunPlan -> a started Session. The order is the promise:

1. What can be refused is refused, and the engine answers, before anything is on the disk.
2. The record exists before any slow or risky step, and we hold its attend lock.
3. Each thing on the engine is noted in the record before it is made; its undo is registered on
   the line after.
4. Whatever goes wrong from then on ends the record with its reason and removes what was made.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from outrig import __version__
from outrig.core import description, environment, identity, naming
from outrig.core.container import container_for
from outrig.core.ending import EXIT_OWN_FAILURE, Intent, interrupted_early, never_started
from outrig.core.session import (
    ended,
    preparing,
    running,
    with_fields,
    with_resource,
    without_resource,
)
from outrig.errors import EngineError, EngineUnreachableError, OutrigError
from outrig.runner import homes, image
from outrig.runner.cancel import CancelledError
from outrig.store import creation
from outrig.workspace.sources import resolve_mounts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from outrig.core.config import Config
    from outrig.core.ending import Ending
    from outrig.core.engine import Container, Mount, Ref
    from outrig.core.plan import RunPlan
    from outrig.core.session import Session
    from outrig.engine import Engine, Output
    from outrig.runner.cancel import Cancel
    from outrig.store.creation import Held
    from outrig.store.sessions import SessionStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A plan, and what stays beside it: values that are stored nowhere, and places."""

    plan: RunPlan
    config: Config
    values: Mapping[str, str]  # of the environment that was asked for
    host_env: Mapping[str, str]
    committer: Mapping[str, str]
    home: Path  # the caller's
    session_dir: Path | None
    effective_config: str  # TOML, secrets by name only


@dataclass(slots=True, kw_only=True)
class Launched:
    """A started session, to be followed to its end. `wall` and `grace` are seconds."""

    engine: Engine
    held: Held
    container: Container
    ref: Ref
    attempt: str
    output: Output
    started: datetime
    wall: float | None
    grace: float


def launch(
    order: Order,
    *,
    engine: Engine,
    store: SessionStore,
    cancel: Cancel,
    show: Callable[[str], None],
) -> Launched:
    """Start a session. `show` is told what happens, a line at a time.

    Raises the OutrigError that stopped it; the record, if there is one by then, says the same.
    """
    mounts = _real_mounts(order, engine)
    held = _record(order, store, mounts)
    with contextlib.ExitStack() as undo:
        undo.callback(held.close)
        try:
            run = _start(order, engine, held, mounts, undo, cancel, show)
        except OutrigError as error:
            reason = error.reason or "start-failed"
            _end(held, undo, never_started(reason, exit_code=error.run_exit_code))
            raise
        except CancelledError as stop:
            _end(held, undo, interrupted_early(Intent(kind="signal", signal=stop.number)))
            raise
        except BaseException:
            _end(held, undo, never_started("start-failed", exit_code=EXIT_OWN_FAILURE))
            raise
        undo.pop_all()
    return run


def _real_mounts(order: Order, engine: Engine) -> tuple[Mount, ...]:
    """Everything that can be refused without a record: paths, and an engine that is elsewhere."""
    plan = order.plan
    mounts = resolve_mounts(
        plan.mounts,
        root=Path(plan.workspace.root),
        target=plan.target,
        base=Path(plan.workspace.start),
        home=order.home,
    )
    locality = engine.locality()
    if not locality.local:
        raise EngineError(
            f"the engine at {engine.endpoint} cannot mount the workspace: {locality.why}",
            hint="use an engine on this machine: outrig doctor",
        )
    return mounts


def _record(order: Order, store: SessionStore, mounts: tuple[Mount, ...]) -> Held:
    now = datetime.now(UTC)

    def build(session_id: str, _directory: Path) -> Session:
        return description.first_record(
            order.plan,
            session_id=session_id,
            container_name=naming.container_name(session_id),
            at=now,
            version=__version__,
        )

    writable = [Path(mount.source) for mount in mounts if mount.writable]
    return creation.create(
        store,
        now=now,
        build=build,
        name=order.plan.name,
        session_dir=order.session_dir,
        writable=(Path(order.plan.workspace.root), *writable),
    )


def _start(
    order: Order,
    engine: Engine,
    held: Held,
    mounts: tuple[Mount, ...],
    undo: contextlib.ExitStack,
    cancel: Cancel,
    show: Callable[[str], None],
) -> Launched:
    """From `planned` to `running`."""
    plan = order.plan
    attempt = os.urandom(8).hex()
    held.update(lambda session: with_fields(preparing(session), engine=engine.endpoint))
    found = image.ready(engine, order, held.directory, cancel=cancel, show=show)
    facts = engine.facts()
    who = identity.decide(
        plan.user, caller=plan.caller, owner=plan.workspace.owner, rootless=facts.rootless
    )
    if who.notice:
        show(who.notice)
    container = container_for(
        plan,
        session=held.session,
        attempt=attempt,
        image=found.image,
        mounts=(*found.mounts, *homes.furnish(engine, found.image, who, plan, held), *mounts),
        user=who.user,
        memory=plan.memory or facts.memory * 8 // 10,
        keep_host_userns=facts.userns_remap,
    )
    env = environment.standard(
        who,
        image=found.image.environment,
        host=order.host_env,
        committer=order.committer,
        path=found.path,
    )
    cancel.check()
    held.update(lambda session: _noted(session, attempt, None))
    ref = _prepare(engine, container, {**env, **order.values}, held, attempt)
    undo.callback(_remove, engine, ref, held, attempt)
    held.update(
        lambda session: with_fields(
            _noted(session, attempt, ref),
            image_tag=found.image.reference,
            image_config_name=found.name,
            image_id=found.image.id,
            image_digest=found.image.digest,
            platform=facts.platform,
            engine=engine.endpoint,
            engine_version=facts.version,
        )
    )
    cancel.check()
    started = datetime.now(UTC)
    output = engine.start(ref, meanwhile=lambda: _keep_config(held.directory, order))
    undo.callback(output.close)
    held.update(running)
    return Launched(
        engine=engine,
        held=held,
        container=container,
        ref=ref,
        attempt=attempt,
        output=output,
        started=started,
        wall=plan.wall,
        grace=plan.grace,
    )


def _prepare(
    engine: Engine, container: Container, env: Mapping[str, str], held: Held, attempt: str
) -> Ref:
    """A refusal has made nothing, so the note goes; an engine that went away may have."""
    try:
        return engine.prepare(container, env)
    except EngineUnreachableError:
        raise
    except OutrigError:
        held.update(lambda session: without_resource(session, attempt))
        raise


def _remove(engine: Engine, ref: Ref, held: Held, attempt: str) -> None:
    engine.remove(ref)
    held.update(lambda session: without_resource(session, attempt))


def _noted(session: Session, attempt: str, ref: Ref | None) -> Session:
    return with_resource(
        session, kind="container", role="agent", ref=ref.id if ref else None, attempt=attempt
    )


def _keep_config(directory: Path, order: Order) -> None:
    path = directory / "config.toml"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(order.effective_config)


def _end(held: Held, undo: contextlib.ExitStack, ending: Ending) -> None:
    """The record says what happened, then everything that was made goes."""
    try:
        held.update(lambda session: ended(session, ending, at=datetime.now(UTC)))
    finally:
        undo.close()
