"""The end of a container, told by an engine that may die before it can tell."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from outrig.engine import watch
from outrig.engine.endpoint import Endpoint
from outrig.engine.watch import Watch
from outrig.engine.wire import Wire
from outrig.errors import ContainerGoneError, EngineUnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Home

NEVER_RAN = {"Running": False, "ExitCode": 0, "StartedAt": "0001-01-01T00:00:00Z"}
WATCHING = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDED = b'11\r\n{"StatusCode": 0}\r\n0\r\n\r\n'


class Daemon:
    """A daemon in miniature: it pings, watches one container and tells its state."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.state: dict[str, Any] | None = {"Running": True, "ExitCode": 0}
        self._watching: list[socket.socket] = []
        self._lines: list[socket.socket] = []
        self._asked = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []
        self.listen()

    def listen(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self._accepting = threading.Thread(target=self._accept, args=(self._listener,))
        self._accepting.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            self._lines.append(line)
            self._threads.append(threading.Thread(target=self._answer, args=(line,)))
            self._threads[-1].start()

    def _answer(self, line: socket.socket) -> None:
        with line, contextlib.suppress(OSError):
            while request := line.recv(65536):
                if b"/wait" in request:
                    self._watching.append(line)
                    line.sendall(WATCHING)
                    self._asked.release()
                else:
                    line.sendall(self._said(request))

    def _said(self, request: bytes) -> bytes:
        if b"/_ping" in request:
            return b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 0\r\n\r\n"
        body: dict[str, Any]
        if self.state is None:
            status, body = b"404 Not Found", {"message": "No such container: c"}
        else:
            status, body = b"200 OK", {"State": self.state}
        told = json.dumps(body).encode()
        return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(told), told)

    def end(self, code: int) -> None:
        """The container ends, and whoever watches is told."""
        self._asked.acquire()
        self.state = {"Running": False, "ExitCode": code, "StartedAt": "x", "FinishedAt": "y"}
        self._watching.pop().sendall(ENDED)

    def refuse(self) -> None:
        """Take no new connection, as a daemon does that is being stopped in order."""
        with contextlib.suppress(OSError):  # it did so before
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def die(self) -> None:
        self.refuse()
        self._accepting.join()  # from here on there is no further line
        self.hang_up()

    def hang_up(self) -> None:
        for line in self._lines:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:  # one may have answered, and not yet have said so
            thread.join()
        self._lines.clear()
        self._watching.clear()
        while self._asked.acquire(blocking=False):
            pass

    def close(self) -> None:
        self.die()


@pytest.fixture
def daemon(home: Home) -> Iterator[Daemon]:
    made = Daemon(str(home.run / "d.sock"))
    yield made
    made.close()


@pytest.fixture
def watching(daemon: Daemon) -> Iterator[Watch]:
    place = Endpoint(url=f"unix://{daemon.path}", origin="test", path=daemon.path)
    with contextlib.closing(Wire(place)) as wire:
        made = Watch(wire, "c", "next-exit")
        with contextlib.closing(made):
            yield made


@contextlib.contextmanager
def meanwhile(act: Callable[[], None], after: float = 0.05) -> Iterator[None]:
    timer = threading.Timer(after, act)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def test_the_end_is_told_and_stays_told(daemon: Daemon, watching: Watch) -> None:
    assert not watching.ready(0)
    daemon.end(3)
    found = watching.wait()
    assert (found.code, found.engine_died) == (3, False)
    assert watching.ready(0)
    assert watching.wait() == found


@pytest.mark.parametrize("code", [137, 143, 0])
def test_a_code_like_that_of_a_dying_engine_is_not_yet_its_death(
    daemon: Daemon, watching: Watch, code: int
) -> None:
    daemon.end(code)
    assert not watching.wait().engine_died


def test_an_engine_that_goes_down_in_order_takes_its_containers_along(
    daemon: Daemon, watching: Watch
) -> None:
    assert watching.state()["Running"]  # a connection that is kept, and outlives the listener
    daemon.refuse()
    daemon.end(143)
    assert watching.wait().engine_died


def test_an_engine_that_was_restarted_meanwhile(daemon: Daemon, watching: Watch) -> None:
    daemon.refuse()
    daemon.listen()
    daemon.end(137)
    assert watching.wait().engine_died


def test_an_engine_that_dies_is_waited_for(daemon: Daemon, watching: Watch) -> None:
    def back() -> None:
        daemon.state = {"Running": False, "ExitCode": 137, "StartedAt": "x", "FinishedAt": "y"}
        daemon.listen()

    daemon.die()
    with meanwhile(back):
        found = watching.wait()
    assert (found.code, found.engine_died) == (137, True)


def test_a_line_that_breaks_is_a_death_whoever_answers_afterwards(
    daemon: Daemon, watching: Watch
) -> None:
    daemon.state = {"Running": False, "ExitCode": 137, "StartedAt": "x", "FinishedAt": "y"}
    daemon.hang_up()
    found = watching.wait()
    assert (found.code, found.engine_died) == (137, True)


def test_what_it_is_doing_is_asked_again_of_an_engine_that_comes_back(
    daemon: Daemon, watching: Watch
) -> None:
    daemon.die()
    with meanwhile(daemon.listen):
        assert watching.state()["Running"]


def test_a_container_that_outlived_its_engine_is_watched_on(
    daemon: Daemon, watching: Watch
) -> None:
    def back() -> None:
        daemon.listen()
        daemon.end(0)

    daemon.die()
    with meanwhile(back):
        found = watching.wait()
    assert (found.code, found.engine_died) == (0, False)


def test_an_engine_that_does_not_come_back(
    daemon: Daemon, watching: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "RETURN_SECONDS", 0.0)
    daemon.die()
    with pytest.raises(EngineUnreachableError):
        watching.wait()


def test_a_container_that_vanished(daemon: Daemon, watching: Watch) -> None:
    daemon.die()
    daemon.state = None
    daemon.listen()
    with pytest.raises(ContainerGoneError):
        watching.wait()


def test_one_that_never_ran(daemon: Daemon, watching: Watch) -> None:
    daemon.end(0)
    daemon.state = NEVER_RAN
    assert not watching.wait().started


def test_an_engine_that_tells_the_end_while_it_goes_down_is_waited_for(
    daemon: Daemon, watching: Watch
) -> None:
    """It answered, and says how only when it is back; found by tests/faults (engine-stopped)."""
    watching._wire.close()  # what was kept open would still answer
    daemon.refuse()
    daemon.end(143)
    with meanwhile(daemon.listen, after=0.3):
        found = watching.wait()
    assert found.code == 143
