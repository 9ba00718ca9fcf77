"""A session's way to the network on a fake engine: noted before it is made, gone with it."""

from __future__ import annotations

import contextlib
import json
import stat
from typing import TYPE_CHECKING, Any

import pytest

from outrig.core.engine import BRIDGED, UNLINKED, Link
from outrig.core.network import plan
from outrig.errors import AddressesTakenError, NetworkError, SessionNotRunningError
from outrig.runner import allow, holder, preflight
from outrig.runner.network import Leaving
from outrig.store import finding, network
from outrig.store.sessions import SessionStore
from tests.fakes import FakeEngine, Script, exited
from tests.runner.orders import launched, order, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from outrig.runner.launched import Launched
    from tests.conftest import Home


@pytest.fixture(autouse=True)
def closing() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        _LEFT.append(stack)
        yield stack
        _LEFT.clear()


_LEFT: list[contextlib.ExitStack] = []


def fake(script: Script | None = None) -> FakeEngine:
    engine = FakeEngine(script or Script(says=[("stdout", b"ready\n")], runs_until="KILL"))
    engine.remember(preflight.SUBJECT, preflight.SHUT)
    engine.remember(preflight.APART, preflight.SHUT)
    _LEFT[0].callback(engine.close)
    return engine


def near(script: Script | None = None) -> FakeEngine:
    """An engine on which no gateway can stand apart."""
    engine = fake(script)
    engine.remember(preflight.APART, {"cannot": "it is refused"})
    return engine


def start(home: Home, engine: FakeEngine, mode: str, config: str = "") -> Launched:
    run = launched(home, engine, order(home, config=config, flags={"network.mode": mode}))
    for each in (run.recorder, run.output, run.held):
        _LEFT[0].callback(each.close)
    return run


@pytest.mark.parametrize(("mode", "link"), [("none", UNLINKED), ("bridge", BRIDGED)])
def test_modes_that_need_nothing(home: Home, mode: str, link: Link):
    engine = fake()
    start(home, engine, mode)
    (agent,) = engine.prepared
    assert agent.network == link
    assert [one["role"] for one in record(home)["resources"]] == ["agent"]


def test_a_gateway_is_there_before_the_agent_and_told_what_to_do(home: Home):
    engine = fake()
    start(home, engine, "filter", "[network]\nallow = ['a.example']\negress = 'out'\n")
    gateway, agent = engine.prepared
    said = record(home)
    assert [(one["kind"], one["role"], one["ref"] is not None) for one in said["resources"]] == [
        ("container", "gateway", True),
        ("container", "agent", True),
    ]
    (ref, container), _ = engine.containers.items()
    assert gateway.network == Link(kind="bridge", to="out")
    assert agent.network == Link(kind="joined", to=ref)
    assert agent.security.capabilities == ()
    assert engine.made_networks == {}
    told = json.loads(container.output.heard)
    assert told["address"] == said["network"]["gateway"]
    assert told["uid"] > 0
    uid, gid = gateway.command[-2:]
    assert (told["uid"], told["gid"]) == (int(uid), int(gid))
    assert container.env.keys() == {"PATH", "PYTHONPATH"}


def test_where_it_cannot_stand_apart_it_is_a_neighbour_and_that_is_said(home: Home):
    engine = near()
    shown: list[str] = []
    run = launched(home, engine, order(home, flags={"network.mode": "filter"}), said=shown)
    for each in (run.recorder, run.output, run.held):
        _LEFT[0].callback(each.close)
    gateway, held, agent = engine.prepared
    (made,) = engine.made_networks
    said = record(home)
    assert {(one["kind"], one["role"]): one["ref"] is not None for one in said["resources"]} == {
        ("network", "gateway"): True,
        ("container", "gateway"): True,
        ("container", "holder"): True,
        ("container", "agent"): True,
    }
    address = said["network"]["gateway"]
    assert "SYS_ADMIN" not in gateway.security.capabilities
    assert (held.network.kind, held.network.to) == ("inner", made)
    assert held.network.resolvers == (address,)
    container, holding, _ = engine.containers.values()
    assert agent.network == Link(kind="joined", to=list(engine.containers)[1])
    assert b"4-A OUTPUT -j REJECT" in holding.output.heard.splitlines()
    assert [(one, where) for one, _, where in engine.joined] == [(made, address)]
    assert json.loads(container.output.heard)["address"] == address
    assert any("it cannot stand apart here: it is refused" in line for line in shown)


def test_the_policy_is_for_the_gateway_to_read_and_its_journal_is_a_log(home: Home):
    run = start(home, fake(), "filter", "[network]\nallow = ['a.example']\n")
    folder = run.held.directory / "run/gateway"
    policy = folder / "policy.json"
    assert network.policy(run.held.directory)["allow"] == ["a.example"]
    assert stat.S_IMODE(policy.stat().st_mode) == 0o644
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    assert (folder / "network.jsonl").samefile(run.held.directory / "logs/network.jsonl")


def test_addresses_that_another_network_has_are_drawn_anew(home: Home):
    engine = near()
    engine.refuses_networks = [AddressesTakenError("taken"), AddressesTakenError("taken")]
    start(home, engine, "filter")
    assert len(engine.made_networks) == 1


@pytest.mark.parametrize("mode", ["filter", "open"])
@pytest.mark.parametrize(
    ("says", "why"),
    [
        ([("stderr", b"first\nip is not installed\n")], "ip is not installed"),
        ([], "it ended without a word"),
    ],
)
def test_what_cannot_be_set_up_starts_no_agent_and_leaves_nothing(
    home: Home, mode: str, says, why: str
):
    engine = fake(Script(says=says, ends=exited(1)))
    with pytest.raises(NetworkError, match=why):
        start(home, engine, mode)
    said = record(home)
    assert (said["status"], said["reason"], said["resources"]) == ("failed", "network-failed", [])
    assert engine.containers == {}
    assert engine.made_networks == {}


@pytest.mark.parametrize("make", [fake, near])
def test_what_was_made_goes_with_the_session(home: Home, make: Callable[[], FakeEngine]):
    engine = make()
    run = start(home, engine, "filter")
    leaving = Leaving(engine, run.held)
    engine.remove(run.ref)
    leaving.over()
    assert engine.containers == {}
    assert engine.made_networks == {}
    assert engine.signals == ["TERM"]  # the gateway's last words
    assert [one["role"] for one in record(home)["resources"]] == ["agent"]


def test_a_gateway_that_ended_before_is_told_of(home: Home):
    engine = fake()
    run = start(home, engine, "filter")
    for made in engine.containers.values():
        made.state = "exited"
    engine.script.ends = exited(137)
    Leaving(engine, run.held).over()
    assert record(home)["network"]["failed"] == "the gateway ended with 137 before the session did"


# ------------------------------------------------------------------ the engine is tried


def test_an_engine_is_tried_once(home: Home):
    engine = fake()
    engine.known.clear()
    start(home, engine, "filter")
    assert [one.name.rpartition("-")[2] for one in engine.prepared][:3] == [
        *("gateway", "helper", "gateway"),
    ]
    assert engine.recall(preflight.APART) == preflight.SHUT
    assert engine.recall(preflight.SUBJECT) is None
    assert len(engine.removed) == 2
    assert "helper" not in {one["role"] for one in record(home)["resources"]}


class _Once(dict[str, Script]):
    """Of several containers of a role the first."""

    def get(self, key: str, default: Any = None) -> Any:  # type: ignore[explicit-override]
        return self.pop(key, default)


def test_an_engine_that_lets_no_gateway_stand_apart_is_tried_with_a_network(home: Home):
    engine = fake()
    engine.known.clear()
    engine.scripts = _Once(
        gateway=Script(says=[("stderr", b"outrig gateway: no second one\n")], ends=exited(1))
    )
    start(home, engine, "filter")
    assert engine.recall(preflight.APART) == {"cannot": "outrig gateway: no second one"}
    assert engine.recall(preflight.SUBJECT) == preflight.SHUT
    assert len(engine.made_networks) == 1
    assert len(engine.removed) == 3  # a gateway, a holder and the helper


@pytest.mark.parametrize("cannot", [None, {"cannot": "it is refused"}])
def test_an_engine_with_a_way_out_is_refused_and_tried_again(
    home: Home, cannot: dict[str, str] | None
):
    engine = fake()
    engine.scripts["helper"] = Script(says=[("stderr", b"192.0.2.2 is reached\n")], ends=exited(1))
    engine.known.clear()
    engine.remember(preflight.APART, cannot)
    with pytest.raises(NetworkError, match=r"does not keep a network shut: 192\.0\.2\.2"):
        start(home, engine, "filter")
    assert engine.recall(preflight.APART) == cannot
    assert engine.recall(preflight.SUBJECT) is None
    assert engine.made_networks == {}


# ------------------------------------------------------------------ open


def test_the_agent_joins_a_network_whose_ways_to_this_machine_are_shut(home: Home):
    engine = fake()
    start(home, engine, "open", "[network]\nallow = ['10.1.0.0/16:443']\ndeny = ['8.8.8.8']\n")
    shutting, agent = engine.prepared
    (ref, made), _ = engine.containers.items()
    assert agent.network == Link(kind="joined", to=ref)
    assert "NET_ADMIN" in shutting.security.capabilities
    lines = bytes(made.output.heard).decode().splitlines()
    assert lines[-1] == "end"
    order_ = [
        lines.index(f"4-A OUTPUT -d {where} -j {verdict}")
        for where, verdict in (
            ("8.8.8.8/32 ", "REJECT"),
            ("10.1.0.0/16 -p tcp --dport 443", "ACCEPT"),
            ("10.0.0.0/8 ", "REJECT"),
            ("169.254.0.0/16 ", "REJECT"),
        )
    ]
    assert order_ == sorted(order_)
    assert any(line.startswith("6-A OUTPUT -d fc00::/7 ") for line in lines)


def test_each_line_says_for_which_family():
    for line in holder.shutters(plan("open", allow=["2001:4860::/32"], deny=["9.9.9.9:53"])):
        assert line.startswith(("4-A OUTPUT ", "6-A OUTPUT "))
        assert (":" in line.split("-d ")[-1].split()[0]) == line.startswith("6") or "-d" not in line


# ------------------------------------------------------------------ more, while it runs


def test_more_is_recorded_before_the_gateway_goes_by_it(home: Home):
    run = start(home, fake(), "filter")
    found = finding.open_session(SessionStore(home.sessions), run.held.id)
    allow.allow(found, "a.example:443", seconds=300, by="ada")
    allow.allow(found, "b.example", seconds=None, by="ada")
    first, second = record(home)["network"]["decisions"]
    assert (first["allow"], first["by"], second["allow"]) == ("a.example:443", "ada", "b.example")
    policy = network.policy(run.held.directory)
    assert policy["allow"] == ["b.example"]
    assert [one["rule"] for one in policy["temporary"]] == ["a.example:443"]


@pytest.mark.parametrize("mode", ["none", "open"])
def test_without_a_gateway_nothing_can_be_allowed(home: Home, mode: str):
    run = start(home, fake(), mode)
    found = finding.open_session(SessionStore(home.sessions), run.held.id)
    with pytest.raises(NetworkError, match="no gateway"):
        allow.allow(found, "a.example", seconds=None, by="ada")


def test_nothing_is_allowed_to_one_that_does_not_run(home: Home):
    with pytest.raises(NetworkError):
        start(home, fake(Script(ends=exited(1))), "filter")
    store = SessionStore(home.sessions)
    (session,) = store.ids()
    with pytest.raises(SessionNotRunningError):
        allow.allow(finding.open_session(store, session), "a.example", seconds=None, by="ada")
