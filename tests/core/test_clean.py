from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from outrig.core.clean import Wish, old, strays, unused
from outrig.core.engine import Ref, Seen
from outrig.core.moment import time_text
from outrig.core.session import Session
from outrig.core.stock import Stocked

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def session(number: int, *, days: float, status: str = "completed", **fields) -> Session:
    """Ended so many days ago."""
    at = time_text(NOW - timedelta(days=days))
    return Session({"schema": 1, "id": str(number), "status": status, "ended_at": at, **fields})


EVERY = [
    Session({"schema": 1, "id": "9", "status": "running"}),
    session(5, days=1),
    session(4, days=10, status="failed"),
    session(3, days=29.9),
    session(2, days=30),
    session(1, days=300, status="lost"),
    session(0, days=300, schema=None),
]


@pytest.mark.parametrize(
    ("wish", "goes"),
    [
        (Wish(), "21"),
        (Wish(statuses=("lost",)), "1"),
        (Wish(age=timedelta(days=5)), "4321"),
        (Wish(age=timedelta(0)), "54321"),
        (Wish(keep=2), "321"),
        (Wish(keep=0), "54321"),
        (Wish(keep=9), ""),
        (Wish(keep=1, age=timedelta(days=20)), "321"),
        (Wish(keep=0, statuses=("failed", "lost")), "41"),
    ],
)
def test_which_sessions_go(wish, goes):
    assert "".join(one.id for one in old(EVERY, wish, now=NOW)) == goes


def test_without_an_end_the_beginning_counts():
    lost = Session({"schema": 1, "id": "x", "status": "lost", "started_at": time_text(NOW)})
    assert old([lost], Wish(), now=NOW) == []
    assert old([lost], Wish(), now=NOW + timedelta(days=30)) == [lost]


@pytest.mark.parametrize(
    ("session", "state", "age", "goes"),
    [
        ("s", "gone", 0, True),
        ("s", "ended", 0, True),
        ("s", "unfinished", 9999, False),
        ("s", "unreadable", 9999, False),
        ("s", "attended", 9999, False),
        ("", "gone", 599, False),
        ("", "gone", 601, True),
    ],
)
def test_which_containers_are_strays(session, state, age, goes):
    one = Seen(
        ref=Ref(engine="docker", endpoint="e", id="c"),
        name="n",
        session=session,
        root="r",
        attempt="a",
        role="agent" if session else "helper",
        state="running",
        created=NOW.timestamp() - age,
    )
    assert strays([one], lambda _: state, now=NOW) == ([one] if goes else [])


def test_which_images_are_unused():
    stocked = [
        Stocked(name="a", state="ready", tag="outrig/a:1"),
        Stocked(name="a", state="old", tag="outrig/a:0"),
        Stocked(name="b", state="old", tag="outrig/b:0"),
        Stocked(name="c", state="missing", tag="outrig/c:0"),
    ]
    assert unused(stocked, {"outrig/b:0"}) == ["outrig/a:0"]
