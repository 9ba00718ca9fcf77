"""A session gets a supervisor when somebody looks at it, and not one after the other in vain."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import pytest

from outrig.runner import keeper
from outrig.runner.keeper import Keeper
from outrig.store.finding import Found
from outrig.store.sessions import SessionStore
from tests import records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any


class Failing:
    """A supervisor that has ended; `says` is why."""

    says = b""
    code = 1
    started = 0

    def __init__(self, _: str, left: Mapping[str, Any], passed: Sequence[int] = ()) -> None:
        Failing.started += 1
        assert left["complaint"] in passed
        os.write(left["complaint"], self.says)
        self.returncode: int | None = None

    def poll(self) -> int:
        self.returncode = self.code
        return self.code


class Clock:
    """Time goes on only while somebody sleeps."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(keeper, "time", found)
    monkeypatch.setattr(keeper, "spawn", Failing)
    monkeypatch.setattr(Failing, "started", 0)
    return found


@pytest.fixture
def found(tmp_path: Path) -> Found:
    store = SessionStore(tmp_path / "sessions")
    one = records.abandon(records.begin(store, root_id=store.root_id()))
    return Found(store.read(one), store.directory(one), store)


@pytest.mark.parametrize(("says", "told"), [(b"the disk is full", 1), (b"", 0)])
def test_one_that_fails_is_replaced_more_and_more_slowly(monkeypatch, clock, found, says, told):
    monkeypatch.setattr(Failing, "says", says)
    notices: list[str] = []
    looking, tries = Keeper(found, notices.append), []
    while clock.now < 200:
        before = Failing.started
        assert looking.look_after()  # soon
        if Failing.started > before:
            tries.append(clock.now - 100)
        clock.sleep(0.05)
    pauses = [later - one for one, later in itertools.pairwise(tries)]
    assert [round(pause) for pause in pauses[1:5]] == [1, 2, 4, 8]
    assert max(pauses) < keeper.LAST_SECONDS + 1
    assert len(notices) == told
    assert all("the disk is full; trying again" in one for one in notices)


def test_one_that_was_killed_is_replaced_at_once(monkeypatch, clock, found):
    monkeypatch.setattr(Failing, "code", -9)
    looking = Keeper(found, pytest.fail)
    for _ in range(3):
        looking.look_after()
    assert (Failing.started, clock.now) == (3, 100)


@pytest.mark.parametrize("code", [0, 2])
def test_where_nobody_can_or_need_the_engine_is_asked(monkeypatch, clock, found, code):
    """It has ended meanwhile, or the engine is silent."""
    monkeypatch.setattr(Failing, "code", code)
    assert not Keeper(found, pytest.fail).look_after()
