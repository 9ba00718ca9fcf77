"""Session -> its end: every byte recorded and then shown, limits kept, the end told truly.

One loop waits for whatever happens next: output, room to show it, input, room for it, a signal to
outrig, a deadline. Nothing in it blocks, so a reader that stalls delays no deadline, and an agent
that stalls delays no signal. The record is finished before the last output is shown.
"""

from __future__ import annotations

import contextlib
import select
import time
from datetime import UTC, datetime

from outrig.core.ending import Finding, judge
from outrig.core.frozen import frozen
from outrig.core.moment import parse_time
from outrig.core.session import ended, with_fields, with_workspace, without_resource
from outrig.engine.failure import init_complaint
from outrig.errors import ContainerGoneError, EngineError, EngineUnreachableError, StoreError
from outrig.runner import metering, models, network, secrets, tamper, volumes
from outrig.runner.console import Detached, Signalled
from outrig.runner.control import Control
from outrig.runner.deadlines import Deadlines
from outrig.runner.pump import Pump
from outrig.runner.snapshot import Checkpoints
from outrig.store import intents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from outrig.core.ending import Ending, Intent
    from outrig.core.engine import Exit
    from outrig.core.session import Session
    from outrig.runner.console import Console
    from outrig.runner.launched import Launched

COMPLAINT = 4096  # bytes of output in which init's own complaint would stand


@frozen(kw_only=False)
class Followed:
    """The record as it is now. Not ended: the user let go, and `unfed` is input still to be fed."""

    session: Session
    unfed: bytes = b""


def follow(run: Launched, console: Console, unfed: bytes = b"") -> Followed:
    """Stay with a started session until it has ended, or until the user lets go of it.

    `unfed` is input that a predecessor had taken for it.

    Raises EngineUnreachableError when the engine went away and did not come back: the session
    may go on without us, its record says so, and the next command finishes it.
    """
    with (
        contextlib.ExitStack() as last,
        _chronicle(run) as beside,
        run.recorder,
        _control(run) as control,
    ):
        pump = Pump(run, console, control, unfed)
        deadlines = Deadlines(run)
        let_go = _until_output_ends(run, pump, console, deadlines)
        if not let_go:
            deadlines.over()
            pump.say_the_rest()
        pump.note_dropped()
        if let_go:
            return Followed(run.held.session, pump.unfed)
        beside.close()
        last.callback(pump.show_the_rest)  # whatever becomes of the record
        last.callback(run.output.close)
        pump.end_recording()
        missing, intent = _missing(run, pump), deadlines.unwritten
        exit_ = _exit(run)
        deadlines.over()
        return Followed(finish(run, exit_, missing=missing, unwritten=intent))


def _chronicle(run: Launched) -> contextlib.ExitStack:
    """What its sidecars say; to be closed before they are ended."""
    writing = contextlib.ExitStack()
    if run.held.session.fields.get("sidecar_container_names"):
        from outrig.runner import chronicle  # noqa: PLC0415 - few sessions have one

        redaction = run.redacting.redaction if run.redacting else None
        made = chronicle.of_record(run.engine, run.held.session, run.held.directory, redaction)
        if made:
            writing.callback(made.close)
    return writing


def _missing(run: Launched, pump: Pump) -> str | None:
    """Why the logs are not whole, as far as we know; what is in the record already is kept."""
    known = run.held.session.text("logs_incomplete")
    words = [*([known] if known else []), *([pump.unrecorded] if pump.unrecorded else [])]
    return "; ".join([*words, *run.output.doubts]) or None


def _control(run: Launched) -> contextlib.AbstractContextManager[Control | None]:
    """Without a control socket nobody can attach; that is no reason to leave a session alone."""
    try:
        return Control(run.control, run.held.id)
    except (StoreError, OSError):
        return contextlib.nullcontext()


def _until_output_ends(run: Launched, pump: Pump, console: Console, deadlines: Deadlines) -> bool:
    """Until the container says nothing any more, or the line breaks; True if the user let go."""
    with (
        contextlib.closing(Checkpoints(run)) as checkpoints,
        contextlib.suppress(EngineUnreachableError),  # wait() finds out what became of it
    ):
        while True:
            poll = select.poll()
            pump.register(poll, take_all=deadlines.ending)
            due = (deadlines.next(), checkpoints.due, console.due, run.output.due, pump.due)
            ready = dict(poll.poll(_patience(*due)))
            going_on, events = pump.turn(ready)
            for event in events:
                if isinstance(event, Detached):
                    return True
                if isinstance(event, Signalled):
                    deadlines.signalled(event.number)
            if not going_on:
                return False
            pump.keep()
            deadlines.keep(pump.heard)
            checkpoints.keep()
    return False


def _patience(*moments: float | None) -> float | None:
    """Milliseconds until the first of these moments; None for ever."""
    known = [moment for moment in moments if moment is not None]
    return max(0.0, min(known) - time.monotonic()) * 1000 + 1 if known else None


def finish(
    run: Launched, exit_: Exit | None, *, missing: str | None, unwritten: Intent | None = None
) -> Session:
    """Write the end and remove the container. An intent on disk is the truth about who ended it.

    `exit_` None: the container vanished, and nobody can say how it ended. `missing` says why the
    logs are not whole; `unwritten` is an intent that the disk refused.
    """
    intent, finding = intents.read(run.held.directory) or unwritten, _finding(run, exit_)
    intent = intent or models.exceeded(run.held.directory, run.held.session)
    ending = _judged(run, intent, finding)
    now = datetime.now(UTC)
    used = metering.final(run.engine, run.ref, run.held.session, run.held.directory)
    said = tamper.end(run.held.directory, run.held.session)  # killed here: whoever comes next
    run.held.update(
        lambda session: with_workspace(
            _with_missing(with_fields(ended(session, ending, at=now), usage=used or None), missing),
            **said,
        )
    )
    secrets.release(run.held.session)
    with contextlib.suppress(EngineError, EngineUnreachableError, StoreError):
        # A container that stays is noted: whoever comes next removes it. The run has ended, and a
        # note that cannot be taken away names what is gone.
        redaction = run.redacting.redaction if run.redacting else None
        leaving = network.Leaving(run.engine, run.held, redaction)
        run.engine.remove(run.ref)
        run.held.update(lambda session: without_resource(session, run.attempt))
        volumes.release(run.engine, run.held)
        leaving.over()
    return run.held.session


def _judged(run: Launched, intent: Intent | None, finding: Finding) -> Ending:
    if not run.taken_up:
        return judge(intent, finding)
    from outrig.core import reconcile  # noqa: PLC0415 - what whoever comes next needs

    return reconcile.ending(run.held.session, intent, finding)


def _finding(run: Launched, exit_: Exit | None) -> Finding:
    if exit_ is None:
        return Finding(code=None)
    complaint = exit_.code in (126, 127) and init_complaint(_first_words(run))
    return Finding(
        code=exit_.code,
        oom=exit_.oom,
        killed_for_memory=exit_.killed_for_memory,
        init_complaint=complaint,
        engine_died=exit_.engine_died,
        at=parse_time(exit_.finished_at) if exit_.started else None,
    )


def _with_missing(session: Session, missing: str | None) -> Session:
    return with_fields(session, logs_incomplete=missing) if missing else session


def _exit(run: Launched) -> Exit | None:
    """How it ended. The engine is given time to come back when the line to it broke."""
    try:
        return run.engine.wait(run.ref)
    except ContainerGoneError:
        return None
    except EngineUnreachableError as error:
        raise EngineUnreachableError(
            f"{error.message}; session {run.held.id} may still run",
            hint=f"outrig show {run.held.id}, once the engine is back",
        ) from error


def _first_words(run: Launched) -> bytes:
    name = "terminal.log" if run.tty else "stderr.log"
    with (run.held.directory / "logs" / name).open("rb") as log:
        return log.read(COMPLAINT)
