"""Facts read from what engines answer, whole or with holes."""

from __future__ import annotations

import pytest

from outrig.engine.facts import read

# docker 20.10.24, cut to what is read
INFO = {
    "ID": "3IZF:AOEM",
    "Driver": "overlay2",
    "SwapLimit": True,
    "CgroupDriver": "cgroupfs",
    "CgroupVersion": "1",
    "KernelVersion": "6.18.44",
    "NCPU": 2,
    "MemTotal": 25276502016,
    "DockerRootDir": "/var/lib/docker",
    "SecurityOptions": ["name=seccomp,profile=default"],
    "Warnings": None,
}
VERSION = {
    "Components": [
        {"Name": "Engine", "Version": "20.10.24+dfsg1"},
        {"Name": "runc", "Version": "1.1.5+ds1"},
    ],
    "Version": "20.10.24+dfsg1",
    "ApiVersion": "1.41",
    "Os": "linux",
    "Arch": "amd64",
}


def test_what_docker_says_of_itself() -> None:
    facts = read(INFO, VERSION)
    assert (facts.id, facts.version, facts.api_version) == ("3IZF:AOEM", "20.10.24+dfsg1", "1.41")
    assert (facts.platform, facts.cpus, facts.memory) == ("linux/amd64", 2, 25276502016)
    assert (facts.seccomp, facts.rootless, facts.userns_remap) == (True, False, False)
    assert (facts.runc_version, facts.cgroup_version) == ("1.1.5+ds1", "1")
    assert facts.warnings == ()


@pytest.mark.parametrize(
    ("options", "rootless", "remapped"),
    [
        (["name=rootless", "name=cgroupns"], True, False),
        (["name=userns"], False, True),
        (["name=apparmor"], False, False),
        (None, False, False),
    ],
)
def test_what_its_security_options_mean(
    options: list[str] | None, *, rootless: bool, remapped: bool
) -> None:
    facts = read({**INFO, "SecurityOptions": options}, VERSION)
    assert (facts.rootless, facts.userns_remap, facts.seccomp) == (rootless, remapped, False)


def test_an_engine_that_says_little_is_no_error() -> None:
    facts = read({}, {})
    assert (facts.memory, facts.version, facts.runc_version) == (0, "", "")
