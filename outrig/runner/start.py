"""Start: a session whose record exists comes from `planned` to `running`.

Each thing on the engine is noted in the record before it is made, and its undo is registered on
the line after; runner/launch.py takes all of it back when something goes wrong.
"""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime, timedelta

from outrig.core import environment, security
from outrig.core.config_work import WorkspaceConfig
from outrig.core.container import container_for
from outrig.core.frozen import frozen
from outrig.core.moment import time_text
from outrig.core.session import (
    running,
    with_fields,
    with_resource,
    with_workspace,
    without_resource,
)
from outrig.errors import EngineError, EngineUnreachableError, OutrigError, StoreError
from outrig.record.log import Recorder
from outrig.runner import config, homes, mounted, network, secrets, workspace
from outrig.runner.around import Surroundings
from outrig.runner.launched import Launched
from outrig.store import places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from outrig.core.engine import Container, Facts, Ref
    from outrig.core.identity import Identity
    from outrig.core.session import Session
    from outrig.engine import Attached, Engine
    from outrig.runner.around import Around
    from outrig.runner.cancel import Cancel
    from outrig.runner.image import Ready
    from outrig.runner.order import Order
    from outrig.runner.secrets import Handed, Values
    from outrig.store.creation import Held

_USUAL_TARGET = WorkspaceConfig().target


@frozen(kw_only=False)
class Start:
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
        around = Surroundings(
            self.order, self.known, self.engine, self.held, self.undo, self.cancel, self.show
        ).ready()
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

    def _made(self, around: Around) -> tuple[Ref, Container]:
        """The container, on its networks, and in the record as it was made."""
        found, who, tree, reach = around.found, around.who, around.tree, around.reach
        container = self._container(found, around.facts, who, tree, reach, handed=around.handed)
        asked = (self.order.plan.target, *(mount.target for mount in self.order.mounts))
        mounted.foresee(container.mounts, asked)
        if set(asked) != {_USUAL_TARGET}:  # to ask takes 200 ms, the first time
            mounted.refuse_links(self.engine.real_paths(found.image, asked), who.home)
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

    def _started(self, ref: Ref) -> Attached:
        try:
            return self.engine.start(ref, meanwhile=self._meanwhile)
        except EngineError as error:
            raise workspace.unmountable(error, self.order) from error

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

        config.keep(self.held, self.order, self.known)


def _deadline(wall: float | None) -> str | None:
    """For whoever comes next, should nobody be there who would keep the limit."""
    return None if wall is None else time_text(datetime.now(UTC) + timedelta(seconds=wall))
