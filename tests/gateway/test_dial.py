"""Which of a name's addresses are dialled, and in which order."""

from __future__ import annotations

import asyncio
import json
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from outrig.gateway import dial
from outrig.gateway.dial import DialError, alternating
from outrig.gateway.policy import Policy

if TYPE_CHECKING:
    from pathlib import Path

FOUR = [ip_address(f"192.0.2.{one}") for one in (1, 2, 3)]
SIX = [ip_address(f"2001:db8::{one}") for one in (1, 2)]


def test_both_families_take_turns_and_the_resolver_says_who_begins():
    assert alternating([*SIX, *FOUR]) == [SIX[0], FOUR[0], SIX[1], FOUR[1], FOUR[2]]
    assert alternating([*FOUR, *SIX])[:2] == [FOUR[0], SIX[0]]
    assert alternating(FOUR) == FOUR
    assert alternating([]) == []


def dialled(folder: Path, monkeypatch, addresses: list[str], port: int, allow: list[str]) -> str:
    path = folder / "policy.json"
    said: dict[str, Any] = {"mode": "filter", "allow": allow, "deny": [], "own": []}
    path.write_text(json.dumps(said))

    async def resolve(_name: str) -> list[Any]:
        return [ip_address(one) for one in addresses]

    monkeypatch.setattr(dial, "resolve", resolve)

    async def main() -> str:
        out = await dial.dial(Policy(str(path)), "a.example", port)
        out.connection.close()
        return str(out.address)

    return asyncio.run(main())


RULES = ["a.example", "127.0.0.0/8", "::1"]


def test_the_next_address_is_tried_and_ipv6_is_dialled(tmp_path, monkeypatch):
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as here:
        port = here.getsockname()[1]
        found = dialled(tmp_path, monkeypatch, ["127.0.0.1", "::1"], port, RULES)
    assert found == "::1"


def test_a_name_with_any_address_that_is_refused_is_refused_whole(tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as here:
        port = here.getsockname()[1]
        with pytest.raises(DialError) as caught:
            dialled(tmp_path, monkeypatch, ["127.0.0.1", "10.0.0.1"], port, RULES)
    assert caught.value.verdict
    assert caught.value.verdict.rule == "special private"
    assert str(caught.value.address) == "10.0.0.1"


def test_nobody_there_is_no_refusal(tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as here:
        port = here.getsockname()[1]
    with pytest.raises(DialError, match=r"127\.0\.0\.1") as caught:
        dialled(tmp_path, monkeypatch, ["127.0.0.1"], port, RULES)
    assert caught.value.verdict is None
