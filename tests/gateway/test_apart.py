"""The namespace that a session joins, as `ip` and `iptables` are told of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from outrig.gateway import apart, kernel
from outrig.gateway.apart import Leg
from outrig.gateway.kernel import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable

LOOPBACK = {"ifname": "lo", "addr_info": []}


def device(name: str, *addresses: tuple[str, int, str]) -> dict[str, object]:
    known = [{"local": one, "prefixlen": size, "scope": scope} for one, size, scope in addresses]
    return {"ifname": name, "addr_info": known}


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, object]], list[str]]:
    """What programs print, by the beginning of their command; and what they were told."""

    def prepare(prints: dict[str, object]) -> list[str]:
        told: list[str] = []

        def run(*argv: str, said: str = "") -> str:
            told.append(" ".join(argv) + "\n" + said)
            for begin, printed in prints.items():
                if " ".join(argv).startswith(begin):
                    if isinstance(printed, SetupError):
                        raise printed
                    return json.dumps(printed)
            return ""

        monkeypatch.setattr(kernel, "run", run)
        return told

    return prepare


def test_a_leg_is_put_up_again_as_it_was(said):
    six = "2001:db8::5"
    shown = [
        LOOPBACK,
        device("eth0", ("172.17.0.3", 16, "global"), (six, 64, "global"), ("fe80::1", 64, "link")),
    ]
    said(
        {
            "ip -j address": shown,
            "ip -j -4 route": [{"gateway": "172.17.0.1"}],
            "ip -j -6 route": [{"gateway": "2001:db8::1"}],
        }
    )
    leg = Leg.found()
    assert Leg(*json.loads(json.dumps(leg))) == leg
    assert (leg.here(4), leg.here(6)) == (["172.17.0.3"], [six])
    assert leg.restored().splitlines() == [
        "link set lo up",
        "link set eth0 up",
        "address add 172.17.0.3/16 dev eth0",
        f"address add {six}/64 dev eth0 nodad",
        "route add default via 172.17.0.1 dev eth0",
        "route add default via 2001:db8::1 dev eth0",
    ]


def test_a_network_without_a_way_out_has_no_router(said):
    said({"ip -j address": [LOOPBACK, device("eth0", ("10.1.0.3", 16, "global"))]})
    assert Leg.found().routers == []


@pytest.mark.parametrize("devices", [[], [device("eth0"), device("eth1")]])
def test_one_leg_leads_out_or_there_is_no_gate(said, devices: list[dict[str, object]]):
    said({"ip -j address": [LOOPBACK, *devices]})
    with pytest.raises(SetupError, match=f"{len(devices)} network devices"):
        Leg.found()


def test_a_device_that_is_left_is_no_namespace_for_a_session(said):
    said({"ip -j link": [LOOPBACK, device("eth1")]})
    with pytest.raises(SetupError, match="still has eth1"):
        apart.assert_alone()
    said({"ip -j link": [LOOPBACK]})
    apart.assert_alone()


def test_without_nat_for_ipv6_there_is_no_way_for_it_either(said, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(apart, "_six", lambda: True)
    told = said({"ip6tables-restore": SetupError("no nat table")})
    assert not apart._set_up_six(apart.OWN_6, apart.AGENT_6)
    assert [one.split()[0] for one in told] == ["ip6tables-restore"]
    told = said({})
    assert apart._set_up_six(apart.OWN_6, apart.AGENT_6)
    assert any(f"default dev lo src {apart.AGENT_6}" in one for one in told)


def test_the_engine_s_resolver_is_shut_before_it_is_passed_on():
    lines = apart._filter(apart._LOOPBACK_4, "100.64.0.2").splitlines()
    assert "-A OUTPUT -d 127.0.0.11 -j REJECT" in lines[lines.index("*filter") :]
    assert lines.index("-A OUTPUT -p tcp -d 100.64.0.2 -j RETURN") < lines.index(
        "-A OUTPUT -p tcp -j REDIRECT --to-ports 3129"
    )
