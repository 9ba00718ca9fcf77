from __future__ import annotations

import json

import pytest

from outrig.core.events import EVENTS, changes, event, line
from outrig.core.session import Session
from tests.records import NOON

ID = "20260501T120000-3f2a"


def session(**fields) -> Session:
    return Session({"schema": 1, "id": ID, **fields})


HIT = {"limit": "log_bytes", "at": "x", "evidence": "y"}
ROWS = [
    (None, {"status": "planned"}, ["planned"]),
    ({"status": "planned"}, None, ["discarded"]),
    ({"status": "planned"}, {"status": "preparing"}, ["preparing"]),
    ({"status": "preparing"}, {"status": "running"}, ["running"]),
    ({"status": "running"}, {"status": "running", "image_id": "x"}, []),
    ({"status": "running"}, {"status": "failed", "ended_at": "x"}, ["ended"]),
    ({"status": "failed", "ended_at": "x"}, {"status": "failed", "ended_at": "x"}, []),
    ({"status": "running"}, {"status": "running", "paused_at": "x"}, ["paused"]),
    ({"status": "running", "paused_at": "x"}, {"status": "running"}, ["unpaused"]),
    ({"status": "running", "paused_at": "x"}, {"status": "lost", "ended_at": "x"}, ["ended"]),
    ({"status": "running"}, {"status": "running", "limits_hit": [HIT]}, ["limit-hit"]),
    ({"status": "running", "limits_hit": [HIT]}, {"status": "running", "limits_hit": [HIT]}, []),
    ({"status": "running"}, {"status": "lost", "limits_hit": [HIT]}, ["limit-hit", "ended"]),
    ({"status": "lost"}, {"status": "lost", "outcome": {"state": "open"}}, ["outcome"]),
]


@pytest.mark.parametrize(("before", "after", "names"), ROWS)
def test_each_row(before, after, names):
    found = changes(
        None if before is None else session(**before),
        None if after is None else session(**after),
        now=NOON,
    )
    assert [one["event"] for one in found] == names
    assert all(one["id"] == ID for one in found)
    assert set(names) <= set(EVENTS)


def test_a_line_is_small_and_says_what_counts():
    found = event(
        "ended",
        session(status="failed", reason="exit", exit_code=3, name="n", task="x" * 10**6),
        now=NOON,
    )
    assert found == {
        "at": "2026-05-01T12:00:00.000000Z",
        "event": "ended",
        "id": ID,
        "name": "n",
        "status": "failed",
        "reason": "exit",
        "exit_code": 3,
    }
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"event": "running", "status": "running", "name": "n"}, f"T  {ID}  running  n"),
        (
            {"event": "ended", "status": "failed", "reason": "exit", "exit_code": 0},
            f"T  {ID}  ended  failed exit 0",
        ),
        ({"event": "limit-hit", "limit": "pids"}, f"T  {ID}  limit-hit  pids"),
        ({"event": "x\x1b[2J\ny"}, f"T  {ID}  x y"),
    ],
)
def test_in_words(fields, words):
    found = line({"at": "T", "id": ID, **fields})
    assert found.split() == words.split()
    assert "\x1b" not in found
