"""Between a command's line and a console, without an engine."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from outrig.core.engine import Command
from outrig.errors import SessionNotRunningError
from outrig.runner.console import Detached, Resized, Signalled
from outrig.runner.exec import execute, reach_for
from outrig.runner.reach import Reached
from outrig.store import finding
from outrig.store.sessions import SessionStore
from tests import records
from tests.fakes import FakeEngine, FakeExecution, Script, exited
from tests.test_fakes import CONTAINER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from outrig.core.engine import Stream
    from outrig.runner.console import Event


class Desk:
    """A console whose events are known beforehand, and whose outlets may be gone."""

    def __init__(self, *events: Event, gone: bool = False) -> None:
        self._events = list(events)
        self._reader, self._writer = os.pipe()
        self._sink = os.open(os.devnull, os.O_WRONLY)
        self._gone = gone
        self.input: int | None = None
        self.keeps_input = False
        self.due: float | None = None
        self.shown = b""
        if events:
            os.write(self._writer, b"!")

    def close(self) -> None:
        for descriptor in (self._reader, self._writer, self._sink):
            os.close(descriptor)

    def fileno(self) -> int:
        return self._reader

    def events(self) -> Sequence[Event]:
        first, self._events = self._events[:1], self._events[1:]
        if not self._events:
            os.read(self._reader, 1)
        return first

    def take(self) -> bytes | None:
        return None

    def outlet(self, stream: Stream) -> Outlet:
        return Outlet(self, self._sink, gone=self._gone)


class Outlet:
    def __init__(self, desk: Desk, sink: int, *, gone: bool) -> None:
        self._desk = desk
        self._sink = sink
        self._gone = gone

    def fileno(self) -> int:
        return self._sink

    def write(self, data: memoryview) -> int:
        if self._gone:
            raise BrokenPipeError
        self._desk.shown += data
        return len(data)


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    made = FakeEngine()
    yield made
    made.close()


@pytest.fixture
def reached(engine: FakeEngine, session_root) -> Reached:
    store = SessionStore(session_root)
    with records.begin(store) as held:
        return Reached(held.session, engine, engine.prepare(CONTAINER, {}))


def ran(reached: Reached, desk: Desk, *, tty: bool = False) -> tuple[int, list[str]]:
    said: list[str] = []
    command = Command(argv=("x",), tty=tty)
    try:
        return execute(reached, command, {}, desk, show=said.append), said
    finally:
        desk.close()


def execution(engine: FakeEngine) -> FakeExecution:
    return engine.executed[0][0]


def test_what_it_says_is_shown_and_its_code_is_its_own(engine, reached) -> None:
    engine.exec_script = Script(says=[("stdout", b"a"), ("stderr", b"b")], ends=exited(42))
    desk = Desk()
    assert ran(reached, desk) == (42, [])
    assert desk.shown == b"ab"
    assert execution(engine).closed


@pytest.mark.parametrize(
    ("events", "ends_by", "sent", "code"),
    [
        ([Signalled(2)], "2", [2], 130),
        ([Signalled(15)], "15", [15], 143),
        ([Detached()], "1", [1], 129),
        ([Signalled(2), Signalled(2)], "9", [2, 9], 130),
        ([Signalled(15), Signalled(2)], "9", [15, 9], 143),
    ],
)
def test_signals(engine, reached, *, events, ends_by, sent, code) -> None:
    engine.exec_script = Script(runs_until=ends_by, ends=exited(7))
    assert ran(reached, Desk(*events)) == (code, [])
    assert execution(engine).signals == sent


def test_when_nobody_reads_it_ends(engine, reached) -> None:
    pipe = str(int(signal.SIGPIPE))
    engine.exec_script = Script(says=[("stdout", b"y")], runs_until=pipe)
    assert ran(reached, Desk(gone=True)) == (141, [])


def test_one_that_cannot_be_signalled_goes_on_and_that_is_said(engine, reached, monkeypatch):
    monkeypatch.setattr(FakeExecution, "signal", lambda self, number: False)
    engine.exec_script = Script(runs_until="2")
    code, said = ran(reached, Desk(Signalled(2)))
    assert code == 130
    assert "goes on in the session" in said[0]


@pytest.mark.parametrize(("tty", "sizes"), [(True, [(40, 132)]), (False, [])])
def test_only_a_terminal_has_a_size(engine, reached, tty, sizes) -> None:
    engine.exec_script = Script(runs_until="2")
    assert ran(reached, Desk(Resized(40, 132), Signalled(2)), tty=tty)[0] == 130
    assert execution(engine).sizes == sizes


def test_a_paused_session_has_no_room(session_root) -> None:
    store = SessionStore(session_root)
    resources = [{"kind": "container", "role": "agent", "ref": "c", "attempt": "a"}]
    with records.begin(store, paused_at="2026-05-01T12:00:00Z", resources=resources) as held:
        found = finding.open_session(store, held.id)
        with pytest.raises(SessionNotRunningError, match="paused"):
            reach_for(found, lambda _: FakeEngine())
