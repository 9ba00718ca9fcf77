"""Each row of what the doctor makes of an engine, a disk and unfinished sessions."""

from __future__ import annotations

import pytest

from outrig.core import doctor
from outrig.core.doctor import ENGINE_FLAWS, GIB, RUNC_FLAWS, engine_checks
from outrig.core.engine import Facts, Locality
from outrig.core.frozen import replace

GOOD = Facts(
    id="ABCD",
    version="28.2.2",
    api_version="1.50",
    os="linux",
    architecture="amd64",
    kernel="6.1",
    cpus=2,
    memory=8 * GIB,
    storage_driver="overlay2",
    root_directory="/var/lib/docker",
    cgroup_version="2",
    cgroup_driver="systemd",
    rootless=False,
    userns_remap=False,
    seccomp=True,
    swap_limit=True,
    runc_version="1.2.8",
)
HERE = Locality(local=True, why="")


def by_name(facts, locality=HERE):
    return {check.name: check for check in engine_checks(facts, "unix:///x.sock", locality)}


def test_a_good_engine():
    checks = by_name(GOOD)
    assert {check.state for check in checks.values()} == {"ok"}
    assert {check.remedy for check in checks.values()} == {None}
    assert checks["engine"].says == "docker 28.2.2 at unix:///x.sock"
    assert checks["api"].says == "1.50, linux/amd64"
    assert checks["storage"].says == "overlay2 in /var/lib/docker"
    assert checks["cgroup"].says == "version 2, driver systemd"


@pytest.mark.parametrize(
    ("change", "name", "state", "says"),
    [
        ({"version": "20.10.24+dfsg1"}, "engine", "warning", "moby#46661"),
        ({"version": "20.10.24+dfsg1"}, "engine", "warning", "CVE-2024-29018"),
        ({"version": "4.9.3"}, "engine", "ok", "podman 4.9.3"),
        ({"version": "unknown"}, "engine", "ok", "unknown"),
        ({"runc_version": "1.1.5+ds1"}, "runc", "warning", "CVE-2025-31133"),
        ({"seccomp": False}, "seccomp", "warning", "every system call"),
        ({"version": "20.10.24+dfsg1"}, "seccomp", "warning", "AF_VSOCK"),
        ({"version": "23.0.0"}, "seccomp", "ok", "the engine's profile"),
        ({"version": "4.9.3"}, "seccomp", "ok", "the engine's profile"),  # podman
        ({"storage_driver": "vfs"}, "storage", "warning", "copies the whole image"),
        ({"cgroup_driver": "none"}, "cgroup", "warning", "not enforced"),
        ({"cgroup_version": "1", "swap_limit": False}, "cgroup", "warning", "swap"),
        ({"cgroup_version": "1", "swap_limit": True}, "cgroup", "ok", "version 1"),
        ({"cgroup_version": "2", "swap_limit": False}, "cgroup", "ok", "version 2"),
        ({"rootless": True}, "rootless", "ok", "yes"),
        ({"userns_remap": True}, "rootless", "ok", "userns-remap"),
        ({}, "rootless", "ok", "as good as root"),
    ],
    ids=str,
)
def test_what_an_engine_says(change, name, state, says):
    check = by_name(replace(GOOD, **change))[name]
    assert check.state == state
    assert says in check.says
    assert (check.remedy is None) == (state == "ok")


@pytest.mark.parametrize(
    ("servers", "behind", "says"),
    [
        (["10.0.0.1"], [], "10.0.0.1"),
        (["127.0.0.1", "10.0.0.1"], [], "10.0.0.1"),
        (["127.0.0.53"], ["10.0.0.2"], "10.0.0.2"),
        (["127.0.0.53"], [], None),
        (["::1"], ["127.0.0.1"], None),
        ([], [], None),
    ],
)
def test_resolvers_that_a_container_cannot_reach(servers, behind, says):
    check = doctor.resolver(servers, behind)
    if says:
        assert (check.state, check.says, check.remedy) == ("ok", says, None)
    else:
        assert check.state == "warning"
        assert "public resolvers" in check.says
        assert "daemon.json" in str(check.remedy)


@pytest.mark.parametrize(("value", "state"), [("1", "ok"), ("0", "warning"), (None, "warning")])
def test_a_bridge_that_no_rule_is_asked_about(value, state):
    check = doctor.bridge_filter(value)
    assert check.state == state
    assert (check.remedy == "modprobe br_netfilter") == (state == "warning")


@pytest.mark.parametrize(
    ("absent", "remedy"),
    [
        ([], None),
        (["iptables-restore", "ip6tables-restore"], "apt-get install iptables"),
        (["ip", "setpriv"], "apt-get install iproute2 util-linux"),
    ],
)
def test_what_the_network_needs(absent, remedy):
    check = doctor.network(absent)
    assert check.remedy == remedy
    assert check.state == ("warning" if absent else "ok")
    assert all(name in check.says for name in absent)


def test_a_far_engine_is_wrong():
    check = by_name(GOOD, Locality(local=False, why="it is not a unix socket"))["local"]
    assert check.state == "wrong"
    assert "it is not a unix socket" in check.says
    assert check.remedy


def test_an_engine_without_runc_has_no_line_for_it():
    assert "runc" not in by_name(replace(GOOD, runc_version=""))


@pytest.mark.parametrize(
    ("version", "wedges", "leaks"),
    [
        ((20, 10, 26), True, True),
        ((20, 10, 27), False, True),
        ((23, 0, 10), False, True),
        ((23, 0, 11), False, False),
        ((24, 0, 9), False, True),
        ((25, 0, 4), False, True),
        ((25, 0, 5), False, False),
        ((26, 0, 0), False, False),
        ((28, 2, 2), False, False),
    ],
)
def test_engine_flaws(version, wedges, leaks):
    assert [flaw.affects(version) for flaw in ENGINE_FLAWS] == [wedges, leaks]


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ((1, 1, 15), True),
        ((1, 2, 7), True),
        ((1, 2, 8), False),
        ((1, 3, 2), True),
        ((1, 3, 3), False),
        ((1, 4, 0), False),
    ],
)
def test_runc_flaws(version, affected):
    assert [flaw.affects(version) for flaw in RUNC_FLAWS] == [affected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20.10.24+dfsg1", (20, 10, 24)),
        ("1.1.5+ds1", (1, 1, 5)),
        ("26.1.3", (26, 1, 3)),
        ("1.4.0-rc.2", (1, 4, 0)),
        ("", ()),
        ("dev", ()),
    ],
)
def test_numbers(text, expected):
    assert doctor.numbers(text) == expected


@pytest.mark.parametrize(
    ("free", "state"),
    [(2 * GIB, "ok"), (2 * GIB - 1, "warning"), (GIB // 4, "warning"), (GIB // 4 - 1, "wrong")],
)
def test_room(free, state):
    check = doctor.room("disk", "/var", free)
    assert check.state == state
    assert (check.remedy is None) == (state == "ok")


def test_sessions():
    assert doctor.sessions([], [], []).says == "none unfinished"
    assert doctor.sessions(["a", "b"], [], []).says == "2 running"


def test_sessions_that_nobody_looks_after_are_taken_up_or_stopped_never_thrown_away():
    check = doctor.sessions(["a"], ["20260501T134412-3f2a"], [])
    assert check.state == "warning"
    assert check.remedy == (
        "outrig logs -f 20260501T134412-3f2a; or, to end them: outrig stop 20260501T134412-3f2a"
    )


def test_sessions_whose_engine_is_silent_wait_for_it():
    check = doctor.sessions(["a"], [], ["20260501T134412-3f2a"])
    assert check.state == "warning"
    assert check.says == "nobody can say what became of: 20260501T134412-3f2a"
    assert check.remedy == "outrig ls, where they were started, once their engine answers"
