from __future__ import annotations

import pytest

from outrig.core.limits import told
from outrig.core.session import Session


@pytest.mark.parametrize(
    ("limit", "flag"),
    [
        ("pids", "--pids"),
        ("memory", "--memory"),
        ("wall", "--timeout"),
        ("idle", "--idle-timeout"),
    ],
)
def test_each_is_told_with_what_raises_it(limit, flag):
    session = Session({"limits_hit": [{"limit": limit, "evidence": "seen"}]})
    assert list(told(session)) == [f"limits.{limit} was hit: seen; more with {flag}"]


@pytest.mark.parametrize("hits", [None, [], [{"limit": "log_bytes"}], ["x"], [{"limit": None}]])
def test_what_others_tell_is_not_told_here(hits):
    assert list(told(Session({"limits_hit": hits}))) == []
