from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from outrig.core.activity import BARS, Activity


def test_bars_stand_for_a_millisecond_in_the_beginning():
    activity = Activity()
    activity.add(0, out=3)
    activity.add(999, err=2)
    activity.add(1000, out=1)
    assert activity.bars(2500) == [(3, 2), (1, 0), (0, 0)]


def test_two_become_one_when_there_are_too_many():
    activity = Activity()
    for number in range(BARS + 1):
        activity.add(number * 1000, out=1)
    assert activity.width == 2000
    assert activity.bars(BARS * 1000) == [(2, 0)] * (BARS // 2) + [(1, 0)]


@given(st.lists(st.tuples(st.integers(0, 10**15), st.integers(0, 100), st.integers(0, 100))))
def test_no_byte_is_lost(said):
    activity = Activity()
    for at, out, err in said:
        activity.add(at, out=out, err=err)
    bars = activity.bars(max([at for at, _, _ in said], default=0))
    assert len(bars) <= BARS
    assert sum(bar.out for bar in bars) == sum(out for _, out, _ in said)
    assert sum(bar.err for bar in bars) == sum(err for _, _, err in said)
