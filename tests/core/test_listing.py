from __future__ import annotations

from datetime import UTC, timedelta

import pytest

from outrig.core.listing import HEADER, Wanted, number, row, select, span, status, title
from outrig.core.moment import time_text
from outrig.core.session import Session
from tests import records

ID = "20260501T120000-3f2a"


def session(**fields):
    return records.first_record(ID, **fields)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0s"),
        (0.31, "0.3s"),
        (9.94, "9.9s"),
        (12.9, "12s"),
        (250, "4m10s"),
        (7500, "2h05m"),
        (360_000, "4d04h"),
        (-5, "0.0s"),
    ],
)
def test_how_long_it_took(seconds, text):
    ended = time_text(records.NOON + timedelta(seconds=seconds))
    assert span(session(ended_at=ended), records.NOON) == text
    assert span(session(), records.NOON + timedelta(seconds=seconds)) == text


def test_no_span_without_both_ends():
    assert span(session(started_at=None), records.NOON) == "-"
    assert span(session(status="lost"), records.NOON) == "-"


@pytest.mark.parametrize(
    ("fields", "attended", "text"),
    [
        ({"status": "running"}, True, "running"),
        ({"status": "running"}, False, "running (unattended)"),
        ({"status": "planned"}, False, "planned (unattended)"),
        ({"status": "running", "paused_at": "x"}, True, "running (paused)"),
        ({"status": "running", "paused_at": "x"}, False, "running (paused, unattended)"),
        ({"status": "stopped", "paused_at": "x"}, True, "stopped"),
        ({"status": "completed"}, False, "completed"),
        ({"schema": None}, False, "unknown"),
        ({"schema": None, "ended_at": "2026-05-01T12:00:00Z", "exit_code": 0}, False, "completed"),
        ({"schema": None, "ended_at": "2026-05-01T12:00:00Z", "exit_code": 3}, False, "failed"),
    ],
)
def test_status(fields, attended, text):
    assert status(session(**fields), attended=attended) == text


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (None, "completed"),
        ({"state": "open"}, "completed"),
        ({"state": "accepted"}, "completed (accepted)"),
        ({"state": "archived"}, "completed (archived)"),
        ({"state": "evaluating"}, "completed (evaluating)"),
    ],
)
def test_what_became_of_it(outcome, text):
    told = session(status="completed", ended_at="2026-05-01T12:00:00Z", outcome=outcome)
    cells = row(told, now=records.NOON, zone=None, attended=True, target=None)
    assert cells[HEADER.index("STATUS")] == text


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"name": "mine", "agent_name": "claude"}, "mine"),
        ({"agent_name": "claude", "task": "fix it"}, "claude: fix it"),
        ({"agent_name": "claude"}, "claude"),
        ({}, "make test"),
        ({"command": None}, ""),
    ],
)
def test_title(fields, text):
    assert title(session(**fields)) == text


def test_a_row_is_one_harmless_line():
    hostile = session(name=None, task="a\nb\x1b]0;x\x07\x1b[31mc", agent_name="claude")
    cells = row(hostile, now=records.NOON, zone=UTC, attended=True, target="/run/\x1b[2J")
    assert cells == (
        ID,
        "2026-05-01 12:00:00",
        "0.0s",
        "planned",
        "host",
        "-",
        "claude: a bc -> /run/",
    )


@pytest.mark.parametrize(
    ("wanted", "takes"),
    [
        (Wanted(), True),
        (Wanted(statuses=("failed", "planned")), True),
        (Wanted(statuses=("failed",)), False),
        (Wanted(agents=("codex", "claude")), True),
        (Wanted(agents=("codex",)), False),
        (Wanted(labels=("team",)), True),
        (Wanted(labels=("team=a", "ci")), True),
        (Wanted(labels=("team=b",)), False),
        (Wanted(labels=("team", "other")), False),
        (Wanted(kinds=("main", "cron")), True),
        (Wanted(kinds=("subagent",)), False),
        (Wanted(group="night"), True),
        (Wanted(group="nigh"), False),
        (Wanted(issue="#7"), True),
        (Wanted(issue="#70"), False),
        (Wanted(project="code"), True),
        (Wanted(project="/home/ada/code"), True),
        (Wanted(project="/home/ada"), False),
        (Wanted(parent="20260501T110000-0000"), True),
        (Wanted(parent="20260501T110000-0001"), False),
        (Wanted(since=records.NOON), True),
        (Wanted(since=records.NOON + timedelta(microseconds=1)), False),
    ],
)
def test_what_is_wanted(wanted, takes):
    found = session(
        agent_name="claude",
        labels={"team": "a", "ci": ""},
        group="night",
        issue="#7",
        project="/home/ada/code/.git",
        parent="20260501T110000-0000",
    )
    assert wanted.takes(found) is takes


def test_selecting_stops_reading_at_its_limit_and_behind_its_time():
    read = []

    def newest_first():
        for minute in range(100):
            at = records.NOON - timedelta(minutes=minute)
            read.append(minute)
            yield Session({"id": f"{at:%Y%m%dT%H%M%S}-0000", "started_at": time_text(at)})

    assert len(select(newest_first(), Wanted(), most=3)) == 3
    assert len(read) <= 4
    read.clear()
    recent = Wanted(since=records.NOON - timedelta(minutes=10))
    assert len(select(newest_first(), recent, most=None)) == 11
    assert len(read) == 12


def test_one_of_which_nothing_is_known():
    assert status(session(status="running"), attended=False, known=False) == "running (unknown)"
    assert status(session(status="running"), attended=True, known=False) == "running"


@pytest.mark.parametrize(("count", "said"), [(0, "0 paths"), (1, "1 path"), (2, "2 paths")])
def test_a_count_has_its_noun(count: int, said: str) -> None:
    assert number(count, "path") == said
