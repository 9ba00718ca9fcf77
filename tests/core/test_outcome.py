"""Every move of an outcome, and every one that is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, get_args

import pytest

from outrig.core import outcome
from outrig.core.moment import time_text
from outrig.core.outcome import MOVES, OutcomeError, State
from outrig.core.session import Session
from outrig.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ID = "20260102T030405-abcdef"
STATES: tuple[State, ...] = get_args(State)


def session(**fields: Any) -> Session:
    return Session({"id": ID, "schema": 1, **fields})


def in_state(state: State) -> Session:
    return session(outcome={"state": state, "commit": "c0ffee", "into": "main"})


def pairs(*, allowed: bool) -> Iterator[tuple[State, State]]:
    for source in STATES:
        for target in STATES:
            if (target in MOVES[source]) == allowed:
                yield source, target


@pytest.mark.parametrize(("source", "target"), list(pairs(allowed=True)))
def test_a_move_that_there_is(source: State, target: State) -> None:
    moved = outcome.moved(in_state(source), target, at=AT, commit="beef", into="dev")
    assert outcome.state(moved) == target
    assert moved.fields["outcome"] == {
        "state": target,
        "at": time_text(AT),
        "commit": "beef",
        "into": "dev",
    }


@pytest.mark.parametrize(("source", "target"), list(pairs(allowed=False)))
def test_a_move_that_there_is_not_says_which_there_are(source: State, target: State) -> None:
    with pytest.raises(OutcomeError) as caught:
        outcome.moved(in_state(source), target, at=AT)
    assert f"is {source} into main as c0ffee, and cannot become {target}" in caught.value.message
    assert f"outrig discard {ID}" in (caught.value.hint or "")
    assert ("outrig accept" in (caught.value.hint or "")) == ("accepted" in MOVES[source])


@pytest.mark.parametrize(
    "fields", [{}, {"outcome": None}, {"outcome": "accepted"}, {"outcome": {"state": 3}}]
)
def test_a_record_that_says_nothing_known_is_open(fields: dict[str, Any]) -> None:
    assert outcome.state(session(**fields)) == "open"
    assert outcome.commit(session(**fields)) is None


def test_what_is_not_known_is_left_out() -> None:
    moved = outcome.moved(session(), "archived", at=AT)
    assert moved.fields["outcome"] == {"state": "archived", "at": time_text(AT)}


def test_another_tools_record_is_not_changed() -> None:
    with pytest.raises(StoreError, match="another tool"):
        outcome.moved(Session({"id": ID}), "archived", at=AT)
