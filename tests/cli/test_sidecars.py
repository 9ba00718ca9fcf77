"""Sidecars on the real engine: reached by their names, healthy before, gone after, contained."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from tests.bridge import this_machine
from tests.cli.conftest import until

if TYPE_CHECKING:
    import docker

    from tests.conftest import Finished, Home, Outrig

pytestmark = [pytest.mark.docker, pytest.mark.timeout(180)]

SERVES = "echo up as $(id -u); sleep 0.3; exec nc -ll -p 5432 -e /bin/echo hello from db"
HEALTHY = 'health = ["/bin/sh", "-c", "nc 127.0.0.1 5432 < /dev/null | grep hello"]'
ASK = "import socket; print(socket.create_connection(('db', 5432), 5).recv(99).decode(), end='')"


class Session:
    """`outrig run` on the host image, beside sidecars of busybox."""

    def __init__(self, outrig: Outrig, home: Home, image: str) -> None:
        self._outrig = outrig
        self.home = home
        self.image = image

    def configure(self, name: str, script: str, *more: str) -> None:
        file = self.home.config / "outrig/config.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        command = json.dumps(["/bin/sh", "-c", script])
        entry = (f"[sidecars.{name}]", f'image = "{self.image}"', f"command = {command}", *more)
        with file.open("a") as config:
            config.write("\n".join((*entry, "")))

    def __call__(self, *words: str) -> Finished:
        return self._outrig(*words, timeout=150)

    def python(self, mode: str, program: str) -> Finished:
        return self("run", "--network", mode, "--", "/usr/bin/python3", "-c", program)

    def start(self, *words: str):
        return self._outrig.start(*words)

    @property
    def directory(self):
        (found,) = (path for path in self.home.sessions.iterdir() if path.name[0] != ".")
        return found

    @property
    def record(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads((self.directory / "session.json").read_bytes())
        return read

    def log(self, name: str) -> str:
        text: str = (self.directory / "logs" / f"{name}.log").read_text()
        return text

    def nothing_is_left(self, client: docker.DockerClient) -> None:
        name = self.record["container_name"]
        assert self.record["resources"] == []
        assert not client.containers.list(all=True, filters={"name": name})
        assert not client.networks.list(names=[name])


@pytest.fixture
def session(outrig: Outrig, home: Home, busybox: str) -> Session:
    return Session(outrig, home, busybox)


@pytest.mark.parametrize("mode", ["filter", "open", "bridge"])
def test_it_is_reached_by_its_name(session: Session, engine_client: docker.DockerClient, mode: str):
    session.configure("db", SERVES, HEALTHY, 'user = "1234"')
    session.configure("never", "exit 3", "on-demand = true")
    done = session.python(mode, ASK).ok()
    assert done.out == "hello from db\n"
    assert session.log("db").startswith("up as 1234\n")
    record = session.record
    assert record["sidecar_container_names"] == [f"{record['container_name']}-db"]
    assert record["sidecars"]["db"]["image"] == session.image
    assert "failed" not in record["sidecars"]["db"]
    session.nothing_is_left(engine_client)
    session("discard", "-y", record["id"]).ok()
    assert not [one for one in session.home.sessions.iterdir() if one.name[0] != "."]


@pytest.mark.parametrize("mode", ["open", "bridge"])
def test_the_way_out_is_as_without_them(session: Session, mode: str):
    default = "[one.split() for one in open('/proc/net/route') if one.split()[1] == '00000000']"
    look = f"print({default})"
    without = session("run", "--network", mode, "--", "/usr/bin/python3", "-c", look).ok().out
    assert "eth0" in without
    session.configure("db", SERVES)
    assert session.python(mode, look).ok().out == without


def test_sidecars_know_each_other_and_nothing_else(
    session: Session, engine_client: docker.DockerClient
):
    here = socket.create_server(("", 0))
    port = here.getsockname()[1]
    session.configure("db", SERVES, HEALTHY)
    out = f"nc -w 1 {this_machine(engine_client)} {port} < /dev/null && echo it gets out"
    look = f"until nc db 5432 < /dev/null; do sleep 0.1; done; cat /proc/1/status; {out}"
    session.configure("web", f"{look}; exec sleep 100")
    with here:
        session.python("open", "import time; time.sleep(3)").ok()
    said = session.log("web")
    assert "hello from db" in said
    assert "it gets out" not in said
    assert "CapBnd:\t0000000000000000" in said
    assert "NoNewPrivs:\t1" in said


@pytest.mark.parametrize(
    ("script", "more", "why"),
    [
        ("echo no room >&2; exit 3", "", "sidecar bad ended with 3: no room"),
        (
            "exec sleep 100",
            'health = ["/bin/sh", "-c", "echo not yet; exit 1"]\nhealth-timeout = "4s"',
            "sidecar bad is not healthy after 4 s: 1 not yet",
        ),
        ("exec sleep 100", 'health = ["/bin/none"]', "sidecar bad: its health command:"),
    ],
)
def test_one_that_fails_takes_the_others_down(
    session: Session, engine_client: docker.DockerClient, script: str, more: str, why: str
):
    session.configure("db", SERVES, HEALTHY)
    session.configure("bad", f"echo it begins; {script}", more)
    done = session.python("open", "print('never')")
    assert (done.code, done.out) == (125, "")
    assert why in done.err
    record = session.record
    assert (record["status"], record["reason"]) == ("failed", "start-failed")
    assert why in record["sidecars"]["bad"]["failed"]
    assert "failed" not in record["sidecars"]["db"]
    assert "it begins\n" in session.log("bad")
    session.nothing_is_left(engine_client)


def test_what_a_killed_outrig_leaves(session: Session, engine_client: docker.DockerClient):
    session.configure("db", SERVES, HEALTHY)
    process = session.start("run", "--network", "open", "--", "sleep", "100")
    try:
        until(lambda: any(session.home.sessions.glob("[!.]*/session.json")), "its record")
        until(lambda: session.record["status"] == "running", "its start")
    finally:
        process.kill()
        process.communicate()
    name = session.record["container_name"]
    assert len(engine_client.containers.list(filters={"name": name})) == 4
    engine_client.containers.get(name).kill()
    session("ls").ok()
    assert session.record["status"] == "failed"
    assert session.log("db").startswith("up as 0\n")
    session.nothing_is_left(engine_client)


def test_its_words_are_there_as_it_says_them_whoever_is_killed(
    session: Session, engine_client: docker.DockerClient
):
    script = "i=0; while i=$((i+1)); do echo tick $i; sleep 0.2; done"
    session.configure("db", script, 'health = ["/bin/true"]')
    running = session.start("run", "--network", "bridge", "--", "sleep", "8")
    try:
        until(lambda: any(session.home.sessions.glob("[!.]*/session.json")), "its record")
        until(lambda: session.record["status"] == "running", "its start")
        followed = session.start("logs", "-f", "--sidecar", "db")
        first = followed.stdout.readline()
    finally:
        running.kill()
        running.communicate()
    assert first == b"tick 1\n"
    said = followed.stdout.read()  # a supervisor takes it up
    followed.communicate()
    log = session.log("db")
    assert (first + said).decode() == log
    ticks = [int(line.removeprefix("tick ")) for line in log.splitlines()]
    assert ticks == [*range(1, len(ticks) + 1)]
    assert len(ticks) > 20
    assert session("wait", session.record["id"]).code == 0
    until(lambda: not session.record["resources"], "its end")
    session.nothing_is_left(engine_client)


def test_one_by_flag_that_dies_early_is_told_of(
    session: Session, engine_client: docker.DockerClient
):
    image = f"db={session.image}"
    assert session("run", "--network", "none", "--sidecar", image, "--", "true").code == 125
    session.configure("db", "sleep 1; exit 4", "on-demand = true")
    options = ("--network", "bridge", "--sidecar", "db")
    session("run", *options, "--", "/usr/bin/sleep", "2").ok()
    assert session.record["sidecars"]["db"]["failed"] == "it ended with 4 before the session did"
    session.nothing_is_left(engine_client)
