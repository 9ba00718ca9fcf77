"""All that is about a session's container before it is made: image, network, workspace, secrets."""

from __future__ import annotations

from outrig.core import identity, security
from outrig.core.container import memory_limit
from outrig.core.frozen import frozen
from outrig.core.session import preparing, with_fields
from outrig.runner import config, image, network, secrets, snapshot, tamper, workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    import contextlib
    from collections.abc import Callable, Mapping

    from outrig.core.engine import Facts, Image
    from outrig.core.identity import Identity
    from outrig.engine import Engine
    from outrig.runner.cancel import Cancel
    from outrig.runner.image import Ready
    from outrig.runner.order import Order
    from outrig.runner.secrets import Handed, Values
    from outrig.runner.snapshot import Taking
    from outrig.runner.tamper import Beginning
    from outrig.store.creation import Held


@frozen
class Around:
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
class Surroundings:
    """What each of them makes, `undo` takes back."""

    order: Order
    known: Values
    engine: Engine
    held: Held
    undo: contextlib.ExitStack
    cancel: Cancel
    show: Callable[[str], None]

    def ready(self) -> Around:
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
        return Around(
            found=found,
            facts=facts,
            who=who,
            reach=reach,
            tree=tree,
            taking=taking,
            looking=looking,
            handed=handed,
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

            config.keep(self.held, self.order, self.known)  # whoever goes on after a kill needs it
            resume.adopt(self.order, self.held, self.undo)

    def _snapshot(self, made: workspace.Ready) -> tuple[Taking, Beginning]:
        """Of the tree as it is now: what is asked of the engine meanwhile hides what it costs."""
        own_tree = made.fields.get("tree")
        taking = snapshot.begin(self.order, self.held.directory, own_tree)
        self.undo.callback(taking.outcome)
        looking = tamper.Beginning(self.order, self.held.directory, own_tree)
        self.undo.callback(looking.outcome)
        return taking, looking

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
