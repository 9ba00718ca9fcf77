"""Images for people: a line each."""

from datetime import UTC, datetime

import pytest

from outrig.core.engine import Image
from outrig.core.stock import HEADER, Stocked, age, fields, row, size_text, stocked

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (4600, "4.6 kB"),
        (478_880_318, "479 MB"),
        (1_150_000_000, "1.1 GB"),
    ],
)
def test_size(count, text):
    assert size_text(count) == text


@pytest.mark.parametrize(
    ("created", "text"),
    [
        ("2026-05-01T11:59:30.123456789Z", "0m"),
        ("2026-05-01T11:00:30Z", "59m"),
        ("2026-05-01T10:00:00Z", "2h"),
        ("2026-04-28T10:00:00Z", "3d"),
        ("2027-01-01T00:00:00Z", "0m"),
        ("", "-"),
        (None, "-"),
    ],
)
def test_age(created, text):
    assert age(created, NOW) == text


def test_a_row_names_the_tag_or_what_is_wrong():
    image = Image(reference="outrig/x:1", id="sha256:1", environment={}, size=10, created="")
    assert row(stocked("x", "ready", image), NOW) == ("x", "ready", "10 B", "-", "outrig/x:1")
    broken = Stocked(name="y", state="broken", why="no\x1b[2J such\nfile")
    assert row(broken, NOW) == ("y", "broken", "-", "-", "no such file")
    assert len(row(broken, NOW)) == len(HEADER)


def test_fields_are_everything_for_a_program():
    assert fields(Stocked(name="x", state="missing", tag="outrig/x:1")) == {
        "name": "x",
        "state": "missing",
        "tag": "outrig/x:1",
        "id": None,
        "size": None,
        "created": None,
        "why": None,
    }
