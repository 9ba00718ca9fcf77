from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from outrig.core.ending import Finding, Intent
from outrig.core.engine import Ref, Seen
from outrig.core.moment import time_text
from outrig.core.reconcile import Standing, aborted, asks, ending, is_overdue, repairs
from outrig.core.session import Session

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
PAST, FUTURE = (time_text(NOW + timedelta(minutes=step)) for step in (-1, 1))
ID = "20260501T115900-0001"
NOTED = [{"kind": "container", "role": "agent", "ref": None, "attempt": "a"}]


def session(status: str, **fields: Any) -> Session:
    return Session({"schema": 1, "id": ID, "status": status, "resources": NOTED, **fields})


def seen(state: str, role: str = "agent", session: str = ID) -> Seen:
    return Seen(
        ref=Ref(engine="docker", endpoint="e", id=f"{role}-{state}"),
        name="",
        session=session,
        root="r",
        attempt="a",
        role=role,
        state=state,
    )


DONE = {"ended_at": PAST}
ROWS: list[tuple[str, dict[str, Any], list[Seen] | None, str]] = [
    # status, further fields, what the engine shows, the repair
    ("completed", DONE, [], "close"),
    ("completed", {**DONE, "resources": []}, None, "close"),
    ("completed", DONE, None, "unknown"),
    ("completed", DONE, [seen("exited")], "remove"),
    ("completed", DONE, [seen("running")], "remove"),
    ("completed", DONE, [seen("exited", "sidecar")], "remove"),
    ("planned", {"resources": []}, None, "abort"),
    ("preparing", {"resources": []}, [], "abort"),
    ("running", {"resources": []}, None, "lose"),
    ("preparing", {}, None, "unknown"),
    ("running", {}, None, "unknown"),
    ("running", {"deadline": PAST}, None, "unknown"),
    ("preparing", {}, [], "abort"),
    ("preparing", {}, [seen("created")], "abort"),
    ("running", {}, [seen("created")], "abort"),
    ("running", {}, [], "lose"),
    ("running", {}, [seen("exited", session="20260501T115900-0002")], "lose"),
    ("running", {}, [seen("running", "sidecar")], "lose"),
    ("running", {}, [seen("running")], "leave"),
    ("running", {}, [seen("paused")], "leave"),
    ("running", {"deadline": FUTURE}, [seen("running")], "leave"),
    ("running", {"deadline": PAST}, [seen("running")], "stop"),
    ("preparing", {"deadline": PAST}, [seen("running")], "stop"),
    ("running", {"deadline": PAST, "paused_at": PAST}, [seen("paused")], "leave"),
    ("running", {"deadline": PAST}, [seen("exited")], "finish"),
    ("preparing", {}, [seen("running")], "adopt"),
    ("preparing", {}, [seen("exited")], "finish"),
    ("running", {}, [seen("exited")], "finish"),
    ("running", {}, [seen("dead")], "finish"),
    ("running", {}, [seen("exited"), seen("running")], "leave"),
]


@pytest.mark.parametrize(("status", "fields", "shown", "kind"), ROWS)
def test_each_row(status, fields, shown, kind):
    standing = Standing(session=session(status, **fields), attended=False)
    (found,) = repairs([standing], shown, now=NOW)
    assert found.kind == kind


@pytest.mark.parametrize("shown", [None, [], [seen("exited")], [seen("running")]])
@pytest.mark.parametrize(
    "standing",
    [
        Standing(session=session("running", deadline=PAST), attended=True),
        Standing(session=session("running", deadline=PAST), attended=False, elsewhere=True),
        Standing(session=Session({"id": ID, "resources": NOTED}), attended=False),
    ],
    ids=["attended", "elsewhere", "foreign"],
)
def test_what_others_look_after_is_left_alone(standing, shown):
    (found,) = repairs([standing], shown, now=NOW)
    assert found.kind == "leave"
    assert not asks(standing)


def test_everything_else_of_the_session_is_named_beside_the_agent():
    gateway = seen("running", "gateway")
    standing = Standing(session=session("running"), attended=False)
    (found,) = repairs([standing], [gateway, seen("exited")], now=NOW)
    assert (found.agent, found.others) == (seen("exited"), (gateway,))


@pytest.mark.parametrize(
    ("resources", "asked"),
    [([], False), (NOTED, True), ([{"kind": "branch", "ref": "x"}], False)],
)
def test_the_engine_is_asked_only_for_containers(resources, asked):
    standing = Standing(session=session("running", resources=resources), attended=False)
    assert asks(standing) is asked


@pytest.mark.parametrize(
    ("fields", "overdue"),
    [
        ({}, False),
        ({"deadline": "soon"}, False),
        ({"deadline": time_text(NOW)}, True),
        ({"deadline": time_text(NOW), "paused_seconds": 1.5}, False),
        ({"deadline": PAST, "paused_seconds": 1.5}, True),
    ],
)
def test_overdue(fields, overdue):
    assert is_overdue(session("running", **fields), NOW) is overdue


@pytest.mark.parametrize(
    ("intent", "ends"),
    [
        (None, ("failed", "start-failed", 125)),
        (Intent(kind="signal", signal=2, until=PAST), ("failed", "start-failed", 125)),
        (Intent(kind="signal", signal=15), ("stopped", "interrupted", 143)),
        (Intent(kind="stop"), ("stopped", "stopped", 125)),
        (Intent(kind="wall"), ("timeout", "wall-timeout", 124)),
    ],
)
def test_how_one_that_never_started_ended(intent, ends):
    found = aborted(intent)
    assert (found.status, found.reason, found.exit_code) == ends


@pytest.mark.parametrize(
    ("fields", "intent", "code", "reason"),
    [
        ({}, None, 0, "exit"),
        ({"stdin_open": True}, None, 0, "stdin-lost"),
        ({"stdin_open": True}, None, 141, "stdin-lost"),
        ({"stdin_open": True}, Intent(kind="stop"), 0, "stopped"),
        ({"stdin_open": False}, None, 3, "exit"),
    ],
)
def test_an_input_that_was_cut_short_is_the_reason(fields, intent, code, reason):
    found = ending(session("running", **fields), intent, Finding(code=code))
    assert (found.reason, found.exit_code) == (reason, code)
