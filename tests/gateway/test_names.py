"""Stand-ins: one for a name, given again to the longest unused."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from outrig.gateway.names import Names

TWO = IPv4Network("100.64.2.0/30")  # two hosts


def test_a_name_keeps_its_stand_in_and_it_leads_back():
    names = Names(TWO)
    first = names.address("a.example")
    assert first
    assert names.address("a.example") == first
    assert names.address("b.example") != first
    assert names.name(first) == "a.example"
    assert first in names
    assert IPv4Address("100.64.3.1") not in names


def test_the_longest_unused_is_given_again_and_then_leads_to_the_new_name():
    names = Names(TWO)
    first, second = names.address("a.example"), names.address("b.example")
    names.address("a.example")
    assert names.address("c.example") == second
    assert second
    assert names.name(second) == "c.example"
    assert names.address("a.example") == first


def test_one_in_use_is_kept_and_with_all_in_use_there_is_none():
    names = Names(TWO)
    for name in ("a.example", "b.example"):
        names.address(name)
        names.connected(name)
    names.connected("a.example")
    assert names.address("c.example") is None
    names.disconnected("a.example")
    assert names.address("c.example") is None  # another connection to it goes on
    names.disconnected("a.example")
    assert names.address("c.example")
