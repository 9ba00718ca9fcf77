"""Sessions that nobody looks after are put right: what core/reconcile.py decides is carried out.

One listing for each engine says what there is. Each session is then taken up for as long as it is
changed, and left if its record is not what was judged: then somebody else was quicker. Every step
may be the last of ours; whoever comes next goes on from there.
"""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from outrig.core import reconcile
from outrig.core.ending import Ending, Finding, Intent
from outrig.core.moment import parse_time, time_text
from outrig.core.reconcile import Standing
from outrig.core.session import ended, preparing, running, with_dropped, with_fields, with_workspace
from outrig.engine.failure import init_complaint
from outrig.errors import (
    ContainerGoneError,
    EngineUnreachableError,
    OutrigError,
    SessionBusyError,
    StoreError,
    reason,
)
from outrig.record.reading import Logs
from outrig.record.recovery import Recovered, recover
from outrig.runner import metering, models, network, secrets, tamper, volumes
from outrig.store import belonging, intents, lock
from outrig.store.file import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from outrig.core.engine import Exit, Seen
    from outrig.core.reconcile import Repair
    from outrig.core.redact import Redaction
    from outrig.core.session import Session
    from outrig.engine import Engine
    from outrig.runner.reach import Connect
    from outrig.store.sessions import SessionStore

KILL_SECONDS = 10.0  # for a kernel that is busy with a dying process
COMPLAINT = 4096  # bytes of output in which init's own complaint would stand


class Settled(NamedTuple):
    """What is left to say: of which sessions nothing can be known, and why; what went wrong."""

    unknown: Mapping[str, OutrigError]
    failed: Mapping[str, OutrigError]


def settle(
    store: SessionStore,
    sessions: Iterable[str],
    *,
    connect: Connect,
) -> Settled:
    """Put right what can be put right of these sessions. Never fails as a whole."""
    by_engine: dict[str, list[Standing]] = {}
    settled = Settled({}, {})
    for standing in _standings(store, sessions):
        if _is_left_to_others(standing):
            settled = Settled({**settled.unknown, standing.session.id: _of_others()}, {})
        endpoint = standing.session.text("engine") if reconcile.asks(standing) else ""
        by_engine.setdefault(endpoint, []).append(standing)
    for endpoint, standings in by_engine.items():
        hands = _Hands(store)
        if endpoint:
            hands.ask(standings, connect, endpoint)
        else:
            hands.carry_out(reconcile.repairs(standings, (), now=datetime.now(UTC)))
        settled = Settled({**settled.unknown, **hands.unknown}, {**settled.failed, **hands.failed})
    return settled


def _standings(store: SessionStore, sessions: Iterable[str]) -> Iterator[Standing]:
    here = belonging.here(store)
    for one in sessions:
        try:
            session = store.read(one)
        except UnreadableError:  # listings name it
            continue
        elsewhere = belonging.elsewhere(session, here)
        yield Standing(session=session, attended=store.attended(one), elsewhere=elsewhere)


def _is_left_to_others(standing: Standing) -> bool:
    """Whether it may run where we cannot look."""
    session = standing.session
    return standing.elsewhere and not standing.attended and session.ours and not session.ended


def _of_others() -> OutrigError:
    return StoreError("it is another machine's, user's or session root's to look after")


class _Hands:
    """What is done with the sessions of one engine, or with those that need none."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self._engine: Engine | None = None
        self._silence: EngineUnreachableError | None = None
        self._told = 0.0
        self.unknown: dict[str, EngineUnreachableError] = {}
        self.failed: dict[str, OutrigError] = {}

    def ask(self, standings: Sequence[Standing], connect: Connect, endpoint: str) -> None:
        """One listing, and what follows from it."""
        seen: Sequence[Seen] | None = None
        try:
            self._engine = connect(endpoint)
            seen = self._engine.seen(self._store.known_root_id() or "")
        except EngineUnreachableError as error:
            self._silence = error
        except OutrigError as error:
            self._silence = EngineUnreachableError(error.message, hint=error.hint)
        self.carry_out(reconcile.repairs(standings, seen, now=datetime.now(UTC)))

    def carry_out(self, repairs: Sequence[Repair]) -> None:
        """Those that must end are all told first, so that they share one grace."""
        steps: dict[str, Callable[[Repair, Session], None]] = {
            "close": self._close,
            "remove": self._remove,
            "abort": self._abort,
            "lose": self._lose,
            "adopt": self._adopt,
            "finish": self._finish,
            "stop": self._stop,
        }
        for repair in repairs:
            if repair.kind == "unknown" and self._silence:
                self.unknown[repair.standing.session.id] = self._silence
            if repair.kind == "stop":
                self._do(repair, self._tell)
        self._told = time.monotonic()
        for repair in repairs:
            if repair.kind in steps:
                self._do(repair, steps[repair.kind])

    def _do(self, repair: Repair, step: Callable[[Repair, Session], None]) -> None:
        """Take the session up, look again whether it is as it was judged, and do it."""
        before = repair.standing.session
        try:
            attendance = lock.attend(self._store.root, before.id)
        except SessionBusyError:
            return
        except OSError as error:
            self.failed[before.id] = StoreError(f"cannot lock {before.id}: {error.strerror}")
            return
        with contextlib.closing(attendance):
            try:
                if self._store.read(before.id).fields == before.fields:
                    step(repair, before)
            except UnreadableError:  # it was discarded meanwhile
                return
            except EngineUnreachableError as error:
                self.unknown[before.id] = error
            except OutrigError as error:
                self.failed[before.id] = error
            except OSError as error:
                self.failed[before.id] = StoreError(reason(error))

    def _keep_logs(self, repair: Repair, session: Session) -> None:
        """What its sidecars said, before they go."""
        beside = [(one.ref, one.attempt) for one in repair.others if one.role == network.SIDECAR]
        if not beside or not self._engine:
            return
        from outrig.runner import chronicle  # noqa: PLC0415 - few sessions have one

        def redaction() -> Redaction | None:
            redacting = secrets.redacting(session)
            return redacting.redaction if redacting else None

        directory = self._store.directory(session.id)
        chronicle.keep_logs(self._engine, session, directory, beside, redaction)

    # ------------------------------------------------------------------ the repairs
    def _close(self, _repair: Repair, session: Session) -> None:
        """The rewrite that changes nothing takes the mark away; what is noted is gone."""
        if self._engine and any(volumes.noted(session)):
            volumes.remove_all(self._engine, session)
        if self._engine and any(network.noted(session)):
            network.remove_all(self._engine, session)
        self._store.update(session.id, _without_containers)

    def _remove(self, repair: Repair, session: Session) -> None:
        assert self._engine
        self._keep_logs(repair, session)
        for one in (repair.agent, *repair.others):
            if one:
                self._engine.remove(one.ref)
        self._close(repair, session)

    def _abort(self, repair: Repair, session: Session) -> None:
        ending = reconcile.aborted(intents.read(self._store.directory(session.id)))
        self._end(repair, session, ending, at=datetime.now(UTC))

    def _lose(self, repair: Repair, session: Session) -> None:
        lost = Ending(status="lost", reason="container-gone", exit_code=None)
        used = metering.written(self._store.directory(session.id))
        self._end(repair, session, lost, at=datetime.now(UTC), used=used)

    def _adopt(self, _repair: Repair, session: Session) -> None:
        self._store.update(session.id, _running)

    def _tell(self, repair: Repair, session: Session) -> None:
        assert self._engine
        assert repair.agent
        intent = Intent(kind="wall", at=time_text(datetime.now(UTC)), by="reconcile")
        intents.write(self._store.directory(session.id), intent)
        self._engine.signal(repair.agent.ref, "TERM")

    def _stop(self, repair: Repair, session: Session) -> None:
        assert self._engine
        assert repair.agent
        ref = repair.agent.ref
        left = max(0.0, self._told + session.grace - time.monotonic())
        if not self._engine.ended(ref, left):
            self._engine.signal(ref, "KILL")
            self._engine.ended(ref, KILL_SECONDS)
        self._finish(repair, session)

    def _finish(self, repair: Repair, session: Session) -> None:
        """First the output, then the end, then the container: a kill in between loses nothing."""
        assert self._engine
        assert repair.agent
        ref = repair.agent.ref
        try:
            exit_ = self._engine.exit(ref)
            recovered = self._recover(repair, session)
        except ContainerGoneError:
            self._lose(repair, session)
            return
        if exit_ is None:  # somebody started it again
            return
        if not exit_.started:
            self._abort(repair, session)
            return
        finding = _finding(self._store, session, exit_)
        directory = self._store.directory(session.id)
        intent = intents.read(directory) or models.exceeded(directory, session)
        ending = reconcile.ending(session, intent, finding)
        at = finding.at or datetime.now(UTC)
        used = metering.final(self._engine, ref, session, directory)
        self._end(repair, session, ending, at=at, recovered=recovered, used=used)

    def _recover(self, repair: Repair, session: Session) -> Recovered:
        assert self._engine
        assert repair.agent
        tty = session.fields.get("tty") is True
        try:
            redacting = secrets.redacting(session)
        except StoreError as error:
            return Recovered(doubts=(error.message,))
        return recover(
            self._store.directory(session.id),
            self._engine.said(repair.agent.ref, tty=tty),
            tty=tty,
            started=session.started_at or datetime.now(UTC),
            most=session.log_bytes,
            redacting=redacting,
        )

    def _end(
        self,
        repair: Repair,
        session: Session,
        ending: Ending,
        *,
        at: datetime,
        recovered: Recovered | None = None,
        used: Mapping[str, Any] = {},
    ) -> None:
        found = recovered or Recovered()
        missing = "; ".join(found.doubts) or session.fields.get("logs_incomplete")
        said = tamper.end(self._store.directory(session.id), session)

        def finished(one: Session) -> Session:
            noted = with_dropped(one, found.dropped, at=at) if found.dropped else one
            over = ended(noted, ending, at=at)
            done = with_fields(over, logs_incomplete=missing, usage=used or None)
            return with_workspace(done, **said)

        self._store.update(session.id, finished)
        self._keep_logs(repair, session)
        secrets.release(session)
        if self._engine:
            self._remove(repair, session)
        else:
            self._close(repair, session)


def _without_containers(session: Session) -> Session:
    """What is noted and was seen to be gone, or was not seen at all, is noted no more."""
    gone = ("container", network.KIND, volumes.KIND)
    kept = [item for item in session.resources if item.get("kind") not in gone]
    return with_fields(session, resources=kept)


def _running(session: Session) -> Session:
    return running(preparing(session) if session.status == "planned" else session)


def _finding(store: SessionStore, session: Session, exit_: Exit) -> Finding:
    complaint = exit_.code in (126, 127) and init_complaint(_first_words(store, session))
    return Finding(
        code=exit_.code,
        oom=exit_.oom,
        init_complaint=complaint,
        engine_died=exit_.engine_died,
        at=parse_time(exit_.finished_at),
    )


def _first_words(store: SessionStore, session: Session) -> bytes:
    name = "terminal.log" if session.fields.get("tty") is True else "stderr.log"
    with Logs(store.directory(session.id), only=(name,)) as logs:
        return next((chunk.data[:COMPLAINT] for chunk in logs.merged()), b"")
