"""Whether an engine sees our files: what is found out once, and what is not held against it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from outrig.core.engine import Locality
from outrig.engine import locality
from outrig.engine.endpoint import Endpoint
from outrig.engine.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Home

PONG = b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 0\r\n\r\n"


def answer(status: str, body: object) -> bytes:
    told = json.dumps(body).encode()
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status.encode(), len(told), told)


@contextlib.contextmanager
def engine(home: Home, *answers: bytes) -> Iterator[Wire]:
    """A wire to what answers the ping, and then each request in turn."""
    path = str(home.run / "engine.sock")

    def serve(listener: socket.socket) -> None:
        line, _ = listener.accept()
        with line:
            for said in (PONG, *answers):
                line.recv(65536)
                line.sendall(said)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        place = Endpoint(url=f"unix://{path}", origin="test", path=path)
        with contextlib.closing(Wire(place)) as wire:
            yield wire
        thread.join()


def test_without_a_writable_cache_a_temporary_file_does(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def mkdtemp(prefix: str) -> str:
        made.append(str(tmp_path / prefix))
        os.mkdir(made[0])
        return made[0]

    monkeypatch.setattr("tempfile.mkdtemp", mkdtemp)
    (tmp_path / "blocked").touch()  # so that even root cannot make anything below it
    with engine(home, answer("500 Oh", {"message": "no space left on device"})) as wire:
        found = locality.probe(wire, tmp_path / "blocked/.cache", "sha256:1", labels={})
        assert "no space left" in found.why
    assert made
    assert os.listdir(tmp_path) == ["blocked"]


def test_an_engine_that_has_no_such_path_is_elsewhere(home: Home, tmp_path: Path) -> None:
    # docker 20.10.24
    words = 'invalid mount config for type "bind": bind source path does not exist: /cache/nonce'
    with engine(home, answer("400 Bad Request", {"message": words})) as wire:
        found = locality.probe(wire, tmp_path, "sha256:1", labels={})
        assert not found.local
        assert "does not see /cache/nonce" in found.why
        assert locality.known(wire, tmp_path) == found
    assert not list(tmp_path.glob("nonce-*"))


def test_an_engine_in_trouble_is_asked_again(home: Home, tmp_path: Path) -> None:
    with engine(home, answer("500 Oh", {"message": "no space left on device"})) as wire:
        found = locality.probe(wire, tmp_path, "sha256:1", labels={})
        assert not found.local
        assert "no space left" in found.why
        assert locality.known(wire, tmp_path) is None


@pytest.mark.usefixtures("home")
def test_an_engine_over_the_network_is_elsewhere_without_asking(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()

        def serve() -> None:
            line, _ = listener.accept()
            with line:
                line.recv(65536)
                line.sendall(PONG)

        thread = threading.Thread(target=serve)
        thread.start()
        place = Endpoint(url=f"tcp://127.0.0.1:{address[1]}", origin="test", address=address)
        with contextlib.closing(Wire(place)) as wire:
            found = locality.known(wire, tmp_path)
        thread.join()
    assert found == Locality(local=False, why=f"tcp://127.0.0.1:{address[1]} is no unix socket")
