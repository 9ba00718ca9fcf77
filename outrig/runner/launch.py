"""RunPlan -> a started Session. The order of its steps is the promise.

1. What can be refused is refused, and the engine answers, before anything is on the disk.
2. The record exists before any slow or risky step, and we hold its attend lock.
3. Each thing on the engine is noted in the record before it is made; its undo is registered on
   the line after.
4. Whatever goes wrong from then on ends the record with its reason and removes what was made.
"""

from __future__ import annotations

import contextlib
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outrig import __version__
from outrig.core import cascade, description, environment, identity, naming, security
from outrig.core.container import container_for, memory_limit
from outrig.core.ending import EXIT_OWN_FAILURE, Intent, interrupted_early, never_started
from outrig.core.frozen import frozen
from outrig.core.moment import time_text
from outrig.core.session import (
    ended,
    preparing,
    running,
    with_fields,
    with_resource,
    with_workspace,
    without_resource,
)
from outrig.errors import EngineError, EngineUnreachableError, OutrigError, StoreError
from outrig.record.log import Recorder
from outrig.runner import (
    homes,
    image,
    issue,
    mounted,
    network,
    refusals,
    secrets,
    snapshot,
    tamper,
    workspace,
)
from outrig.runner.cancel import CancelledError
from outrig.runner.launched import Launched
from outrig.store import creation, file, intents, places, toml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from outrig.core.ending import Ending
    from outrig.core.engine import Container, Facts, Image, Ref
    from outrig.core.identity import Identity
    from outrig.core.session import Session
    from outrig.engine import Attached, Engine
    from outrig.runner.cancel import Cancel
    from outrig.runner.image import Ready
    from outrig.runner.order import Order
    from outrig.runner.secrets import Handed, Values
    from outrig.runner.snapshot import Taking
    from outrig.runner.tamper import Beginning
    from outrig.store.creation import Held
    from outrig.store.sessions import SessionStore


def launch(
    order: Order,
    *,
    engine: Engine,
    store: SessionStore,
    session_dir: Path | None,
    cancel: Cancel,
    show: Callable[[str], None],
) -> Launched:
    """Start a session. `show` is told what happens, a line at a time.

    Raises the OutrigError that stopped it, or CancelledError; the record, if there is one by
    then, says the same.
    """
    refusals.check(order, engine, session_dir)
    known = secrets.values(order)
    issue.settle_rivals(order.plan.alone, store, engine)
    with contextlib.ExitStack() as undo, _earlier(order):
        held = _record(order, known, store, session_dir)
        undo.callback(held.close)
        try:
            attempt = os.urandom(8).hex()
            quiet = _without_values(show, known)
            run = _Start(order, known, engine, held, undo, cancel, quiet, attempt).go()
        except OutrigError as error:
            error.message = known.text(error.message)
            error.hint = known.text(error.hint) if error.hint else None
            reason = error.reason or "start-failed"
            _end(order, known, held, undo, never_started(reason, exit_code=error.run_exit_code))
            error.record = held.session.fields
            raise
        except CancelledError as stop:
            asked = intents.read(held.directory) or Intent(kind="signal", signal=stop.number)
            _end(order, known, held, undo, interrupted_early(asked))
            stop.record = held.session.fields
            raise
        except BaseException:  # a Ctrl-C or a bug of ours: the record ends all the same
            _end(
                order, known, held, undo, never_started("start-failed", exit_code=EXIT_OWN_FAILURE)
            )
            raise
        undo.pop_all()
    return run


def _earlier(order: Order) -> contextlib.AbstractContextManager[None]:
    """The session that this one goes on with is nobody else's meanwhile."""
    if order.resumed is None:
        return contextlib.nullcontext()
    from outrig.runner import resume  # noqa: PLC0415 - few sessions go on

    return resume.reserved(order)


def _without_values(show: Callable[[str], None], known: Values) -> Callable[[str], None]:
    return show if known.redaction is None else lambda line: show(known.text(line))


def _record(order: Order, known: Values, store: SessionStore, session_dir: Path | None) -> Held:
    now = datetime.now(UTC)

    def build(session_id: str, _directory: Path) -> Session:
        first = description.first_record(
            order.plan,
            session_id=session_id,
            container_name=naming.container_name(session_id),
            at=now,
            version=__version__,
        )
        return known.cleaned(first)

    writable = [Path(mount.source) for mount in order.mounts if mount.writable]
    return creation.create(
        store,
        now=now,
        build=build,
        name=order.plan.name,
        session_dir=session_dir,
        writable=(Path(order.plan.workspace.root), *writable),
        alone=order.plan.alone,
    )


def _end(
    order: Order, known: Values, held: Held, undo: contextlib.ExitStack, ending: Ending
) -> None:
    """The record says what happened, then everything that was made goes.

    What failed first is what the user must hear of; a record that cannot be written says that it
    never ran, and the next command finishes it.
    """
    with contextlib.suppress(StoreError):
        held.update(lambda session: ended(session, ending, at=datetime.now(UTC)))
        if not (held.directory / places.CONFIG).exists():
            _keep_config(held, order, known)
    undo.close()


def _keep_config(held: Held, order: Order, known: Values) -> None:
    text = known.text(toml.text(cascade.as_table(order.config)))
    path = f"{held.directory}/{places.CONFIG}"
    try:
        file.replace(path, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from error


def _deadline(wall: float | None) -> str | None:
    """For whoever comes next, should nobody be there who would keep the limit."""
    return None if wall is None else time_text(datetime.now(UTC) + timedelta(seconds=wall))


@frozen
class _Around:
    """What is there before the container is made."""

    found: Ready
    facts: Facts
    who: Identity
    reach: network.Ready
    tree: workspace.Ready
    taking: Taking
    looking: Beginning
    handed: Handed


@frozen(kw_only=False)
class _Start:
    """From `planned` to `running`; what each step makes, `undo` takes back."""

    order: Order
    known: Values
    engine: Engine
    held: Held
    undo: contextlib.ExitStack
    cancel: Cancel
    show: Callable[[str], None]
    attempt: str

    def go(self) -> Launched:
        around = self._surroundings()
        self.cancel.check()
        ref, container = self._made(around)
        self.cancel.check()
        recorder = self._recorder(container)
        with self.cancel.interruptible():  # a sidecar takes its time
            around.reach.wait()
        # from here on the session can write
        said = {**around.taking.outcome(), **around.looking.outcome()}
        output = self._started(ref)
        self.undo.callback(output.close)
        mounted.check(self.engine, ref, container, self.held.directory)
        return self._running(ref, container, recorder, output, said)

    def _surroundings(self) -> _Around:
        """Image, network, workspace, secrets: all that the container will have about it."""
        self.held.update(
            lambda session: with_fields(preparing(session), engine=self.engine.endpoint)
        )
        found = image.ready(
            self.engine,
            self.order,
            self.held.directory,
            cancel=self.cancel,
            show=self.show,
            quiet=self.known.text,
        )
        facts = self.engine.facts()
        who = self._who(facts)
        reach = network.ready(
            self.order,
            self.held,
            who,
            self.engine,
            self.undo,
            broker=secrets.of_broker(self.order, self.known),
            images=self._images_beside(),
            redaction=self.known.redaction,
        )
        for notice in reach.notices:
            self.show(notice)
        self._adopt()
        tree = self._workspace(who)
        taking, looking = self._snapshot(tree)
        handed = secrets.hand_out(
            self.order, self.known, self.held, who, self.undo, broker=reach.broker
        )
        return _Around(
            found=found,
            facts=facts,
            who=who,
            reach=reach,
            tree=tree,
            taking=taking,
            looking=looking,
            handed=handed,
        )

    def _made(self, around: _Around) -> tuple[Ref, Container]:
        """The container, on its networks, and in the record as it was made."""
        found, who, tree, reach = around.found, around.who, around.tree, around.reach
        container = self._container(found, around.facts, who, tree, reach, handed=around.handed)
        asked = (self.order.plan.target, *(mount.target for mount in self.order.mounts))
        mounted.foresee(container.mounts, asked)
        self.cancel.check()
        env = {
            **self._environment(found, who, tree),
            **reach.environment,
            **around.handed.environment,
        }
        ref = self._prepare(container, env)
        for leg, address in reach.legs:
            self.engine.join_network(leg, ref, address)
        self._note(ref, container, found, around.facts, home=who.home)
        return ref, container

    def _running(
        self,
        ref: Ref,
        container: Container,
        recorder: Recorder,
        output: Attached,
        said: Mapping[str, Any],
    ) -> Launched:
        control = places.runtime(self.order.host_env)
        with contextlib.suppress(StoreError):  # it runs, whatever the disk says: all that it says
            # is kept in files that are open, and whoever comes next calls it running
            self.held.update(
                lambda session: with_workspace(
                    with_fields(running(session), control_dir=str(control)), **said
                )
            )
        plan = self.order.plan
        return Launched(
            engine=self.engine,
            held=self.held,
            ref=ref,
            attempt=self.attempt,
            tty=container.tty,
            stdin=container.stdin,
            output=output,
            recorder=recorder,
            begun=time.monotonic(),
            wall=plan.wall,
            idle=plan.idle,
            grace=plan.grace,
            control=control,
            redacting=self.known.redacting(),
        )

    def _images_beside(self) -> Mapping[str, Image]:
        if not self.order.plan.sidecars:
            return {}
        from outrig.runner import sidecars  # noqa: PLC0415 - few sessions have one

        return sidecars.images(
            self.engine,
            self.order,
            self.held.directory,
            cancel=self.cancel,
            show=self.show,
            quiet=self.known.text,
        )

    def _adopt(self) -> None:
        if self.order.resumed is not None:
            from outrig.runner import resume  # noqa: PLC0415 - as above

            _keep_config(self.held, self.order, self.known)  # whoever goes on after a kill needs it
            resume.adopt(self.order, self.held, self.undo)

    def _snapshot(self, made: workspace.Ready) -> tuple[Taking, Beginning]:
        """Of the tree as it is now: what is asked of the engine meanwhile hides what it costs."""
        own_tree = made.fields.get("tree")
        taking = snapshot.begin(self.order, self.held.directory, own_tree)
        self.undo.callback(taking.outcome)
        looking = tamper.Beginning(self.order, self.held.directory, own_tree)
        self.undo.callback(looking.outcome)
        return taking, looking

    def _started(self, ref: Ref) -> Attached:
        try:
            return self.engine.start(ref, meanwhile=self._meanwhile)
        except EngineError as error:
            raise workspace.unmountable(error, self.order) from error

    def _who(self, facts: Facts) -> Identity:
        plan = self.order.plan
        who = identity.decide(
            plan.user, caller=plan.caller, owner=plan.workspace.owner, rootless=facts.rootless
        )
        memory = memory_limit(plan, facts.memory)
        there = security.risks_there(memory, machine=facts.memory, seccomp=facts.seccomp)
        for notice in (*([who.notice] if who.notice else ()), *there):
            self.show(notice)
        return who

    def _workspace(self, who: Identity) -> workspace.Ready:
        made = workspace.ready(self.order, self.held, who, self.engine, self.undo)
        for notice in made.notices:
            self.show(notice)
        if made.fields:
            self.held.update(workspace.noted(made.fields))
        return made

    def _container(
        self,
        found: Ready,
        facts: Facts,
        who: Identity,
        tree: workspace.Ready,
        reach: network.Ready,
        *,
        handed: Handed,
    ) -> Container:
        plan = self.order.plan
        own = homes.furnish(
            self.engine,
            found.image,
            who,
            plan,
            self.held,
            mounts=self.order.mounts,
            instead=secrets.instead(self.order, reach.broker),
        )
        return container_for(
            plan,
            session=self.held.session,
            attempt=self.attempt,
            image=found.image,
            mounts=(
                *found.mounts,
                *own,
                *tree.mounts,
                *reach.mounts,
                *handed.mounts,
                *self.order.mounts,
            ),
            user=who.user,
            machine_memory=facts.memory,
            keep_host_userns=facts.userns_remap,
            seccomp=self.order.seccomp,
            link=reach.link,
            script=handed.script,
        )

    def _environment(self, found: Ready, who: Identity, tree: workspace.Ready) -> dict[str, str]:
        standard = environment.standard(
            who,
            image=found.image.environment,
            host=self.order.host_env,
            committer=self.order.committer,
            path=found.path,
        )
        return {**standard, **tree.environment, **self.order.values}

    def _prepare(self, container: Container, env: Mapping[str, str]) -> Ref:
        """Noted, made, its undo registered. A refusal has made nothing, so the note goes."""
        self.held.update(lambda session: self._noted(session, None))
        try:
            ref = self.engine.prepare(container, env)
        except EngineUnreachableError:
            raise
        except OutrigError:
            self.held.update(lambda session: without_resource(session, self.attempt))
            raise
        self.undo.callback(self._remove, ref)
        return ref

    def _remove(self, ref: Ref) -> None:
        """What stays is noted, for whoever comes next; what went wrong before is what is told."""
        with contextlib.suppress(EngineError, EngineUnreachableError, StoreError):
            self.engine.remove(ref)
            self.held.update(lambda session: without_resource(session, self.attempt))

    def _note(
        self, ref: Ref, container: Container, found: Ready, facts: Facts, *, home: str
    ) -> None:
        """What was decided at launch takes the place of what was asked for."""
        self.held.update(
            lambda session: with_fields(
                self._noted(session, ref),
                image_tag=found.image.reference,
                image_config_name=found.name,
                image_id=found.image.id,
                image_digest=found.image.digest,
                user=container.user,
                home=home,
                limits={
                    **session.fields["limits"],
                    "memory": container.memory,
                    "cpus": container.cpus or facts.cpus,
                },
                security=security.as_table(container.security, filtered=facts.seccomp),
                platform=facts.platform,
                engine_version=facts.version,
                deadline=_deadline(self.order.plan.wall),
                disk_at_start=self._disk(session),
                stdin_open=self.order.plan.stdin == "pipe" or None,  # until all of it was fed
            )
        )

    def _disk(self, session: Session) -> int | None:
        """What is there before it starts, if somebody shall see how much it grows."""
        if self.order.plan.disk is None:
            return None
        from outrig.runner import growth  # noqa: PLC0415 - few sessions have that limit

        return growth.measured(self.held.directory, session)

    def _noted(self, session: Session, ref: Ref | None) -> Session:
        container = ref.id if ref else None
        return with_resource(
            session, kind="container", role="agent", ref=container, attempt=self.attempt
        )

    def _recorder(self, container: Container) -> Recorder:
        """Open before the start: a disk that refuses is found out while nothing runs yet."""
        recorder = Recorder(
            self.held.directory,
            tty=container.tty,
            started=datetime.now(UTC),
            most=container.log_bytes,
        )
        self.undo.callback(recorder.close)
        if container.size:
            recorder.resize(*container.size)
        return recorder

    def _meanwhile(self) -> None:
        """What can wait until the engine is busy starting, which takes it 200 ms."""
        import outrig.runner.follow  # noqa: F401, PLC0415 - what comes next

        _keep_config(self.held, self.order, self.known)
