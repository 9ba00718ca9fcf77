"""What a session reaches, shown by real clients on a test internet; and what it does not."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from outrig.engine import addresses
from tests.cli.conftest import until
from tests.internet import Internet, internet

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from tests.conftest import Finished, Home, Outrig

pytestmark = [pytest.mark.docker, pytest.mark.timeout(180)]

PROBE = Path(__file__).with_name("reaching.py")
ALLOWED = ("good.example", "metadata.example", "both.example", "rebind.example")


def started(directory: Path) -> str:
    said: str = json.loads((directory / "session.json").read_bytes())["started_at"]
    return said


@dataclass
class Session:
    """`outrig run` on the host image, in the test internet."""

    outrig: Outrig
    internet: Internet
    home: Home
    cache: Path

    def __post_init__(self) -> None:
        file = self.home.config / "outrig/config.toml"
        file.parent.mkdir(parents=True)
        file.write_text(self.internet.config)
        shutil.copy(PROBE, self.outrig.cwd / "probe.py")
        shutil.copy(self.internet.folder / "ca.pem", self.outrig.cwd / "ca.pem")

    def __call__(self, *words: str, **how: Any) -> Finished:
        env = {"XDG_CACHE_HOME": str(self.cache)}
        return self.outrig(*words, env=env, timeout=150, **how)

    def probe(self, mode: str, what: str, told: dict[str, Any], *rules: str) -> dict[str, Any]:
        self.internet.forget()
        allow = [word for rule in rules for word in ("--allow", rule)]
        command = ("/usr/bin/python3", "probe.py", json.dumps(told), *what.split())
        done = self("run", "--network", mode, *allow, "--", *command).ok()
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def directory(self) -> Path:
        """Of the last one; two that began within a second are in no order by their ids."""
        return max(self.home.sessions.glob("[!.]*"), key=started)

    def record(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads((self.directory() / "session.json").read_bytes())
        return read

    def runs(self) -> bool:
        """Whether there is a record yet, and it says so."""
        records = self.home.sessions.glob("[!.]*/session.json")
        return any(json.loads(path.read_bytes())["status"] == "running" for path in records)

    def wait(self) -> None:
        """For its end, and for what is then taken away."""
        record = self.record()
        self("wait", record["id"]).ok()
        mark = self.home.sessions / ".open" / record["id"]
        until(lambda: not mark.exists(), "the end of its network")

    def lines(self) -> list[dict[str, Any]]:
        told = self.directory() / "logs/network.jsonl"
        return [json.loads(line) for line in told.read_text().splitlines()]


@pytest.fixture(scope="module")
def net(
    engine_client: docker.DockerClient, debian: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Internet]:
    with internet(engine_client, debian, tmp_path_factory.mktemp("internet") / "content") as made:
        yield made


@pytest.fixture
def session(outrig: Outrig, net: Internet, home: Home, learned: Path) -> Session:
    return Session(outrig, net, home, learned)


@pytest.fixture
def service() -> Iterator[int]:
    """A port of this machine that is open to everybody."""
    with socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as made:
        yield made.getsockname()[1]


def machine(net: Internet, port: int) -> dict[str, Any]:
    own = [one.network_address for one in addresses.own()]
    return {
        "good": net.good,
        "evil": net.evil,
        "resolver": net.resolver,
        "port": port,
        "machine": [str(one) for one in own if one.version == 4] + [f"{net.subnet}.1"],
        "six": [str(one) for one in own if one.version == 6 and not one.is_link_local],
        "other": [],
    }


def test_real_clients_reach_what_is_allowed_with_and_without_a_proxy(
    session: Session, net: Internet, service: int
):
    found = session.probe("filter", "clients", machine(net, service), "good.example")
    programs = ("curl https", "curl http", "git", "pip", "npm", "apt")
    assert found["direct"] == dict.fromkeys(programs, "ok")
    assert found["proxied"] == dict.fromkeys(programs, "ok")
    assert found["greeting"] == "ok"
    allowed = [line for line in session.lines() if line["verdict"] == "allowed"]
    assert {line["proto"] for line in allowed} >= {"tls", "http", "tcp"}
    assert all(line["address"] == net.good and line["received"] for line in allowed)
    shown = session("network", "show").ok().out
    assert "allow good.example  good.example:443" in shown


def test_nothing_else_is_reached_and_the_refusals_are_told_of(
    session: Session, net: Internet, service: int, engine_client: docker.DockerClient
):
    session("run", "--network", "filter", "-d", "--", "sleep", "100").ok()
    other = session.record()
    beside = engine_client.containers.get(f"{other['container_name']}-gateway")
    (leg,) = (one["IPAddress"] for one in beside.attrs["NetworkSettings"]["Networks"].values())
    told = {**machine(net, service), "other": [(leg, 3128), (leg, 3129), (leg, 53)]}
    try:
        found = session.probe("filter", "refusals rebind", told, *ALLOWED)
    finally:
        session("kill", other["id"]).ok()
        mine = {"name": other["container_name"]}
        until(lambda: not engine_client.api.containers(all=True, filters=mine), "its end")
    assert found["refused"] == dict.fromkeys(found["refused"], "no")
    assert found["rebind"][0] == "ok"
    assert found["rebind"][1] != "ok"
    kept = net.asked()
    assert "leak" not in kept
    assert "fronted" not in kept
    assert "s3cr3tword0" not in kept
    rules = {(line["verdict"], line["rule"]) for line in session.lines()}
    assert ("refused", "special link-local") in rules
    assert ("refused", "special private") in rules
    assert ("refused", "special this machine") in rules
    assert ("refused", "TLS: the ClientHello names evil.example") in rules


SIX = """
for url in "$@"; do
    if curl -gfs --cacert ca.pem -m 8 -o /dev/null "$url"; then echo yes; else echo no; fi
done
"""


def six(session: Session, mode: str, *urls: str, allow: tuple[str, ...] = ()) -> str:
    """Which are reached: a letter for each."""
    rules = [word for rule in allow for word in ("--allow", rule)]
    done = session("run", "--network", mode, *rules, "--", "sh", "-c", SIX, "sh", *urls).ok()
    return "".join(line[0] for line in done.out.splitlines())


@pytest.mark.parametrize(("mode", "evil"), [("filter", "n"), ("audit", "y")])
def test_ipv6_is_reached_by_name_by_address_and_by_the_rules(
    session: Session, net: Internet, mode: str, evil: str
):
    names = ("six.example", "inside.example", "nat64.example")
    urls = (
        *(
            "http://six.example/hello",
            "https://six.example/hello",
            f"http://[{net.good_six}]/hello",
        ),
        *("http://inside.example/hello", "http://nat64.example/", "http://[fd00::10]/"),
        *(f"http://[{net.subnet_six}::1]/", "http://[::ffff:127.0.0.1]/"),
        f"http://[{net.evil_six}]/hello",
    )
    allow = (*names, f"{net.good_six}/127") if mode == "filter" else ()
    assert six(session, mode, *urls, allow=allow) == "yyynnnnn" + evil
    told = {(line.get("host"), line["verdict"], line.get("address")) for line in session.lines()}
    assert ("six.example", "allowed", net.good_six) in told
    assert (net.good_six, "allowed", net.good_six) in told
    assert ("inside.example", "refused", "fd00::10") in told
    assert ("nat64.example", "refused", "64:ff9b::7f00:1") in told
    rules = {(line.get("address"), line["rule"]) for line in session.lines()}
    assert ("fd00::10", "special private") in rules
    assert (f"{net.subnet_six}::1", "special this machine") in rules


def test_open_keeps_ipv6_from_this_machine_and_its_neighbours(session: Session, net: Internet):
    """A rule lets a neighbour through; the other one stays as far away as this machine."""
    urls = tuple(
        f"http://[{one}]/hello" for one in (net.good_six, net.evil_six, f"{net.subnet_six}::1")
    )
    assert six(session, "open", *urls, allow=(net.good_six,)) == "ynn"


def test_audit_lets_names_through_and_rules_are_learned_from_it(
    session: Session, net: Internet, service: int
):
    done = session("run", "--network", "audit", "--", "curl", "-s", "http://cdn.example/hello").ok()
    assert done.out == "hello\n"
    assert '"cdn.example:80"' in session("network", "learn").ok().out
    found = session.probe("audit", "refusals", {**machine(net, service), "other": []})["refused"]
    reached = {name for name, words in found.items() if words != "no"}
    # Whatever is public is reached by name or by the proxy; nothing of this machine or private.
    # Any name has a stand-in, and nobody out there is asked for it.
    by_name = {"another host", "another host by the proxy", "another host by socks"}
    by_address = {"its address", "its address by the proxy", "the good host's address"}
    assert reached <= by_name | by_address | {"the engine's resolver"}
    assert "s3cr3tword0" not in net.asked()
    assert "another host" in reached


def test_open_reaches_what_is_public_and_not_this_machine(
    session: Session, net: Internet, service: int
):
    """The neighbours on the bridge are not public either, so a rule lets the good host through."""
    told = machine(net, service)
    script = f"""
import socket, sys
def reached(address, port, family=socket.AF_INET):
    with socket.socket(family) as line:
        line.settimeout(4)
        return line.connect_ex((address, port)) == 0
own = [reached(one, {service}) for one in {told["machine"]!r}]
own += [reached(one, {service}, socket.AF_INET6) for one in {told["six"]!r}]
print(reached({net.good!r}, 80), reached({net.evil!r}, 80), any(own))
"""
    (session.outrig.cwd / "look.py").write_text(script)
    run = ("run", "--network", "open", "--allow", net.good)
    done = session(*run, "--", "/usr/bin/python3", "look.py").ok()
    assert done.out == "True False False\n"
    done = session("run", "--network", "bridge", "--", "/usr/bin/python3", "look.py").ok()
    assert done.out.endswith("True\n")  # what open keeps away


def test_a_session_is_allowed_more_while_it_runs(session: Session):
    script = "for i in $(seq 60); do curl -fs http://good.example/hello && break; sleep 0.3; done"
    session("run", "--network", "filter", "-d", "--", "sh", "-c", script).ok()
    for never in ("0", "0s", "-5m", "soon"):
        assert session("network", "allow", "@last", "good.example", "--for", never).code == 2
    session("network", "allow", "@last", "good.example:80", "--for", "5m").ok()
    session.wait()
    assert session("logs").ok().out == "hello\n"
    (decision,) = session.record()["network"]["decisions"]
    assert decision["allow"] == "good.example:80"
    assert decision["by"]
    assert decision["until"] > decision["at"]
    assert '"allowed"' in session("events", "--json").ok().out


@pytest.mark.parametrize("blow", ["kill", "pause", "policy"])
def test_without_its_gateway_a_session_reaches_nothing(
    session: Session, engine_client: docker.DockerClient, blow: str
):
    script = """
curl -fs -m 5 http://good.example/hello || echo not reached
touch begun
until test -e go; do sleep 0.1; done
curl -fs -m 5 http://good.example/hello || echo not reached
"""
    allow = ("--allow", "good.example")
    session("run", "--network", "filter", *allow, "-d", "--", "sh", "-c", script).ok()
    until((session.outrig.cwd / "begun").exists, "the first look")
    record = session.record()
    gateway = engine_client.containers.get(f"{record['container_name']}-gateway")
    if blow == "kill":
        gateway.kill()
    elif blow == "pause":
        gateway.pause()
    else:
        policy = session.directory() / "run/gateway/policy.json"
        policy.write_text("{")
    (session.outrig.cwd / "go").touch()
    session.wait()
    assert session("logs").ok().out == "hello\nnot reached\n"
    if blow == "kill":
        until(lambda: "failed" in session.record()["network"], "what became of the gateway")


# Engines that are like the one here but for something, by what is done to outrig.
NO_NETWORKS = """
from outrig.engine import network
from outrig.errors import AddressesTakenError
def make(*_args):
    raise AddressesTakenError("all of them")
network.make = make
"""
NO_NAMESPACES = """
from outrig.runner import apart
apart._CAPABILITIES = tuple(one for one in apart._CAPABILITIES if one != "SYS_ADMIN")
"""
NO_INHIBIT = """
from outrig.engine import network
network.INHIBIT = "com.example.nothing"
"""


def on_another(session: Session, tmp_path: Path, lacks: str, *words: str) -> Finished:
    """`outrig run` in filter on an engine that nothing is known of."""
    changed = tmp_path / "changed.py"
    changed.write_text(f"{lacks}\nfrom outrig.cli.entry import entry\nentry()\n")
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    another = replace(session.outrig, argv=(sys.executable, "-P", str(changed)))
    return another("run", "--network", "filter", *words, env=env, timeout=150)


@pytest.mark.parametrize(
    ("lacks", "announced"), [(NO_NETWORKS, False), (NO_INHIBIT, False), (NO_NAMESPACES, True)]
)
def test_an_engine_that_lacks_one_way_has_the_other(
    session: Session, tmp_path: Path, lacks: str, *, announced: bool
):
    script = "curl -fs http://good.example/hello; curl -fsS -m 5 http://evil.example/leak"
    words = ("--allow", "good.example", "--", "sh", "-c", script)
    done = on_another(session, tmp_path, lacks, *words)
    assert done.code == 6, done.err  # of curl: evil.example has no address
    assert done.out == "hello\n"
    assert "evil.example" in done.err
    assert ("it cannot stand apart here" in done.err) == announced
    assert session.record()["resources"] == []


def test_an_engine_that_keeps_nothing_shut_is_found_out(session: Session, tmp_path: Path):
    done = on_another(session, tmp_path, NO_NAMESPACES + NO_INHIBIT, "--", "true")
    assert done.code == 125
    assert "does not keep a network shut" in done.err
    assert "is reached" in done.err
    record = session.record()
    assert (record["status"], record["reason"]) == ("failed", "network-failed")
    assert record["resources"] == []


def test_a_session_reaches_itself_by_its_own_name_and_by_any_loopback(session: Session):
    script = """
import socket
for name in (socket.gethostname(), "localhost", "127.0.0.1", "127.1.2.3"):
    with socket.create_server(("", 0)) as made:
        made.settimeout(5)
        with socket.create_connection((name, made.getsockname()[1]), 5) as line:
            assert made.accept()[1], line
            print("ok")
"""
    (session.outrig.cwd / "itself.py").write_text(script)
    done = session("run", "--network", "filter", "--", "/usr/bin/python3", "itself.py").ok()
    assert done.out == "ok\n" * 4


def test_the_engine_measures_a_session_whose_device_is_elsewhere(
    session: Session, engine_client: docker.DockerClient
):
    """The idle limit stands on that: whether it computes while it says nothing."""
    script = "while :; do :; done"
    session("run", "--network", "filter", "-d", "--", "sh", "-c", script).ok()
    record = session.record()
    try:
        for name in (record["container_name"], f"{record['container_name']}-gateway"):
            said: Any = engine_client.containers.get(name).stats(stream=False)
            assert said["cpu_stats"]["cpu_usage"]["total_usage"] > 0
            assert said["memory_stats"]["usage"] > 0
    finally:
        session("kill", record["id"]).ok()
        mine = {"name": record["container_name"]}
        until(lambda: not engine_client.api.containers(all=True, filters=mine), "its end")


def test_an_egress_that_does_not_exist(session: Session):
    env = {"OUTRIG_NETWORK__EGRESS": "no-such-network"}
    for mode in ("filter", "open"):
        done = session.outrig("run", "--network", mode, "--", "true", env={**os.environ, **env})
        assert done.code == 125
        assert "no-such-network" in done.err
        assert session.record()["resources"] == []


@pytest.mark.parametrize("mode", ["filter", "open"])
def test_what_a_killed_outrig_leaves_goes_with_the_next_command(
    session: Session, engine_client: docker.DockerClient, mode: str
):
    env = {"XDG_CACHE_HOME": str(session.cache)}
    process = session.outrig.start("run", "--network", mode, "--", "sleep", "100", env=env)
    try:
        until(session.runs, "its start")
    finally:
        process.kill()
        process.communicate()
    name = session.record()["container_name"]
    made = {"filter": 2, "open": 2}  # the agent, and its gateway or its holder
    assert len(engine_client.containers.list(filters={"name": name})) == made[mode]
    engine_client.containers.get(name).kill()
    session("ls").ok()
    assert session.record()["status"] == "failed"
    assert session.record()["resources"] == []
    assert not engine_client.containers.list(all=True, filters={"name": name})
    assert not engine_client.networks.list(names=[name])
