"""What the engine is told to make: the defaults of containment, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from outrig.core.engine import BRIDGED, UNLINKED, Container, Exit, Facts, Link, Mount
from outrig.core.frozen import replace
from outrig.core.security import Security
from outrig.engine.container import NEVER, body, read_exit, read_seen

if TYPE_CHECKING:
    from collections.abc import Mapping

FACTS = Facts(
    id="ID",
    version="20.10.24",
    api_version="1.41",
    os="linux",
    architecture="amd64",
    kernel="6.1",
    cpus=2,
    memory=1000,
    storage_driver="overlay2",
    root_directory="/var/lib/docker",
    cgroup_version="2",
    cgroup_driver="systemd",
    rootless=False,
    userns_remap=False,
    seccomp=True,
    swap_limit=True,
    runc_version="1.1.5",
    open_files=1_048_576,
)
INNER = Link(kind="inner", to="n1", address="100.64.0.3", resolvers=("100.64.0.2",))
CONTAINER = Container(
    name="outrig-x",
    labels={"org.outrig.session": "x"},
    image="sha256:1",
    entrypoint=None,
    command=("echo", "hi there"),
    user="1000:1000",
    working_dir="/workspace/sub",
    mounts=(
        Mount(source="/src", target="/workspace", writable=True),
        Mount(source="/usr", target="/usr"),
    ),
    network=UNLINKED,
    memory=None,
    cpus=None,
    pids=512,
    log_bytes=1024,
    tty=False,
    stdin=False,
)


def made(
    facts: Facts = FACTS,
    api: tuple[int, int] = (1, 41),
    *,
    has_stty: bool = False,
    **changes: Any,
) -> dict[str, Any]:
    env = {"A": "1", "TINI_KILL_PROCESS_GROUP": "0"}
    container = replace(CONTAINER, **changes)
    return dict(body(container, env, facts=facts, api=api, has_stty=has_stty))


def host(facts: Facts = FACTS, api: tuple[int, int] = (1, 41), **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = made(facts, api, **changes)["HostConfig"]
    return found


def test_containment_is_the_default() -> None:
    found = host()
    assert found["CapDrop"] == ["ALL"]
    assert found["SecurityOpt"] == ["no-new-privileges"]
    assert found["Init"] is True
    assert found["PidsLimit"] == 512
    assert found["NetworkMode"] == "none"
    assert found["RestartPolicy"] == {"Name": "no"}
    assert {"Name": "core", "Soft": 0, "Hard": 0} in found["Ulimits"]
    assert found["CapAdd"] == []
    assert found["Privileged"] is False
    assert found["ShmSize"] == 256 * 1024**2
    assert not {"Devices", "Binds", "PidMode", "IpcMode", "ReadonlyRootfs", "Tmpfs"} & set(found)


def test_what_loosens_and_tightens_it() -> None:
    security = Security(capabilities=("NET_RAW",), read_only=True, open_files=100, core=7, shm=1024)
    found = host(security=security, seccomp='{"defaultAction": "SCMP_ACT_ERRNO"}')
    assert (found["CapDrop"], found["CapAdd"]) == (["ALL"], ["NET_RAW"])
    assert found["SecurityOpt"] == [
        "no-new-privileges",
        'seccomp={"defaultAction": "SCMP_ACT_ERRNO"}',
    ]
    assert found["ReadonlyRootfs"] is True
    assert found["Tmpfs"].keys() == {"/tmp", "/run", "/var/tmp"}
    assert all("nosuid" in options for options in found["Tmpfs"].values())
    assert found["ShmSize"] == 1024
    mounts = (Mount(source="/srv", target="/tmp"), Mount(source="/srv", target="/run/x"))
    assert host(security=security, mounts=mounts)["Tmpfs"].keys() == {"/run", "/var/tmp"}
    assert {"Name": "core", "Soft": 7, "Hard": 7} in found["Ulimits"]
    assert {"Name": "nofile", "Soft": 100, "Hard": 100} in host(
        replace(FACTS, open_files=1000), security=security
    )["Ulimits"]


def test_sources_of_mounts_must_exist() -> None:
    assert host()["Mounts"] == [
        {"Type": "bind", "Source": "/src", "Target": "/workspace", "ReadOnly": False},
        {"Type": "bind", "Source": "/usr", "Target": "/usr", "ReadOnly": True},
    ]


def test_signals_reach_the_whole_process_group_whatever_env_says() -> None:
    assert made()["Env"] == ["A=1", "TINI_KILL_PROCESS_GROUP=1"]


@pytest.mark.parametrize(
    ("entrypoint", "told"), [(None, None), ((), [""]), (("sh", "-c"), ["sh", "-c"])]
)
def test_entrypoint(entrypoint: tuple[str, ...] | None, told: list[str] | None) -> None:
    assert made(entrypoint=entrypoint).get("Entrypoint") == told


@pytest.mark.parametrize(
    ("stdin", "tty", "once"), [(False, False, False), (True, False, True), (True, True, False)]
)
def test_stdin_ends_with_us_but_a_terminal_does_not(*, stdin: bool, tty: bool, once: bool) -> None:
    found = made(stdin=stdin, tty=tty)
    assert (found["OpenStdin"], found["StdinOnce"], found["Tty"]) == (stdin, once, tty)


def test_memory_includes_swap() -> None:
    assert (host(memory=500)["Memory"], host(memory=500)["MemorySwap"]) == (500, 500)
    assert (host()["Memory"], host()["MemorySwap"]) == (800, 800)  # 80 % of the engine's


def test_cpus() -> None:
    assert host()["NanoCpus"] == 0
    assert host(cpus=1.5)["NanoCpus"] == 1_500_000_000


@pytest.mark.parametrize(("limit", "given"), [(1_048_576, 65_536), (20_000, 20_000)])
def test_open_files_are_never_more_than_the_engine_has(limit: int, given: int) -> None:
    found = host(replace(FACTS, open_files=limit))["Ulimits"]
    assert {"Name": "nofile", "Soft": given, "Hard": given} in found


def test_open_files_are_left_alone_where_the_engines_limit_is_unknown() -> None:
    found = host(replace(FACTS, open_files=None))["Ulimits"]
    assert [limit["Name"] for limit in found] == ["core"]


def test_the_engines_log_keeps_every_byte_up_to_the_bound() -> None:
    assert host()["LogConfig"] == {
        "Type": "local",
        "Config": {"max-size": "1024", "max-file": "1", "compress": "false"},
    }


@pytest.mark.parametrize(
    ("link", "said"),
    [
        (UNLINKED, {"NetworkMode": "none"}),
        (BRIDGED, {"NetworkMode": "bridge"}),
        (Link(kind="bridge", to="corporate"), {"NetworkMode": "corporate"}),
        (Link(kind="joined", to="5f1c"), {"NetworkMode": "container:5f1c"}),
        (INNER, {"NetworkMode": "n1", "Dns": ["100.64.0.2"]}),
    ],
)
def test_how_it_meets_the_network(link: Link, said: Mapping[str, Any]) -> None:
    told = host(network=link)
    assert {name: told.get(name) for name in said} == said


def test_beside_a_gateway_it_has_an_address_and_no_ipv6() -> None:
    body = made(network=INNER)
    assert body["NetworkingConfig"]["EndpointsConfig"] == {
        "n1": {"IPAMConfig": {"IPv4Address": "100.64.0.3"}}
    }
    assert body["HostConfig"]["Sysctls"] == {"net.ipv6.conf.all.disable_ipv6": "1"}
    assert "NetworkingConfig" not in made()


def test_userns_of_the_host_only_where_the_workspace_needs_it() -> None:
    assert "UsernsMode" not in host()
    assert host(keep_host_userns=True)["UsernsMode"] == "host"


def test_a_terminals_size_is_told_to_engines_that_listen() -> None:
    assert "ConsoleSize" not in host(tty=True, size=(24, 80))
    assert host(api=(1, 42), tty=True, size=(24, 80))["ConsoleSize"] == [24, 80]


@pytest.mark.parametrize("entrypoint", [None, (), ("env", "A=1")])
def test_a_terminals_size_is_set_from_within_where_the_engine_does_not(
    entrypoint: tuple[str, ...] | None,
) -> None:
    asked = made(tty=True, size=(24, 80), entrypoint=entrypoint, has_stty=True)
    assert asked["Entrypoint"] == ["/bin/sh"]
    option, script, _, *words = asked["Cmd"]
    assert option == "-c"
    assert script.startswith("stty rows 24 cols 80 ")
    assert words == [*(entrypoint or ()), *CONTAINER.command]


@pytest.mark.parametrize(
    "how",
    [
        {"api": (1, 42)},
        {"has_stty": False},
        {"tty": False},
        {"size": None},
        {"command": ()},
    ],
)
def test_else_a_command_is_left_as_it_is(how: dict[str, Any]) -> None:
    asked = made(**{"tty": True, "size": (24, 80), "has_stty": True, **how})
    assert asked["Cmd"] == list(how.get("command", CONTAINER.command))
    assert "Entrypoint" not in asked


def test_how_it_ended() -> None:
    # docker 20.10.24, a container that was killed for its memory
    state = {
        "Status": "exited",
        "Running": False,
        "OOMKilled": True,
        "ExitCode": 137,
        "Error": "",
        "StartedAt": "2026-11-21T13:12:16.21070742Z",
        "FinishedAt": "2026-11-21T13:12:17.1Z",
    }
    assert read_exit(state, engine_died=False) == Exit(
        code=137, oom=True, error="", started=True, finished_at="2026-11-21T13:12:17.1Z"
    )
    assert not read_exit({**state, "StartedAt": NEVER}, engine_died=False).started


def test_what_is_seen_of_a_container_that_is_not_ours() -> None:
    listed = {"Id": "1", "Names": ["/outrig-y"], "Labels": None, "State": "paused"}
    seen = read_seen(listed, endpoint="unix:///x")
    assert (seen.name, seen.session, seen.role, seen.alive) == ("outrig-y", "", "", True)
