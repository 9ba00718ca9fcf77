"""Ways out of a session's network: every lie and spelling, looked at from the other side."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from outrig.engine import addresses
from tests.cli.test_network import Session
from tests.internet import Internet, internet

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from tests.conftest import Home, Outrig

pytestmark = [pytest.mark.docker, pytest.mark.timeout(180)]

TRIES = Path(__file__).with_name("wire.py")
UNANSWERED = ("a hello that lies", "a hello with another one encrypted in it")
ALLOWED = ("good.example", "metadata.example", "both.example", "localhost")


@dataclass
class Ear:
    """A port of this machine, TCP and UDP, IPv4 and IPv6, that keeps what comes."""

    port: int = 0
    heard: list[str] = field(default_factory=list)
    sockets: list[socket.socket] = field(default_factory=list)

    def open(self) -> None:
        while len(self.sockets) != 2:
            self.close()
            stream = socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
            self.port = stream.getsockname()[1]
            datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            self.sockets.append(stream)
            with contextlib.suppress(OSError):  # somebody else's port
                datagrams.bind(("::", self.port))
                self.sockets.append(datagrams)
        stream, datagrams = self.sockets
        threading.Thread(target=self._streams, args=(stream,), daemon=True).start()
        threading.Thread(target=self._datagrams, args=(datagrams,), daemon=True).start()

    def _streams(self, listener: socket.socket) -> None:
        while True:
            try:
                line, who = listener.accept()
            except OSError:
                return
            self.heard.append(f"a connection from {who[0]}")
            line.close()

    def _datagrams(self, listener: socket.socket) -> None:
        while True:
            try:
                data, who = listener.recvfrom(100)
            except OSError:
                return
            if not data:
                return
            self.heard.append(f"{data!r} from {who[0]}")

    def close(self) -> None:
        for one in self.sockets:
            one.close()
        self.sockets.clear()


@pytest.fixture
def ear() -> Iterator[Ear]:
    made = Ear()
    made.open()
    yield made
    made.close()


@pytest.fixture(scope="module")
def net(
    engine_client: docker.DockerClient, debian: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Internet]:
    with internet(engine_client, debian, tmp_path_factory.mktemp("internet") / "content") as made:
        yield made


@pytest.fixture
def session(outrig: Outrig, net: Internet, home: Home, learned: Path) -> Session:
    made = Session(outrig, net, home, learned)
    shutil.copy(TRIES, outrig.cwd / "probe.py")
    return made


def told(net: Internet, ear: Ear) -> dict[str, object]:
    own = [one.network_address for one in addresses.own()]
    return {
        "resolver": net.resolver,
        "port": ear.port,
        "machine": [str(one) for one in own if one.version == 4 and not one.is_loopback],
        "six": [str(one) for one in own if one.version == 6 and not one.is_loopback],
    }


@pytest.mark.parametrize("mode", ["filter", "audit"])
def test_nothing_but_what_is_allowed_hears_of_it(session, net, ear, tell, mode):
    rules = ALLOWED if mode == "filter" else ()
    denied = () if mode == "filter" else ("--deny", "evil.example")
    options = [*denied, *(word for rule in rules for word in ("--allow", rule))]
    found = json.loads(_run(session, net, ear, mode, *options))
    kept = net.asked()
    for attack, answer in found.items():
        tell(attack, answer, attack not in UNANSWERED or answer == "b''")
    for mark in ("leak-", "s3cr3t-in-a-name", "evil.example/"):
        heard = [line for line in kept.splitlines() if mark in line and _lies(line)]
        tell(f"what the servers heard of {mark}", f"{heard}", not heard)
    tell("what this machine heard", f"{sorted(set(ear.heard))}", not ear.heard)
    if mode == "filter":
        names = _names(kept)
        tell("names asked of the world", " ".join(names), names <= set(ALLOWED))


def test_past_the_routes_of_open(session, net, ear, tell):
    found = json.loads(_run(session, net, ear, "open"))
    for attack, answer in found.items():
        tell(attack, answer, held=True)
    tell("what this machine heard", f"{sorted(set(ear.heard))}", not ear.heard)


def _run(session: Session, net: Internet, ear: Ear, mode: str, *options: str) -> str:
    net.forget()
    words = ("/usr/bin/python3", "probe.py", json.dumps(told(net, ear)))
    return session("run", "--network", mode, *options, "--", *words).ok().out


def _lies(line: str) -> bool:
    """Whether the evil server heard it, or the good one by another host's name."""
    return not line.startswith("good good.example ")


def _names(kept: str) -> set[str]:
    return {line for line in kept.splitlines() if " " not in line}


@pytest.mark.slow
def test_60000_refusals_do_not_fill_the_disk(session, tell):
    script = """
import os, socket
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asking.connect((os.environ["OUTRIG_PROXY"].split("/")[2].split(":")[0], 53))
for number in range(60000):
    name = b"%05d" % number + b"x" * 58
    labels = (b"\\x3f" + name) * 3 + b"\\x07example"
    asking.send(b"\\0\\1\\1\\0\\0\\1" + bytes(6) + labels + b"\\0\\0\\1\\0\\1")
    if number % 20 == 19:
        asking.recv(500)
"""
    (session.outrig.cwd / "many.py").write_text(script)
    session("run", "--network", "filter", "--", "/usr/bin/python3", "many.py").ok()
    log = session.directory() / "logs/network.jsonl"
    size = log.stat().st_size
    tell("60,000 refused names", f"{size} bytes of log", 0 < size < 4 * 1024**2)
    lines = session.lines()
    tell("their number is told", f"{len(lines)} lines", sum(x["count"] for x in lines) > 3000)
