from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from outrig.store.sessions import SessionStore
from tests import records

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(session_root: Path) -> SessionStore:
    return SessionStore(session_root)


def test_without_any(outrig):
    assert outrig("events").ok().out == ""


def test_in_order(outrig, store):
    session = records.done(store, name="mine")
    outrig("discard", "-y", session.id).ok()
    shown = outrig("events").ok().out.splitlines()
    assert [line.split("  ")[2].strip() for line in shown] == [
        "planned",
        "preparing",
        "running",
        "ended",
        "discarded",
    ]
    assert "ended" in shown[3]
    assert shown[3].split("  ")[-2:] == ["completed exit 0", "mine"]
    found = [json.loads(line) for line in outrig("events", "--json").ok().out.splitlines()]
    assert [one["event"] for one in found][-1] == "discarded"
    assert {one["id"] for one in found} == {session.id}


def test_following(outrig, store):
    process = outrig.start("events", "-f", "--json")
    try:
        session = records.done(store)
        found = [json.loads(process.stdout.readline()) for _ in range(4)]
        assert [one["event"] for one in found] == ["planned", "preparing", "running", "ended"]
        assert {one["id"] for one in found} == {session.id}
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        assert process.returncode == 130
    finally:
        process.kill()
        process.communicate()
