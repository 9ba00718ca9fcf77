"""Each spelling of a size and a duration, and that what is written reads back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrig.core.quantity import duration, duration_text, size, size_text

KIB = 1024


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("1000", 1000),
        ("4k", 4 * KIB),
        ("512m", 512 * KIB**2),
        ("4g", 4 * KIB**3),
        ("4G", 4 * KIB**3),
        ("4gb", 4 * KIB**3),
        ("1GiB", KIB**3),
        ("2 TiB", 2 * KIB**4),
        ("1p", KIB**5),
        ("1.5g", 3 * KIB**3 // 2),
        ("0.5k", 512),
        ("100B", 100),
        (" 4g ", 4 * KIB**3),
    ],
)
def test_a_size(text, count):
    assert size(text) == count


@pytest.mark.parametrize("text", ["", "g", "-4g", "4x", "4gg", "1e3", "4 g b", "٤g", ".5g", "4i"])
def test_no_size(text):
    with pytest.raises(ValueError, match="is not a size such as"):
        size(text)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (1, "1"), (1000, "1000"), (1024, "1k"), (4 * KIB**3, "4g"), (1536, "1536")],
)
def test_the_text_of_a_size(count, text):
    assert size_text(count) == text


@given(st.integers(0, 2**63 - 1))
def test_a_size_reads_back(count):
    assert size(size_text(count)) == count


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("90", 90),
        ("1.5", 1.5),
        ("90s", 90),
        ("90m", 5400),
        ("2h30m", 9000),
        ("2h 30m", 9000),
        ("1.5h", 5400),
        ("30d", 30 * 86400),
        ("1w", 7 * 86400),
        ("250ms", 0.25),
        ("1m1ms", 60.001),
        ("1D12H", 129600),
    ],
)
def test_a_duration(text, seconds):
    assert duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "h", "-1h", "1x", "30m2h", "1h1h", "1h30", "1e3s", "1hh", "1h,2m", "٣s"]
)
def test_no_duration(text):
    with pytest.raises(ValueError, match="is not a time such as"):
        duration(text)


def test_a_duration_that_no_clock_can_hold():
    with pytest.raises(ValueError, match="more than a hundred years"):
        duration("99999999999w")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (90, "1m30s"),
        (9000, "2h30m"),
        (5400.25, "1h30m250ms"),
        (30 * 86400, "30d"),
    ],
)
def test_the_text_of_a_duration(seconds, text):
    assert duration_text(seconds) == text


@given(st.integers(0, 100 * 365 * 86_400_000))
def test_a_duration_reads_back(milliseconds):
    assert duration(duration_text(milliseconds / 1000)) == milliseconds / 1000
