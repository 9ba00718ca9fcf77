"""What a gateway told, summed up for people and turned into rules."""

from __future__ import annotations

from outrig.core.connections import HEADS, Reached, advice, rows, rules, summed

LINES = [
    {"verdict": "allowed", "rule": "default", "host": "a.example", "port": 443, "sent": 10},
    {"verdict": "refused", "rule": "default", "host": "b.example", "count": 3},
    {"verdict": "allowed", "rule": "default", "host": "a.example", "port": 443, "received": 2048},
    {"verdict": "allowed", "rule": "allow ::1", "host": "2001:4860::1", "port": 80},
]


def test_one_for_each_place():
    assert summed(LINES) == [
        Reached(
            verdict="allowed",
            rule="default",
            host="a.example",
            port=443,
            count=2,
            sent=10,
            received=2048,
        ),
        Reached(verdict="refused", rule="default", host="b.example", port=None, count=3),
        Reached(verdict="allowed", rule="allow ::1", host="2001:4860::1", port=80, count=1),
    ]


def test_lines_of_a_stranger_are_not_believed():
    odd = [{}, {"verdict": 1, "port": "x", "count": -5, "sent": None, "host": ["a"]}]
    assert summed(odd) == [Reached(verdict="", rule="", host="", port=None, count=2)]


def test_as_a_table():
    heads, first, second, _ = rows(summed(LINES))
    assert heads == HEADS
    assert first == ("allowed", "default", "a.example:443", "2", "10", "2k")
    assert second[2:] == ("b.example", "3", "-", "-")


def test_rules_for_what_was_reached_and_nothing_else():
    assert rules(summed(LINES)) == ["[2001:4860::1]:80", "a.example:443"]
    special = {"verdict": "allowed", "host": "in.example", "port": 443, "address": "10.0.0.7"}
    by_name = [{**special, "rule": "allow in.example:443"}]
    assert rules(summed(by_name)) == ["in.example:443"]
    for rule in ("10.0.0.0/8", "10.0.0.7:443"):
        learned = rules(summed([{**special, "rule": f"allow {rule}"}]))
        assert learned == [rule, "in.example:443"]


def test_what_is_not_public_needs_an_address():
    refused = {"verdict": "refused", "rule": "special private", "host": "in.example", "port": 443}
    found = list(advice(summed([*LINES, {**refused, "address": "fd00::1"}, refused])))
    told = "in.example:443 is fd00::1 (private), which only an address allows: [fd00::1]:443"
    assert found == [told]
    assert list(advice(summed([*LINES, refused]))) == []
