"""Finding the engine: every way that docker users point at one, and what failing says."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from outrig.engine import endpoint
from outrig.errors import ConfigError, EngineUnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.conftest import Home


@pytest.fixture
def listening(home: Home) -> Iterator[str]:
    path = str(home.run / "docker.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        yield path


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch, home: Home) -> None:
    """The machine's own sockets are out of sight: only those of the test's home are usual."""
    inside = str(home.run)
    usual = endpoint.usual_sockets

    def nearby(env: Mapping[str, str], top: Path) -> Iterator[str]:
        return (path for path in usual(env, top) if path.startswith((inside, str(top))))

    monkeypatch.setattr(endpoint, "usual_sockets", nearby)


def context(home: Path, name: str, host: str, *, skip: bool = False) -> Path:
    digest = hashlib.sha256(name.encode()).hexdigest()
    meta = home / ".docker/contexts/meta" / digest / "meta.json"
    meta.parent.mkdir(parents=True)
    place = {"Host": host, "SkipTLSVerify": skip}
    meta.write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": {"docker": place}}))
    return home / ".docker/contexts/tls" / digest / "docker"


@pytest.mark.parametrize(
    ("url", "path", "address"),
    [
        ("unix:///run/x.sock", "/run/x.sock", None),
        ("tcp://127.0.0.1:2375", None, ("127.0.0.1", 2375)),
        ("tcp://box", None, ("box", 2375)),
        ("tcp://[::1]:99", None, ("::1", 99)),
        ("tcp://[::1]", None, ("::1", 2375)),
        ("http://box:80/", None, ("box", 80)),
        ("box:1234", None, ("box", 1234)),
    ],
)
def test_a_url_as_docker_host_may_hold_it(
    tmp_path: Path, url: str, path: str | None, address: tuple[str, int] | None
) -> None:
    found = endpoint.find(None, env={"DOCKER_HOST": url}, home=tmp_path)
    assert (found.path, found.address, found.tls) == (path, address, None)
    assert found.origin == "DOCKER_HOST"


@pytest.mark.parametrize("url", ["npipe:////./pipe/docker", "fd://", "tcp://box:port", "tcp://:1"])
def test_a_url_that_is_none_is_refused_by_name(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="DOCKER_HOST is no engine URL"):
        endpoint.find(None, env={"DOCKER_HOST": url}, home=tmp_path)


def test_ssh_is_refused_with_the_way_round_it(tmp_path: Path) -> None:
    with pytest.raises(EngineUnreachableError, match="does not speak ssh") as refused:
        endpoint.find("ssh://me@box", env={}, home=tmp_path)
    assert "ssh -nNT -L" in str(refused.value.hint)
    assert "me@box" in str(refused.value.hint)


def test_configuration_wins_over_docker_host(tmp_path: Path) -> None:
    env = {"DOCKER_HOST": "tcp://elsewhere"}
    found = endpoint.find("unix:///here", env=env, home=tmp_path)
    assert (found.path, found.origin) == ("/here", "engine of the configuration or the record")


def test_docker_host_wins_over_contexts(tmp_path: Path) -> None:
    context(tmp_path, "far", "tcp://far:1")
    env = {"DOCKER_HOST": "unix:///here", "DOCKER_CONTEXT": "far"}
    assert endpoint.find(None, env=env, home=tmp_path).path == "/here"


def test_the_current_context_is_read_from_dockers_own_files(tmp_path: Path) -> None:
    context(tmp_path, "far", "tcp://far:1")
    context(tmp_path, "near", "unix:///near")
    (tmp_path / ".docker/config.json").write_text('{"currentContext": "far"}')
    assert endpoint.find(None, env={}, home=tmp_path).address == ("far", 1)
    env = {"DOCKER_CONTEXT": "near"}
    assert endpoint.find(None, env=env, home=tmp_path).path == "/near"
    assert endpoint.find("far", env=env, home=tmp_path).origin == "docker context 'far'"
    elsewhere = {"DOCKER_CONFIG": str(tmp_path / ".docker")}
    assert endpoint.find(None, env=elsewhere, home=Path("/nowhere")).address == ("far", 1)


def test_a_contexts_own_keys_are_used(tmp_path: Path) -> None:
    keys = context(tmp_path, "far", "tcp://far:1", skip=True)
    keys.mkdir(parents=True)
    (keys / "ca.pem").touch()
    tls = endpoint.find("far", env={}, home=tmp_path).tls
    assert tls == endpoint.Tls(ca=keys / "ca.pem", verify=False)


def test_a_context_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no docker context 'gone'"):
        endpoint.find("gone", env={}, home=tmp_path)


def test_dockers_configuration_that_is_broken_is_named(tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text("{")
    with pytest.raises(ConfigError, match=r"config\.json"):
        endpoint.find(None, env={}, home=tmp_path)


def test_tls_as_dockers_variables_ask_for_it(tmp_path: Path) -> None:
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (tmp_path / name).touch()
    env = {"DOCKER_HOST": "tcp://box", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}
    found = endpoint.find(None, env=env, home=tmp_path)
    assert found.address == ("box", 2376)
    assert found.tls == endpoint.Tls(
        ca=tmp_path / "ca.pem", cert=tmp_path / "cert.pem", key=tmp_path / "key.pem"
    )


@pytest.mark.usefixtures("quiet")
def test_a_usual_socket_is_found_where_nothing_is_said(home: Home, listening: str) -> None:
    env = {"XDG_RUNTIME_DIR": str(home.run)}
    found = endpoint.find(None, env=env, home=home.path)
    assert found.path == listening
    assert (
        endpoint.find("default", env={**env, "DOCKER_HOST": "x"}, home=home.path).path == listening
    )


@pytest.mark.usefixtures("quiet")
def test_without_any_socket_the_places_are_named(home: Home) -> None:
    with pytest.raises(EngineUnreachableError, match=r"run/docker\.sock") as refused:
        endpoint.find(None, env={"XDG_RUNTIME_DIR": str(home.run)}, home=home.path)
    assert refused.value.hint == "outrig doctor --fix"


@pytest.mark.usefixtures("quiet")
def test_a_socket_that_nobody_listens_on_is_named_with_the_reason(home: Home) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(home.run / "docker.sock"))
    with pytest.raises(EngineUnreachableError, match="Connection refused"):
        endpoint.find(None, env={"XDG_RUNTIME_DIR": str(home.run)}, home=home.path)


@pytest.mark.usefixtures("quiet")
@pytest.mark.skipif(os.geteuid() == 0, reason="root may open any socket")
def test_a_socket_that_we_may_not_open_says_so(home: Home, listening: str) -> None:
    Path(listening).chmod(0)
    with pytest.raises(EngineUnreachableError, match="no permission") as refused:
        endpoint.find(None, env={"XDG_RUNTIME_DIR": str(home.run)}, home=home.path)
    assert "usermod -aG docker" in str(refused.value.hint)


def test_permission_is_told_apart_from_absence() -> None:
    place = endpoint.Endpoint(url="unix:///x", origin="test", path="/x")
    denied = endpoint.unreachable(place, PermissionError(13, "Permission denied"))
    absent = endpoint.unreachable(place, FileNotFoundError(2, "No such file or directory"))
    assert "no permission" in denied.message
    assert "No such file" in absent.message


def test_dialling_reaches_a_tcp_engine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        accepted: list[socket.socket] = []
        thread = threading.Thread(target=lambda: accepted.append(listener.accept()[0]))
        thread.start()
        place = endpoint.parse(url, "test", env={}, home=Path("/nowhere"))
        with place.dial() as line:
            thread.join()
            accepted[0].sendall(b"hello")
            assert line.recv(5) == b"hello"
        accepted[0].close()
