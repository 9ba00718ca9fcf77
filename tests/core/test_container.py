"""A plan and what was decided at launch become one container."""

from __future__ import annotations

import pytest

from outrig.core.cascade import Resolved
from outrig.core.config import Config, LimitsConfig, NetworkConfig, WorkspaceConfig
from outrig.core.container import container_for, memory_limit
from outrig.core.draft import draft
from outrig.core.engine import UNLINKED, Container, Image, Mount
from outrig.core.identity import Person
from outrig.core.plan import Place
from outrig.core.request import Request
from outrig.core.session import Session
from outrig.core.streams import Terminal

ADA = Person(uid=1000, gid=1000, name="ada")
SESSION = Session({"schema": 1, "id": "20260501T134412-3f2a", "root_id": "r00t"})


def container(request: Request, *, mounts: tuple[Mount, ...] = (), stdin="data") -> Container:
    config = Config(
        workspace=WorkspaceConfig(target="/src"),
        limits=LimitsConfig(cpus=2.0, pids=9, log_bytes=77),
        network=NetworkConfig(mode="none"),
    )
    plan = draft(
        request,
        Resolved(config=config, origin={}),
        place=Place(root="/home/ada/code", start="/home/ada/code/sub", owner=ADA),
        caller=ADA,
        terminal=Terminal(stdin=stdin, all_terminals=stdin == "terminal", size=(24, 80)),
        env_names=("SECRET",),
    )
    return container_for(
        plan,
        session=SESSION,
        attempt="a77e",
        image=Image(reference="dev:1", id="sha256:1", environment={}),
        mounts=mounts,
        user="1000:1000",
        machine_memory=5120,
        keep_host_userns=True,
        link=UNLINKED,
    )


@pytest.mark.parametrize(
    ("asked", "by_repository", "limit"),
    [
        (None, False, 800),  # 80 % of the machine
        (2000, False, 2000),
        (500, True, 500),
        (2000, True, 800),  # a repository only tightens, the usual bound too
    ],
)
def test_the_memory_limit(asked, by_repository, limit):
    plan = draft(
        Request(words=("true",)),
        Resolved(
            config=Config(limits=LimitsConfig(memory=asked)),
            origin={},
            narrowed=frozenset({"limits.memory"} if by_repository else ()),
        ),
        place=Place(root="/w", start="/w", owner=ADA),
        caller=ADA,
        terminal=Terminal(),
        env_names=(),
    )
    assert memory_limit(plan, 1000) == limit


def test_everything_that_was_decided_is_in_it():
    assert container(Request(words=("ls", "-l"))) == Container(
        name="outrig-20260501T134412-3f2a",
        labels={
            "org.outrig.session": "20260501T134412-3f2a",
            "org.outrig.root": "r00t",
            "org.outrig.attempt": "a77e",
            "org.outrig.role": "agent",
        },
        image="sha256:1",
        entrypoint=None,
        command=("ls", "-l"),
        user="1000:1000",
        working_dir="/src/sub",
        mounts=(),
        network=UNLINKED,
        memory=4096,
        cpus=2.0,
        pids=9,
        log_bytes=77,
        tty=False,
        stdin=True,
        size=None,
        keep_host_userns=True,
    )


def test_a_mount_comes_after_the_one_it_lies_in():
    made = container(
        Request(words=("true",)),
        mounts=(
            Mount(source="/b", target="/src/data/in"),
            Mount(source="/a", target="/src/data"),
            Mount(source="/usr", target="/usr"),
        ),
    )
    assert [mount.target for mount in made.mounts] == ["/src/data", "/src/data/in", "/usr"]


def test_stdin_is_open_only_for_who_feeds_it():
    assert container(Request(words=("cat",))).stdin
    assert not container(Request(words=("cat",), no_stdin=True)).stdin
    assert not container(Request(words=("cat",)), stdin="other").stdin


def test_a_terminal_has_its_size():
    made = container(Request(words=("top",)), stdin="terminal")
    assert (made.tty, made.stdin, made.size) == (True, True, (24, 80))
