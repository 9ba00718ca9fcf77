"""Links that are planted while a session is being started, and those that were there before."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from outrig.core.engine import Mount
from outrig.core.frozen import replace
from outrig.engine import connect
from outrig.errors import MountError, UsageError, WorkspaceError
from outrig.runner.cancel import Never
from outrig.runner.launch import launch
from outrig.runner.mounted import foresee, refuse_links
from outrig.store.sessions import SessionStore
from tests.fakes import FakeEngine, Script
from tests.runner.orders import FAKE, launched, order, record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outrig.engine import Engine
    from tests.conftest import Home

ROOTFS = "575 89 0:58 / / rw - overlay overlay rw\n"


@pytest.fixture
def real(home: Home) -> Iterator[Engine]:
    made = connect(
        None,
        env=os.environ,
        home=home.path,
        cache=home.path / "cache",
        slots=home.path / "slots",
        root=SessionStore(home.sessions).root_id(),
    )
    yield made
    made.close()


def ended(home: Home) -> tuple[str, str, int]:
    said = record(home)
    return said["status"], said["reason"], said["exit_code"]


def test_a_difference_ends_the_session_before_it_counts_as_running(home: Home):
    engine = FakeEngine(Script(mounted=ROOTFS, runs_until="TERM"))
    with pytest.raises(WorkspaceError, match=r"the session was killed: .* nothing is mounted at "):
        launched(home, engine)
    assert ended(home) == ("failed", "workspace-failed", 125)
    assert not engine.containers


def test_of_one_that_has_ended_already_the_sources_are_looked_at(home: Home):
    (home.path / "data").mkdir()
    wanted = order(home, replace(FAKE, volumes=(f"{home.path}/data:/data",)))
    (home.path / "data").rename(home.path / "away")
    (home.path / "data").symlink_to(home.path / "away")
    with pytest.raises(WorkspaceError, match=f"{home.path}/data is a link now"):
        launched(home, FakeEngine(Script()), wanted)
    assert ended(home) == ("failed", "workspace-failed", 125)


@pytest.mark.docker
@pytest.mark.parametrize("writable", ["ro", "rw"])
def test_a_link_swapped_in_between_the_look_and_the_start(home: Home, real, busybox, writable):
    """What an earlier session that still runs can do to `-v ./data:/data`."""
    work = home.path / "work"
    (work / "data").mkdir(parents=True)
    (home.path / "keys").mkdir()
    request = replace(
        FAKE,
        image=busybox,
        words=("sleep", "60"),
        volumes=(f"{work}/data:/data:{writable}",),
    )
    wanted = order(home, request, flags={"network.mode": "none"})
    (work / "data").rmdir()
    (work / "data").symlink_to(home.path / "keys")
    with pytest.raises(WorkspaceError, match=f"/data is {home.path}/keys and not {work}/data"):
        launch(
            wanted,
            engine=real,
            store=SessionStore(home.sessions),
            session_dir=None,
            cancel=Never(),
            show=lambda _: None,
        )
    assert ended(home) == ("failed", "workspace-failed", 125)
    assert real.seen(SessionStore(home.sessions).root_id()) == []


# ---------------------------------------------------------------- no mount point in the user's tree


@pytest.mark.parametrize("where", ["new", "new/deeper", "/workspace/new", "file", "link", "away"])
def test_a_working_directory_that_would_be_made_as_root(home: Home, where):
    work = home.path / "work"
    work.mkdir()
    (work / "file").write_text("")
    (work / "link").symlink_to("gone")
    (work / "away").symlink_to("/etc")
    with pytest.raises(MountError, match=r"the working directory .* is no directory"):
        order(home, replace(FAKE, workdir=where))
    assert sorted(path.name for path in work.iterdir()) == ["away", "file", "link"]


def test_a_working_directory_that_is_there(home: Home):
    work = home.path / "work"
    (work / "a/b").mkdir(parents=True)
    (work / "near").symlink_to("a")
    for where in ("a/b", "near", ".", "/workspace", "/elsewhere"):
        assert order(home, replace(FAKE, workdir=where)).plan.working_dir
    outside = order(home, replace(FAKE, workdir="/data", volumes=(f"{work}/a:/data",)))
    assert outside.plan.working_dir == "/data"
    with pytest.raises(MountError, match="the working directory /data/new is") as caught:
        order(home, replace(FAKE, workdir="/data/new", volumes=(f"{work}/a:/data",)))
    assert caught.value.hint == f"mkdir -p {work}/a/new, or another -w"


def test_nothing_of_ours_is_mounted_into_what_somebody_asked_for(home: Home):
    """The host image has files below /etc/ssl: the engine would make each, as root."""
    data = home.path / "data"
    data.mkdir()
    outer = Mount(source=str(data), target="/data", writable=True)
    foresee((outer,), ("/data",))
    inner = Mount(source=str(home.path), target="/data/a/b")
    with pytest.raises(MountError, match=rf"/data in the container has /data/a/b.*{data}/a/b"):
        foresee((outer, inner), ("/data",))
    foresee((outer, inner), ("/workspace",))  # outrig's own, in outrig's own
    (data / "a/b").mkdir(parents=True)
    foresee((outer, inner), ("/data",))


@pytest.mark.parametrize("real", ["/run", "/run/outrig/x", "/etc", "/", "/home/ada", "/home"])
def test_a_link_of_the_image_to_where_ours_is(real):
    with pytest.raises(MountError, match=f"/data is {real} in this image"):
        refuse_links({"/workspace": "/workspace", "/data": real}, "/home/ada")
    refuse_links({"/data": "/mnt/data", "/etc/ssl": "/etc/ssl"}, "/home/ada")


def test_no_session_is_made_for_such_an_image(home: Home):
    (home.path / "data").mkdir()
    engine = FakeEngine(Script())
    engine.links["/data"] = "/run"
    with pytest.raises(MountError, match="/data is /run in this image"):
        launched(home, engine, order(home, replace(FAKE, volumes=(f"{home.path}/data:/data",))))
    assert not engine.prepared
    assert record(home)["reason"] == "start-failed"


# ---------------------------------------------------------------- planted before


PLANTED = ["config", "local", "flag"]


@pytest.mark.parametrize("by", PLANTED)
@pytest.mark.parametrize("part", ["source", "destination"])
def test_a_planted_link_is_refused_whoever_names_it(home: Home, by, part):
    """As a source it leads out of the workspace, as a destination a mount would go elsewhere."""
    work = home.path / "work"
    (work / ".agents/outrig").mkdir(parents=True)
    (work / "good").mkdir()
    (home.path / "keys").mkdir()
    (work / "bad").symlink_to(home.path / "keys")
    host, target = ("bad", "/data") if part == "source" else ("good", "/workspace/bad")
    text = f"[[workspace.mounts]]\nhost = '{host}'\ncontainer = '{target}'\n"
    request = FAKE
    if by == "flag":
        request = replace(FAKE, volumes=(f"{work}/{host}:{target}",))
    else:
        name = "config.toml" if by == "config" else "config.local.toml"
        (work / ".agents/outrig" / name).write_text(text)
    with pytest.raises(MountError) as caught:
        order(home, request)
    assert str(work / "bad") in caught.value.message


@pytest.mark.parametrize("below", ["", "/new"])
def test_a_session_dir_by_way_of_a_planted_link(home: Home, below):
    work = home.path / "work"
    work.mkdir()
    (home.path / "autostart").mkdir()
    (work / "out").symlink_to(home.path / "autostart")
    for asked in (Path(f"out{below}"), work / f"out{below}"):
        with pytest.raises(UsageError, match=f"goes through {work}/out, a link in the workspace"):
            launch(
                order(home),
                engine=FakeEngine(Script()),
                store=SessionStore(home.sessions),
                session_dir=asked,
                cancel=Never(),
                show=lambda _: None,
            )
    assert list((home.path / "autostart").iterdir()) == []
    assert not home.sessions.exists()
