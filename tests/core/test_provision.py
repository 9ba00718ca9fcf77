"""Which machine gets which steps, and which user gets which advice."""

from __future__ import annotations

import pytest

from outrig.core.frozen import replace
from outrig.core.provision import Machine, steps
from outrig.errors import EngineUnreachableError

BARE = Machine(
    system="Linux",
    families=frozenset({"debian"}),
    root=True,
    systemd=False,
    cgroups=True,
    installed=False,
    socket=None,
    endpoint=None,
    user="ann",
    outrig="/venv/bin/outrig",
)
UBUNTU = replace(BARE, families=frozenset({"ubuntu", "debian"}))
READY = replace(BARE, installed=True)
FEDORA = replace(BARE, families=frozenset({"fedora"}))


INSTALL = ("refresh-packages", "install")


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        pytest.param(BARE, (*INSTALL, "start-daemon"), id="debian"),
        pytest.param(UBUNTU, (*INSTALL, "start-daemon"), id="ubuntu"),
        pytest.param(replace(BARE, systemd=True), (*INSTALL, "start-service"), id="systemd"),
        pytest.param(READY, ("start-daemon",), id="ready"),
        pytest.param(replace(READY, systemd=True), ("start-service",), id="ready-systemd"),
        pytest.param(
            replace(READY, cgroups=False), ("mount-cgroups", "start-daemon"), id="no-cgroups"
        ),
        pytest.param(
            replace(READY, systemd=True, cgroups=False), ("start-service",), id="systemd-mounts"
        ),
        pytest.param(
            replace(FEDORA, installed=True, systemd=True), ("start-service",), id="fedora-ready"
        ),
        pytest.param(
            replace(READY, socket="/var/run/docker.sock"), ("start-daemon",), id="dead-socket"
        ),
    ],
)
def test_steps(machine, expected):
    assert steps(machine) == expected


@pytest.mark.parametrize(
    ("machine", "message", "hint"),
    [
        (replace(BARE, endpoint="tcp://far:2376"), "tcp://far:2376", "unset DOCKER_HOST"),
        (replace(BARE, system="Darwin", families=frozenset()), "Darwin", "colima start"),
        (FEDORA, "only apt's docker.io", "docs.docker.com/engine/install"),
        (replace(FEDORA, root=False), "only apt's docker.io", "docs.docker.com/engine/install"),
        (
            replace(BARE, root=False, installed=True, socket="/var/run/docker.sock"),
            "/var/run/docker.sock is there, but no engine answers ann",
            "sudo usermod -aG docker ann",
        ),
        (
            replace(BARE, root=False),
            "only root can have one installed",
            "sudo /venv/bin/outrig doctor --fix",
        ),
        (
            replace(FEDORA, root=False, installed=True),
            "only root can have one started",
            "sudo /venv/bin/outrig doctor --fix",
        ),
    ],
    ids=["named", "mac", "fedora", "fedora-user", "group", "user", "user-installed"],
)
def test_advice(machine, message, hint):
    with pytest.raises(EngineUnreachableError) as caught:
        steps(machine)
    assert message in caught.value.message
    assert caught.value.hint is not None
    assert hint in caught.value.hint
