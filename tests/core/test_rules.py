from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from outrig.core.rules import Rules, parse
from outrig.errors import NetworkError

PUBLIC = ip_address("93.184.216.34")
OWN = (ip_network("51.15.0.0/24"),)


def rules(*allow: str, deny: tuple[str, ...] = (), open_: bool = False) -> Rules:
    return Rules(allow=tuple(map(parse, allow)), deny=tuple(map(parse, deny)), open_=open_)


@pytest.mark.parametrize(
    ("rule", "name", "port", "about"),
    [
        ("a.example", "a.example", 443, True),
        ("A.Example.", "a.example", 1, True),
        ("a.example:443", "a.example", 443, True),
        ("a.example:443", "a.example", 80, False),
        ("a.example", "b.a.example", 443, False),
        ("*.a.example", "b.a.example", 443, True),
        ("*.a.example", "c.b.a.example", 443, True),
        ("*.a.example", "a.example", 443, False),
        ("*.a.example", "xa.example", 443, False),
        ("*.a.example:22", "b.a.example", 443, False),
    ],
)
def test_rules_about_names(rule, name, port, about):
    assert parse(rule).names(name, port) is about


@pytest.mark.parametrize(
    ("rule", "address", "port", "about"),
    [
        ("10.0.0.5", "10.0.0.5", 1, True),
        ("10.0.0.5:5432", "10.0.0.5", 5432, True),
        ("10.0.0.5:5432", "10.0.0.5", 5433, False),
        ("10.0.0.0/8", "10.9.9.9", 1, True),
        ("10.0.0.0/8:22", "10.9.9.9", 22, True),
        ("10.0.0.0/8", "11.0.0.1", 1, False),
        ("fd00::/8", "fd00::1", 1, True),
        ("[fd00::/8]:443", "fd00::1", 443, True),
        ("[::1]:443", "::1", 80, False),
        ("10.0.0.0/8", "::ffff:10.0.0.1", 1, True),
        ("a.example", "10.0.0.5", 1, False),
    ],
)
def test_rules_about_addresses(rule, address, port, about):
    assert parse(rule).covers(ip_address(address), port) is about


@pytest.mark.parametrize(
    ("found", "name", "address", "allowed", "by"),
    [
        (rules("a.example", deny=("a.example",)), "a.example", PUBLIC, False, "deny a.example"),
        (rules("a.example", deny=("93.184.0.0/16",)), "a.example", PUBLIC, False, "deny 93.184"),
        (rules("10.0.0.0/8", deny=("10.0.0.1",)), None, "10.0.0.1", False, "deny 10.0.0.1"),
        (rules("10.0.0.0/8", deny=("10.0.0.1",)), None, "::ffff:10.0.0.1", False, "deny"),
        (rules("10.0.0.0/8"), None, "10.0.0.1", True, "allow 10.0.0.0/8"),
        (rules("10.0.0.0/8"), "a.example", "10.0.0.1", True, "allow 10.0.0.0/8"),
        (rules("10.0.0.0/8"), None, "::ffff:10.0.0.1", False, "special private"),
        (rules("a.example"), "a.example", "169.254.169.254", False, "special link-local"),
        (rules("a.example", open_=True), "a.example", "127.0.0.1", False, "special loopback"),
        (rules("a.example"), "a.example", "51.15.0.7", False, "special this machine"),
        (rules(open_=True), None, "51.15.0.7", False, "special this machine"),
        (rules(open_=True), None, "2002:330f:7::", False, "special this machine"),
        (rules("a.example"), "a.example", PUBLIC, True, "allow a.example"),
        (rules("a.example"), None, PUBLIC, False, "default"),
        (rules("a.example:80"), "a.example", PUBLIC, False, "default"),
        (rules(), "a.example", PUBLIC, False, "default"),
        (rules(open_=True), None, PUBLIC, True, "default"),
    ],
)
def test_the_first_row_that_applies_decides(found, name, address, allowed, by):
    verdict = found.judge(name, ip_address(address), 443, own=OWN)
    assert verdict.allowed is allowed
    assert verdict.rule.startswith(by)


def test_which_names_are_looked_up():
    found = rules("a.example:443", "*.b.example", deny=("x.b.example", "y.b.example:80"))
    asked = ("a.example", "b.example", "c.b.example", "x.b.example", "y.b.example", "other")
    assert [name for name in asked if found.may_resolve(name).allowed] == [
        "a.example",
        "c.b.example",
        "y.b.example",
    ]
    assert rules(deny=("a.example",), open_=True).may_resolve("b.example").allowed
    assert not rules(deny=("a.example",), open_=True).may_resolve("a.example").allowed


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "*",
            "*.",
            "*.1.2.3.4",
            "a.*.example",
            "a.example:",
            "a.example:0",
            "a.example:65536",
        ),
        *("a.example:x", "10.0.0.1/8", "10.0.0.0/33", "http://a.example", "a b", "127.1", "0x7f.1"),
        *("[::1", "[a.example]:80", "a.example:²"),
    ],
)
def test_what_is_no_rule(text):
    with pytest.raises(NetworkError, match="network rule"):
        parse(text)
