"""What is counted of a container, where its cgroup may be read and where only the engine tells."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

from outrig.engine.counts import Counts
from outrig.engine.line import Answer

ONE = "5b5421030199bb1df5a09b775569ce07"
STATS = {
    "memory_stats": {"usage": 1000},
    "cpu_stats": {"cpu_usage": {"total_usage": 500_000_000}},
    "pids_stats": {"current": 8, "limit": 8},
}


class Asked:
    """An engine that only says its stats."""

    def __init__(self, path: str | None) -> None:
        self.endpoint = SimpleNamespace(path=path)
        self.calls = 0

    def call(self, method, path, **_):
        assert (method, path) == ("GET", f"/containers/{ONE}/stats")
        self.calls += 1
        return Answer(status=200, headers={}, body=json.dumps(STATS).encode())


def test_of_an_engine_elsewhere_no_cgroup_of_this_machine_is_opened(monkeypatch):
    def never(*_):
        raise AssertionError("a cgroup of this machine was looked for")

    for name in ("usage.Kills", "counts.Refusals"):
        monkeypatch.setattr(f"outrig.engine.{name}", never)
    wire = Asked(None)
    counts = Counts(cast("Any", wire), ONE)
    counts.listen()
    assert counts.opened
    assert not counts.killed()
    assert counts.crowded(ask=False) is None
    assert counts.measured(ask=False).memory is None
    assert wire.calls == 0
    assert counts.crowded(ask=True) == "8 of 8 processes were there"
    assert counts.measured(ask=True).memory == 1000
    assert counts.cpu_seconds() == 0.5
    counts.close()


def test_where_its_cgroup_is_not_seen_the_engine_is_asked_who_is_there():
    wire = Asked("/run/docker.sock")
    counts = Counts(cast("Any", wire), ONE)  # no container of that id is on this machine
    counts.listen()
    assert not counts.opened
    assert counts.crowded(ask=False) is None
    assert counts.crowded(ask=True) == "8 of 8 processes were there"
    counts.close()
    counts.close()  # a second time does no harm
