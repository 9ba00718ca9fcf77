"""What is decided before anything happens, one decision after the other."""

from __future__ import annotations

import pytest

from outrig.core.config import (
    ImageConfig,
    LimitsConfig,
    MountConfig,
    NetworkConfig,
    RunConfig,
    WorkspaceConfig,
)
from outrig.core.frozen import replace
from outrig.core.plan import ImagePlan, Place
from outrig.core.request import Request
from outrig.errors import MountError
from tests.core.drafts import (
    ADA,
    BOT,
    COMMAND,
    PLACE,
    PROMPTED,
    drafted,
    refusal,
)

# ---------------------------------------------------------------- image


@pytest.mark.parametrize(
    ("request_", "agent_image", "default", "expected"),
    [
        (COMMAND, None, "host", ImagePlan(kind="host", name="host")),
        (COMMAND, None, "dev", ImagePlan(kind="configured", name="dev")),
        (COMMAND, None, "debian:12", ImagePlan(kind="local", name="debian:12")),
        (COMMAND, "dev", "host", ImagePlan(kind="host", name="host")),
        (PROMPTED, None, "host", ImagePlan(kind="host", name="host", otherwise="bot")),
        (PROMPTED, None, "dev", ImagePlan(kind="configured", name="dev")),
        (PROMPTED, "dev", "other", ImagePlan(kind="configured", name="dev")),
        (PROMPTED, "host", "dev", ImagePlan(kind="host", name="host", otherwise="bot")),
    ],
)
def test_the_image(request_, agent_image, default, expected):
    agents = {"bot": replace(BOT, image=agent_image)}
    images = {"dev": ImageConfig(), "bot": ImageConfig()}
    plan = drafted(request_, agents=agents, images=images, default_image=default)
    assert plan.image == expected
    for flagged in (
        ImagePlan(kind="configured", name="dev"),
        ImagePlan(kind="local", name="x:1"),
        ImagePlan(kind="host", name="host"),
    ):
        asked = replace(request_, image=flagged.name)
        assert drafted(asked, agents=agents, images=images).image == flagged


def test_an_agent_without_an_image_of_its_name_has_no_other():
    assert drafted(PROMPTED).image == ImagePlan(kind="host", name="host")


# ---------------------------------------------------------------- places


@pytest.mark.parametrize(
    ("start", "workdir", "expected"),
    [
        ("/home/ada/code", None, "/workspace"),
        ("/home/ada/code/a/b", None, "/workspace/a/b"),
        ("/home/ada/code/..odd", None, "/workspace/..odd"),
        ("/home/ada/codetop", None, "/workspace"),
        ("/home/ada", None, "/workspace"),
        ("/home/ada/code/a", "sub", "/workspace/sub"),
        ("/home/ada/code/a", "", "/workspace"),
        ("/home/ada/code", "/tmp/x/..", "/tmp"),
        ("/home/ada/code", "..", "/"),
    ],
)
def test_where_it_starts(start, workdir, expected):
    place = replace(PLACE, start=start)
    plan = drafted(Request(words=("true",), workdir=workdir), place=place)
    assert plan.working_dir == expected


def test_the_workspace_may_appear_elsewhere():
    place = replace(PLACE, start="/home/ada/code/sub")
    plan = drafted(place=place, workspace=WorkspaceConfig(target="/src/./"))
    assert (plan.target, plan.working_dir) == ("/src", "/src/sub")


@pytest.mark.parametrize("target", ["/", "/proc/x", "relative", "/home", "/home/ada"])
def test_a_target_that_is_refused(target):
    assert isinstance(refusal(workspace=WorkspaceConfig(target=target)), MountError)


# ---------------------------------------------------------------- mounts


def test_mounts_of_config_and_flags():
    workspace = WorkspaceConfig(
        mounts=(
            MountConfig(host="/a", container="/a"),
            MountConfig(host="/b", container="/b", mode="rw"),
        )
    )
    plan = drafted(
        Request(words=("true",), volumes=("c:/c",)),
        workspace=workspace,
        origin={"workspace.mounts[0].host": "/etc/outrig/config.toml:3"},
        confined={"workspace.mounts[1].host": "/home/ada/code"},
    )
    assert [(one.source, one.target, one.writable) for one in plan.mounts] == [
        ("/a", "/a", False),
        ("/b", "/b", True),
        ("c", "/c", False),
    ]
    assert [one.declared for one in plan.mounts] == [
        "/etc/outrig/config.toml:3",
        "workspace.mounts[1]",
        "-v c:/c",
    ]
    assert [one.within for one in plan.mounts] == [None, "/home/ada/code", None]


@pytest.mark.parametrize(
    "volumes", [("/a:/workspace",), ("/a:/x", "/b:/x/"), ("/a:/home/ada",), ("/a:/home",)]
)
def test_mounts_that_take_a_place_that_is_taken(volumes):
    assert isinstance(refusal(Request(words=("true",), volumes=volumes)), MountError)


def test_a_mount_below_home_is_fine():
    plan = drafted(Request(words=("true",), volumes=("/a:/home/ada/.cache/x", "/b:/home/bob")))
    assert len(plan.mounts) == 2


# ---------------------------------------------------------------- who, how much, what for


def test_the_user_is_judged_before_anything_happens():
    assert "neither caller, root" in refusal(run=RunConfig(user="me")).message
    assert drafted(run=RunConfig(user="root")).user == "root"


@pytest.mark.parametrize(
    ("agent", "session", "expected"),
    [
        (None, "open", "open"),
        (None, "none", "none"),
        ("none", "open", "none"),
        ("open", "none", "none"),
        ("open", "open", "open"),
        ("filter", "open", "filter"),
    ],
)
def test_the_tighter_network_holds(agent, session, expected):
    agents = {"bot": replace(BOT, network=agent)}
    network = NetworkConfig(mode=session)
    assert drafted(PROMPTED, agents=agents, network=network).network.mode == expected
    assert drafted(COMMAND, agents=agents, network=network).network.mode == session


def test_what_an_agent_cannot_work_without_is_allowed_where_it_is_filtered():
    agents = {"bot": replace(BOT, network="filter", hosts=("model.example:443",))}
    request = replace(PROMPTED, allow=("b.example",), deny=("c.example",))
    plan = drafted(request, agents=agents, network=NetworkConfig(allow=("a.example",)))
    assert plan.network.allow == ("model.example:443", "a.example", "b.example")
    assert plan.network.deny == ("c.example",)


def test_limits_are_those_of_the_configuration():
    limits = LimitsConfig(memory=1024, cpus=1.5, pids=7, wall=60.0, log_bytes=99)
    plan = drafted(limits=limits, run=RunConfig(grace=3.0))
    assert (plan.memory, plan.cpus, plan.pids) == (1024, 1.5, 7)
    assert (plan.wall, plan.log_bytes, plan.grace) == (60.0, 99, 3.0)


@pytest.mark.parametrize("name", ["a", "fix-1", "A.b_c", "x" * 63])
def test_a_name(name):
    assert drafted(Request(words=("true",), name=name)).name == name


@pytest.mark.parametrize("name", ["", "-a", "a/b", "a b", "x" * 64, "20260501T134412-3f2a", "a\n"])
def test_a_name_that_is_none(name):
    assert "cannot be a session name" in refusal(Request(words=("true",), name=name)).message


def test_labels_and_environment_names():
    plan = drafted(Request(words=("true",), labels={"k": "v"}))
    assert plan.labels == {"k": "v"}
    assert plan.env_names == ("A", "B")


def test_notices_say_what_is_exposed():
    place = replace(PLACE, repository=True)
    (network,) = drafted(place=place).spoken
    assert "network open" in network
    git, _ = drafted(place=place, workspace=WorkspaceConfig(git="bind")).spoken
    assert "the session can write the repository's own .git" in git
    assert drafted(network=NetworkConfig(mode="none")).spoken == ()


@pytest.mark.parametrize(
    "how",
    [
        {"request": Request(words=("printf", "a\udcffb"))},
        {"request": Request(words=("true",), workdir="\udcff")},
        {"request": Request(words=("true",), image="\udcff")},
        {"request": Request(words=("true",), volumes=("/a\udcff:/b",))},
        {"place": Place(root="/w\udcff", start="/w\udcff", owner=ADA)},
        {"host_paths": ("/opt/\udcff",)},
    ],
)
def test_what_an_engine_would_garble_is_refused(how):
    assert "is not UTF-8" in refusal(**how).message
