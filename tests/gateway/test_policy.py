"""The policy file: swapped while the gate runs, and nothing is allowed without a good one."""

from __future__ import annotations

import json
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from outrig.gateway.policy import UNREADABLE, Policy

if TYPE_CHECKING:
    from pathlib import Path

PUBLIC = ip_address("93.184.216.34")
PLAIN: dict[str, Any] = {"mode": "filter", "allow": ["a.example"], "deny": [], "own": []}


class Kept:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "policy.json"
        self.now = 1000.0
        self.policy = Policy(str(self.path), clock=lambda: self.now)

    def write(self, **changes: Any) -> None:
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps({**PLAIN, **changes}))
        new.replace(self.path)

    def allows(self, name: str) -> bool:
        return self.policy.judge(name, PUBLIC, 443).allowed


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    made = Kept(tmp_path)
    made.write()
    return made


def test_it_counts_as_it_is_now(kept: Kept):
    assert kept.allows("a.example")
    assert not kept.allows("b.example")
    kept.write(allow=["a.example", "b.example"])
    assert kept.allows("b.example")
    kept.write(deny=["a.example"])
    assert not kept.allows("a.example")


def test_audit_allows_what_no_rule_speaks_of(kept: Kept):
    kept.write(mode="audit", deny=["b.example"])
    assert kept.allows("c.example")
    assert not kept.allows("b.example")
    assert kept.policy.may_resolve("c.example").allowed


def test_what_is_allowed_for_a_while(kept: Kept):
    kept.write(temporary=[{"rule": "b.example", "until": 1300.0}])
    assert kept.allows("b.example")
    kept.now = 1300.0
    assert not kept.allows("b.example")
    assert kept.allows("a.example")


def test_this_machine_is_refused_whatever_its_name(kept: Kept):
    kept.write(own=[f"{PUBLIC}/32"])
    assert kept.policy.judge("a.example", PUBLIC, 443).rule == "special this machine"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"mode": "audit"}',
        json.dumps({**PLAIN, "allow": "a.example"})[:-1],
        json.dumps({**PLAIN, "allow": ["http://a"]}),
        json.dumps({**PLAIN, "own": ["x"]}),
        json.dumps({**PLAIN, "allow": [1]}),
        json.dumps({**PLAIN, "temporary": [{"rule": "b.example"}]}),
        "\udcff",
    ],
)
def test_one_that_cannot_be_understood_allows_nothing(kept: Kept, text: str):
    assert kept.allows("a.example")
    kept.path.write_text(text, errors="surrogateescape")
    assert kept.policy.judge("a.example", PUBLIC, 443) == UNREADABLE
    assert kept.policy.may_resolve("a.example") == UNREADABLE


def test_one_that_is_gone_allows_nothing_and_one_that_comes_back_counts(kept: Kept):
    kept.path.unlink()
    assert not kept.allows("a.example")
    kept.write()
    assert kept.allows("a.example")
