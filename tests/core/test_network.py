"""The words for networks, which mode a session has, and what must be said aloud."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, ip_network

import pytest

from outrig.core.config import NETWORKS
from outrig.core.network import (
    MODES,
    REGISTRIES,
    announcement,
    chosen,
    inner,
    mode,
    of_record,
    plan,
    policy,
    rule_of_url,
)
from outrig.errors import NetworkError, UsageError


def test_the_modes_of_the_configuration_are_these():
    assert NETWORKS == MODES


@pytest.mark.parametrize("word", MODES)
def test_modes(word):
    assert mode(word) == word


@pytest.mark.parametrize("word", ["", "host", "None", "open "])
def test_other_words_are_refused_and_the_modes_named(word):
    with pytest.raises(UsageError, match="none, filter, audit, open, bridge"):
        mode(word)


@pytest.mark.parametrize(
    ("agent", "configured", "explicit", "expected"),
    [
        ("none", "bridge", True, "none"),
        ("none", "open", False, "none"),
        ("filter", "bridge", True, "bridge"),
        ("filter", "open", False, "filter"),
        ("filter", "none", False, "none"),
        (None, "audit", False, "audit"),
        (None, "open", True, "open"),
    ],
)
def test_which_mode_a_session_has(agent, configured, explicit, expected):
    assert chosen(configured=configured, explicit=explicit, agent=agent) == expected


@pytest.mark.parametrize(
    ("word", "how", "why"),
    [
        ("open", {"deny": ["a.example"]}, "deny a.example"),
        ("bridge", {"deny": ["8.8.8.8"]}, "deny 8.8.8.8"),
        ("open", {"by_flag": ["a.example"]}, "makes nothing of --allow"),
        ("none", {"by_flag": ["8.8.8.8"]}, "makes nothing of --allow"),
        ("filter", {"deny": [REGISTRIES]}, "not be denied"),
    ],
)
def test_rules_that_a_mode_cannot_keep(word, how, why):
    with pytest.raises(UsageError, match=why):
        plan(word, **how)


def test_rules_that_are_none():
    with pytest.raises(NetworkError, match="no network rule"):
        plan("filter", allow=["http://a.example/"])


def test_rules_of_a_configuration_stand_by_where_a_mode_has_no_use_for_them():
    allow = ["a.example", "10.1.0.0/16", REGISTRIES, "a.example"]
    assert plan("open", allow=allow).allow == ("10.1.0.0/16",)
    assert plan("bridge", allow=allow).allow == ()
    assert plan("filter", allow=allow).allow == ("a.example", "10.1.0.0/16", REGISTRIES)


def test_a_session_that_reaches_out_is_announced():
    assert announcement(plan("none"), None) is None
    assert "--network none" in str(announcement(plan("open"), None))
    assert "this machine" in str(announcement(plan("bridge"), None))
    assert "reaches nothing, for" in str(announcement(plan("filter"), None))
    beside = str(announcement(plan("filter"), None, beside=True))
    assert "reaches nothing but its sidecars, for" in beside
    many = plan("filter", allow=[f"h{one}.example" for one in range(9)])
    said = str(announcement(many, "claude"))
    assert "claude reaches h0.example, " in said
    assert "h8" not in said


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("https://model.example/v1", "model.example:443"),
        ("http://10.0.0.1:8080", "10.0.0.1:8080"),
        ("http://user:word@[2001:4860::1]/", "[2001:4860::1]:80"),
        ("ftp://a.example", None),
        ("http://:80", None),
        ("http://2130706433/", None),
        ("http://a.example:99999/", None),
    ],
)
def test_the_rule_that_leads_to_a_url(url, rule):
    assert rule_of_url(url) == rule


@pytest.mark.parametrize("draw", [0, 1, 4095, 4096, 65_535])
def test_a_network_of_a_sessions_own(draw):
    made = inner(draw)
    whole, names = IPv4Network(made.range), IPv4Network(made.stand_ins)
    assert whole.subnet_of(IPv4Network("100.64.0.0/10"))
    assert names.subnet_of(whole)
    places = {IPv4Address(one) for one in (made.exit, made.gateway, made.agent)}
    assert len(places) == 3
    assert all(one in whole and one not in names for one in places)


def test_networks_of_two_sessions_do_not_overlap():
    assert not ip_network(inner(7).range).overlaps(ip_network(inner(8).range))


def test_what_a_gateway_is_told():
    made = plan("filter", allow=["a.example"], deny=["b.example"])
    assert policy(made, own=[ip_network("10.0.0.1/32")], hosts={"db": "100.64.0.4"}) == {
        "mode": "filter",
        "allow": ["a.example"],
        "deny": ["b.example"],
        "own": ["10.0.0.1/32"],
        "hosts": {"db": "100.64.0.4"},
        "temporary": [],
    }


@pytest.mark.parametrize(
    ("said", "mode", "allow"),
    [
        ({"mode": "filter", "allow": ["a.example"]}, "filter", ("a.example",)),
        ("none", "none", ()),  # an older record
    ],
)
def test_a_record_says_what_a_session_could_reach(said, mode, allow):
    had = of_record(said)
    assert had is not None
    assert (had.mode, had.allow) == (mode, allow)


@pytest.mark.parametrize("said", [None, {}, "wide", {"mode": ["none"]}, 5])
def test_a_record_that_says_nothing_known(said):
    assert of_record(said) is None
