"""When a session is looked at, and what the record says then; on a fake engine and a fake clock."""

from __future__ import annotations

from typing import Any

import pytest

from outrig.errors import EngineError, EngineUnreachableError
from outrig.runner.crowding import FIRST, LAST, SOON, Crowding
from tests.fakes import FakeEngine, Script
from tests.runner.orders import launched, record

NOON = 1000.0


@pytest.fixture
def crowding(home):
    """One that sees these, one with each look; and the engine's list, which shows how many."""
    runs = []

    def make(*crowd) -> tuple[Crowding, list[Any]]:
        engine = FakeEngine(Script(crowd=list(crowd)))
        run = launched(home, engine)
        runs.append((engine, run))
        return Crowding(run, NOON), engine.script.crowd

    yield make
    for engine, run in runs:
        run.recorder.close()
        run.held.close()
        engine.close()


def hits(home) -> list[tuple[str, str]]:
    return [(hit["limit"], hit["evidence"]) for hit in record(home).get("limits_hit", [])]


def test_a_silent_one_is_looked_at_less_and_less(crowding):
    made, left = crowding(*[None] * 10)
    moments, now = [], NOON
    for _ in range(6):
        now = made.due
        moments.append(now - NOON)
        made.keep(NOON - 1, now)
    assert moments == [1.0, 3.0, 7.0, 15.0, 25.0, 35.0]
    assert len(left) == 4
    assert made.due - now == LAST


def test_one_that_talks_is_looked_at_soon(crowding):
    made, left = crowding(*[None] * 10)
    made.keep(NOON + 0.1, NOON + 0.1)
    assert len(left) == 9
    made.keep(NOON + 0.101, NOON + 0.101)
    assert len(left) == 9
    assert made.due == NOON + 0.1 + SOON
    made.keep(NOON + 0.101, made.due)
    assert len(left) == 8
    assert made.due == NOON + FIRST


def test_the_first_time_counts_and_the_evidence_is_the_latest(crowding, home):
    made, _ = crowding("1", "2", "3")
    made.keep(NOON + 0.1, NOON + 0.1)
    first = record(home)["limits_hit"][0]["at"]
    assert hits(home) == [("pids", "1")]
    made.keep(NOON + 0.2, NOON + 0.2)
    assert hits(home) == [("pids", "1")]  # a rewrite of the record is not made with every word
    made.keep(NOON, NOON + FIRST)
    assert hits(home) == [("pids", "3")]
    assert record(home)["limits_hit"][0]["at"] == first


@pytest.mark.parametrize("why", [EngineError("no stats"), EngineUnreachableError("no answer")])
def test_an_engine_that_cannot_say_ends_no_session(crowding, home, why):
    made, left = crowding(why, "20 of 20 processes were there")
    made.keep(NOON, NOON + FIRST)
    made.keep(NOON, made.due)
    assert left == []
    assert hits(home) == [("pids", "20 of 20 processes were there")]


def test_what_shows_only_when_it_is_over_is_noted(crowding, home):
    made, left = crowding(None, "the kernel refused it more processes", "never asked for")
    made.keep(NOON + 0.1, NOON + 0.1)
    made.look()
    made.look()
    assert left == []
    assert hits(home) == [("pids", "the kernel refused it more processes")]
