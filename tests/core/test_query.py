from __future__ import annotations

import pytest

from outrig.core.query import candidates, steps_back
from outrig.errors import UsageError

IDS = ["20260501T134412-3f2a", "20260501T134412-99aa", "20260430T000000-3f2a"]


@pytest.mark.parametrize(("query", "steps"), [("@last", 0), ("@last~1", 1), ("@last~20", 20)])
def test_how_far_back(query, steps):
    assert steps_back(query) == steps


@pytest.mark.parametrize("query", ["2026", "last", "mine"])
def test_another_kind_of_query(query):
    assert steps_back(query) is None


@pytest.mark.parametrize("query", ["", "@", "@last~", "@last~~1", "@LAST", "@last ~1", "@last~1x"])
def test_a_query_that_means_nothing(query):
    with pytest.raises(UsageError):
        steps_back(query)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("20260501T134412-3", IDS[:1]),
        ("20260501", IDS[:2]),
        ("2026", IDS),
        ("99aa", [IDS[1]]),
        ("3f2a", [IDS[0], IDS[2]]),
        ("nope", []),
        ("3F2A", []),
    ],
)
def test_prefixes_before_substrings(query, found):
    assert candidates(query, IDS) == found
