"""Following a session on an engine that does what a real one cannot be made to do."""

from __future__ import annotations

import errno
import json
import os
import signal
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from outrig.core.ending import Intent
from outrig.core.engine import Exit
from outrig.core.moment import time_text
from outrig.core.request import Request
from outrig.errors import ContainerGoneError, EngineError, EngineUnreachableError, StoreError
from outrig.runner.console import Event, Signalled, Silent
from outrig.runner.follow import follow
from outrig.store import intents
from outrig.store.sessions import SessionStore
from tests.fakes import FakeEngine, Script, exited
from tests.runner.orders import launched, order, record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from outrig.core.engine import Stream
    from outrig.core.session import Session
    from outrig.runner.console import Outlet
    from outrig.runner.launched import Launched
    from tests.conftest import Home

COMPLAINT = b"[FATAL tini (7)] exec nosuch failed: No such file or directory\n"


class Shown:
    """An outlet that keeps what it is shown, and whose reader may go away."""

    def __init__(self, gone_after: int | None = None) -> None:
        self.data = b""
        self.gone_after = gone_after
        self.reader, self.writer = os.pipe()

    def fileno(self) -> int:
        return self.writer  # an empty pipe: there is always room

    def write(self, data: memoryview) -> int:
        if self.gone_after is not None and len(self.data) >= self.gone_after:
            raise BrokenPipeError
        taken = bytes(data[:7])
        self.data += taken
        return len(taken)

    def close(self) -> None:
        os.close(self.reader)
        os.close(self.writer)


class FakeConsole:
    """A terminal of the test: its outlets, its signals."""

    def __init__(self, *events: Event, gone_after: int | None = None) -> None:
        self.shown: dict[str, Shown] = {
            name: Shown(gone_after) for name in ("stdout", "stderr", "terminal")
        }
        self.input: int | None = None
        self.keeps_input = False
        self.due: float | None = None
        self._events = list(events)
        self._reader, self._writer = os.pipe()
        if events:
            os.write(self._writer, b"!")

    def fileno(self) -> int:
        return self._reader

    def events(self) -> Sequence[Event]:
        if self._events:
            os.read(self._reader, 1)
        happened, self._events = self._events, []
        return happened

    def take(self) -> bytes | None:
        assert self.input is not None
        return os.read(self.input, 4096) or None

    def outlet(self, stream: Stream) -> Outlet | None:
        return self.shown[stream]

    def close(self) -> None:
        for outlet in self.shown.values():
            outlet.close()
        os.close(self._reader)
        os.close(self._writer)


@pytest.fixture
def console():
    made: list[FakeConsole] = []

    def make(*events: Event, **how) -> FakeConsole:
        made.append(FakeConsole(*events, **how))
        return made[-1]

    yield make
    for one in made:
        one.close()


def followed(
    home: Home, script: Script, looking: FakeConsole, **wanted
) -> tuple[Session, FakeEngine]:
    engine = FakeEngine(script)
    run = launched(home, engine, order(home, **wanted))
    try:
        session = follow(run, looking).session
    finally:
        run.held.close()
        engine.close()
    assert dict(session.fields) == record(home)
    return session, engine


def ending(session: Session) -> tuple[str, str | None, int | None]:
    return session.status, session.reason, session.exit_code


# ---------------------------------------------------------------- what is said


def test_everything_is_kept_and_shown(home: Home, console):
    says: list[tuple[Stream, bytes]] = [
        ("stdout", b"one" * 100),
        ("stderr", b"two"),
        ("stdout", b"\0\xff"),
    ]
    looking = console()
    session, engine = followed(home, Script(says=says), looking)
    assert ending(session) == ("completed", "exit", 0)
    assert looking.shown["stdout"].data == b"one" * 100 + b"\0\xff"
    assert looking.shown["stderr"].data == b"two"
    logs = home.sessions / session.id / "logs"
    assert (logs / "stdout.log").read_bytes() == b"one" * 100 + b"\0\xff"
    assert (logs / "stderr.log").read_bytes() == b"two"
    assert len(engine.removed) == 1
    assert session.fields["resources"] == []


def test_a_reader_that_goes_away_costs_nothing_but_the_show(home: Home, console):
    says: list[tuple[Stream, bytes]] = [("stdout", b"x" * 100), ("stdout", b"y" * 100)]
    looking = console(gone_after=20)
    session, _ = followed(home, Script(says=says), looking)
    assert ending(session) == ("completed", "exit", 0)
    assert len(looking.shown["stdout"].data) == 21
    log = home.sessions / session.id / "logs/stdout.log"
    assert log.read_bytes() == b"x" * 100 + b"y" * 100


def test_nobody_looks(home: Home):
    engine = FakeEngine(Script(says=[("stdout", b"alone")]))
    run = launched(home, engine)
    nobody = Silent(None, keeps_input=False)
    session = follow(run, nobody).session
    run.held.close()
    os.close(nobody._never)
    os.close(nobody._held)
    assert ending(session) == ("completed", "exit", 0)


# ---------------------------------------------------------------- what is fed


@pytest.mark.parametrize("data", [b"", b"some words"])
def test_input_is_fed_to_its_end(home: Home, console, data):
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    looking = console()
    looking.input = reader
    engine = FakeEngine(Script(runs_until="TERM", ends=exited(143)))
    run = launched(home, engine)
    (made,) = engine.containers.values()
    really_end = made.output.end_input

    def end_input() -> None:
        really_end()
        made.output.finish()

    made.output.end_input = end_input  # type: ignore[method-assign]
    follow(run, looking)
    run.held.close()
    os.close(reader)
    assert bytes(made.output.heard) == data
    assert made.output.input_ended


def test_a_container_without_input_hears_its_end_at_once(home: Home, console):
    _, engine = followed(home, Script(), console())
    assert engine.prepared[0].stdin  # a pipe was there, and the console has nothing to feed
    no_input = Request(words=("true",), image="fake:1", no_stdin=True)
    home.sessions.rename(home.path / "before")
    _, engine = followed(home, Script(), console(), request=no_input)
    assert not engine.prepared[0].stdin


# ---------------------------------------------------------------- how it ends


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (Script(ends=exited(0)), ("completed", "exit", 0)),
        (Script(ends=exited(3)), ("failed", "exit", 3)),
        (Script(ends=exited(137, oom=True)), ("failed", "oom", 137)),
        (Script(ends=exited(0, oom=True)), ("completed", "exit", 0)),
        (Script(ends=exited(137)), ("failed", "signal", 137)),
        (Script(ends=exited(137, engine_died=True)), ("failed", "engine-lost", 137)),
        (Script(ends=exited(3, engine_died=True)), ("failed", "exit", 3)),
        (
            Script(says=[("stderr", COMPLAINT)], ends=exited(127)),
            ("failed", "start-failed", 127),
        ),
        (
            Script(says=[("stderr", b"x\n" + COMPLAINT)], ends=exited(127)),
            ("failed", "exit", 127),
        ),
        (Script(says=[("stdout", COMPLAINT)], ends=exited(127)), ("failed", "exit", 127)),
        (Script(says=[("stderr", COMPLAINT)], ends=exited(1)), ("failed", "exit", 1)),
        (Script(ends=exited(5), line_breaks=True), ("failed", "exit", 5)),
    ],
)
def test_each_end_has_its_name(home: Home, console, script, expected):
    session, _ = followed(home, script, console())
    assert ending(session) == expected
    assert session.fields["ended_at"]


def test_a_container_that_vanished_is_lost(home: Home, console):
    session, _ = followed(home, Script(ends=ContainerGoneError("gone")), console())
    assert ending(session) == ("lost", "container-gone", None)


def test_an_engine_that_does_not_come_back_leaves_the_record_running(home: Home, console):
    with pytest.raises(EngineUnreachableError, match="may still run") as lost:
        followed(home, Script(ends=EngineUnreachableError("no answer")), console())
    found = record(home)
    assert found["status"] == "running"
    assert f"outrig show {found['id']}" in str(lost.value.hint)


@pytest.mark.parametrize("why", [EngineError("busy"), EngineUnreachableError("gone")])
def test_a_container_that_cannot_be_removed_changes_no_end(home: Home, console, why):
    session, _ = followed(home, Script(refuses_remove=why), console())
    assert ending(session) == ("completed", "exit", 0)
    assert len(session.resources) == 1  # still noted, for whoever comes next
    assert SessionStore(home.sessions).unattended() == [session.id]


# ---------------------------------------------------------------- a disk that refuses

FULL = StoreError("cannot write session.json: No space left on device")


def refusing(monkeypatch, run: Launched, unless: Callable[[Session], bool]) -> None:
    """From now on the record is not rewritten, unless it would be for this."""
    really = run.held.store.update

    def update(session: str, change: Callable[[Session], Session]) -> Session:
        if not unless(change(run.held.store.load(session))):
            raise FULL
        return really(session, change)

    monkeypatch.setattr(run.held.store, "update", update)


def test_an_end_that_cannot_be_written_leaves_the_container_that_knows_it(
    home: Home, console, monkeypatch
):
    engine = FakeEngine(Script(says=[("stdout", b"last words\n")], ends=exited(3)))
    looking = console()
    run = launched(home, engine)
    refusing(monkeypatch, run, unless=lambda _: False)
    with pytest.raises(StoreError, match="No space left"):
        follow(run, looking)
    assert looking.shown["stdout"].data == b"last words\n"
    assert engine.removed == []
    assert record(home)["status"] == "running"
    assert run.held.store.is_open(run.held.id)
    run.held.close()


def test_a_note_that_cannot_be_written_ends_no_session(home: Home, console, monkeypatch):
    request = Request(words=("cat",), image="fake:1", interactive=True)
    engine = FakeEngine(Script(says=[("stdout", b"123456")], ends=exited(3)))
    wanted = order(home, request, flags={"limits.log-bytes": "5"})
    run = launched(home, engine, wanted)
    assert run.held.session.fields["stdin_open"] is True
    refusing(monkeypatch, run, unless=lambda session: session.ended and bool(session.resources))
    session = follow(run, console()).session
    assert ending(session) == ("failed", "exit", 3)
    assert len(engine.removed) == 1
    run.held.close()


def test_an_intent_that_cannot_be_written_still_ends_the_session(home: Home, console, monkeypatch):
    def full(_directory, _intent):
        raise FULL

    monkeypatch.setattr(intents, "write", full)
    looking = console(Signalled(signal.SIGTERM))
    session, engine = followed(home, Script(runs_until="TERM", ends=just_now(143)), looking)
    assert engine.signals == ["TERM"]
    assert ending(session) == ("stopped", "interrupted", 143)


def test_logs_that_cannot_be_written_stop_no_agent(home: Home, console, monkeypatch):
    engine = FakeEngine(Script(says=[("stdout", b"kept"), ("stdout", b"lost"), ("stderr", b"too")]))
    looking = console()
    run = launched(home, engine)
    really = run.recorder.write
    full = StoreError("cannot write the session's logs: No space left on device")

    def write(stream: Stream, data: bytes) -> None:
        if data == b"lost":
            raise full
        really(stream, data)

    monkeypatch.setattr(run.recorder, "write", write)
    session = follow(run, looking).session
    assert ending(session) == ("completed", "exit", 0)
    assert (run.held.directory / "logs/stdout.log").read_bytes() == b"kept"
    assert (run.held.directory / "logs/stderr.log").read_bytes() == b""
    assert looking.shown["stdout"].data == b"keptlost"
    assert session.text("logs_incomplete") == f"{full.message}; 3 bytes after that are not kept"
    run.held.close()


def test_logs_that_cannot_be_made_durable_are_said_to_be_incomplete(
    home: Home, console, monkeypatch
):
    engine = FakeEngine(Script(says=[("stdout", b"said")]))
    run = launched(home, engine)

    def broken(_fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", broken)
    session = follow(run, console()).session
    assert ending(session) == ("completed", "exit", 0)
    assert session.text("logs_incomplete").endswith("Input/output error")
    run.held.close()


# ---------------------------------------------------------------- who ends it


@pytest.mark.parametrize(
    ("number", "sent", "code"),
    [
        (signal.SIGTERM, "TERM", 143),
        (signal.SIGHUP, "TERM", 129),
        (signal.SIGINT, "INT", 130),
    ],
)
def test_a_signal_is_declared_before_it_is_sent(home: Home, console, number, sent, code):
    engine = FakeEngine(Script(runs_until=sent, ends=exited(77)))
    run = launched(home, engine)
    really = engine.signal
    declared = []

    def looking_first(ref, name) -> None:
        declared.append(json.loads((run.held.directory / "intent.json").read_bytes()))
        really(ref, name)

    engine.signal = looking_first  # type: ignore[method-assign]
    # The agent ends within the grace period, so a Ctrl-C that was only forwarded counts.
    engine.wait = lambda ref: just_now(77)  # type: ignore[method-assign]
    session = follow(run, console(Signalled(number))).session
    run.held.close()
    assert ending(session) == ("stopped", "interrupted", code)
    assert session.fields["agent_exit_code"] == 77
    assert (declared[0]["kind"], declared[0]["signal"]) == ("signal", number)
    assert engine.signals == [sent]


def just_now(code: int) -> Exit:
    moment = time_text(datetime.now(UTC))
    return Exit(code=code, oom=False, error="", started=True, finished_at=moment)


def test_a_second_signal_kills_at_once(home: Home, console):
    script = Script(runs_until="KILL", ends=exited(137))
    session, engine = followed(
        home, script, console(Signalled(signal.SIGTERM), Signalled(signal.SIGTERM))
    )
    assert engine.signals == ["TERM", "KILL"]
    assert ending(session) == ("stopped", "interrupted", 143)


def test_who_does_not_listen_is_killed_after_the_grace(home: Home, console):
    script = Script(runs_until="KILL", ends=exited(137))
    session, engine = followed(
        home, script, console(Signalled(signal.SIGTERM)), flags={"run.grace": "0.1s"}
    )
    assert engine.signals[:2] == ["TERM", "KILL"]
    assert ending(session) == ("stopped", "interrupted", 143)


def test_a_session_that_takes_too_long(home: Home, console):
    script = Script(runs_until="TERM", ends=exited(143))
    session, engine = followed(home, script, console(), flags={"limits.wall": "0.1s"})
    assert engine.signals == ["TERM"]
    assert ending(session) == ("timeout", "wall-timeout", 124)


def test_somebody_else_declared_the_end(home: Home, console):
    engine = FakeEngine(Script(ends=exited(143)))
    run = launched(home, engine)
    intents.write(run.held.directory, Intent(kind="stop", by="outrig stop"))
    session = follow(run, console()).session
    run.held.close()
    assert ending(session) == ("stopped", "stopped", 143)
