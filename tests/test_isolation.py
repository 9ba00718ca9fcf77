"""The walls that conftest.py builds around a test hold."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest


def test_home_is_a_temporary_one(home):
    assert Path.home() == home.path
    assert not list(home.path.glob(".config/*"))
    assert os.environ["DOCKER_HOST"] == f"unix://{home.run}/no-engine.sock"


def test_settings_of_the_user_are_gone():
    assert not [name for name in os.environ if name.startswith(("OUTRIG_", "GIT_"))]


@pytest.mark.parametrize("path", ["/var/run/docker.sock", "/run/docker.sock"])
def test_the_engine_is_out_of_reach(path):
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(pytest.fail.Exception):
        client.connect(path)


def test_the_network_is_out_of_reach():
    # 192.0.2.0/24 is set aside for documentation: should the wall fall, nobody is disturbed.
    with socket.socket() as client, pytest.raises(pytest.fail.Exception):
        client.connect_ex(("192.0.2.1", 80))


def test_a_socket_of_the_test_is_in_reach(home):
    path = str(home.run / "mine")
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(path)
        server.listen()
        client.connect(path)
        assert client.getpeername() == path


def test_the_run_directory_leaves_room_for_a_socket_name(home):
    assert len(str(home.run / "outrig" / "20260501T134412-3f2a.sock")) < 108


@pytest.mark.docker
def test_the_engine_answers_who_asks_for_it(engine_client, busybox):
    said = engine_client.containers.run(busybox, ["ls", "/bin/busybox"], remove=True)
    assert said == b"/bin/busybox\n"
