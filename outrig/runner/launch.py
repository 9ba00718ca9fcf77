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
from datetime import UTC, datetime
from pathlib import Path

from outrig import __version__
from outrig.core import description, naming
from outrig.core.ending import EXIT_OWN_FAILURE, Intent, interrupted_early, never_started
from outrig.core.session import ended
from outrig.errors import OutrigError, StoreError
from outrig.runner import config, issue, refusals, secrets
from outrig.runner.cancel import CancelledError
from outrig.runner.start import Start
from outrig.store import creation, intents, places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from outrig.core.ending import Ending
    from outrig.core.session import Session
    from outrig.engine import Engine
    from outrig.runner.cancel import Cancel
    from outrig.runner.launched import Launched
    from outrig.runner.order import Order
    from outrig.runner.secrets import Values
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
            run = Start(order, known, engine, held, undo, cancel, quiet, attempt).go()
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
            config.keep(held, order, known)
    undo.close()
