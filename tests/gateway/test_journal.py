"""Lines for logs/network.jsonl: the same refusals are one, and nobody can fill a disk with them."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from outrig.gateway.journal import REFUSALS_A_SECOND, Journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOW = datetime(2026, 5, 1, 13, 44, 12, 250_000, UTC)


class Told:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.later: list[Callable[[], None]] = []
        self.fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def journal(self, most: int = 1 << 20, **secrets: str) -> Journal:
        def later(_: float, call: Callable[[], None]) -> None:
            self.later.append(call)

        return Journal(self.fd, later, most=most, now=lambda: NOW, secrets=secrets)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()]


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    made = Told(tmp_path / "network.jsonl")
    yield made
    os.close(made.fd)


def test_a_connection_is_told_of_at_once_without_what_is_not_known(told: Told):
    told.journal().connection(rule="allow a", host="a", sni=None)
    (line,) = told.lines()
    assert line == {
        "time": "2026-05-01T13:44:12.250000Z",
        "verdict": "allowed",
        "rule": "allow a",
        "host": "a",
    }


def test_a_secret_that_is_asked_for_as_a_name_is_not_written_down(told: Told):
    journal = told.journal(forge="Sk-Forge-0123456789")
    journal.refused(rule="default", proto="dns", host="x-sk-forge-0123456789.evil.example")
    journal.connection(rule="allow a", host="a", path="/?k=Sk-Forge-0123456789", sent=5)
    journal.flush()
    connection, refusal = told.lines()
    assert (connection["path"], connection["sent"]) == ("/?k=[REDACTED:forge]", 5)
    assert refusal["host"] == "x-[REDACTED:forge].evil.example"


def test_the_same_refusal_is_one_line_a_second(told: Told):
    journal = told.journal()
    for host in ("a", "b", "a", "a"):
        journal.refused(rule="default", host=host)
    assert told.lines() == []
    (flush,) = told.later
    flush()
    assert [(line["host"], line["count"]) for line in told.lines()] == [("a", 3), ("b", 1)]


def test_a_crowd_of_different_refusals_is_counted(told: Told):
    journal = told.journal()
    for number in range(60_000):
        journal.refused(rule="default", host=f"h{number}")
    journal.close()
    lines = told.lines()
    assert len(lines) == REFUSALS_A_SECOND + 1
    assert lines[-1]["count"] == 60_000 - REFUSALS_A_SECOND
    assert sum(line["count"] for line in lines) == 60_000


def test_there_is_an_end_to_it_and_that_is_told(told: Told):
    journal = told.journal(most=1000)
    for _ in range(100):
        journal.connection(rule="allow a", host="a")
    journal.close()
    *lines, last = told.lines()
    assert last["verdict"] == "unrecorded"
    assert last["count"] + len(lines) == 100
    assert told.path.stat().st_size < 1200
