from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrig.core import cast
from outrig.core.cast import Event, Header

HEADER = Header(width=132, height=50, timestamp=1777643052, title="gr\u00fcn", command="vim a b")


def test_the_lines_that_players_know():
    assert cast.header_line(HEADER) == (
        '{"version": 2, "width": 132, "height": 50, "timestamp": 1777643052, '
        '"title": "gr\\u00fcn", "command": "vim a b"}\n'
    )
    assert cast.header_line(Header(width=80, height=24)) == (
        '{"version": 2, "width": 80, "height": 24}\n'
    )
    assert cast.event_line(Event(123456, "o", "a\r\n\x1b[1m")) == (
        '[0.123456, "o", "a\\r\\n\\u001b[1m"]\n'
    )
    resized = cast.resize(2_000_000, rows=50, columns=132)
    assert cast.event_line(resized) == '[2.000000, "r", "132x50"]\n'


def test_a_header_is_read_back():
    assert cast.parse_header(cast.header_line(HEADER)) == HEADER


@given(
    at=st.integers(0, 10**13),
    code=st.sampled_from("oirm"),
    data=st.text(st.characters(exclude_categories=["Cs"])),
)
def test_an_event_is_read_back(at, code, data):
    line = cast.event_line(Event(at, code, data))
    assert line.isascii()
    assert line.count("\n") == 1
    assert cast.parse_event(line) == Event(at, code, data)


@pytest.mark.parametrize(
    "line",
    ["", "{", "[]", '{"version": 1}', '{"version": 3, "term": {}}', '"x"', "[" * 100_000],
)
def test_what_is_no_header(line):
    with pytest.raises(ValueError, match=r".+"):
        cast.parse_header(line)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[",
        "{}",
        "[1, 2, 3]",
        '["1", "o", "x"]',
        '[-1, "o", "x"]',
        '[1e300, "o", "x"]',
        '[NaN, "o", "x"]',
        '[1.0, "o"]',
        "[" * 100_000,
    ],
)
def test_what_is_no_event(line):
    with pytest.raises(ValueError, match=r".+"):
        cast.parse_event(line)


@pytest.mark.parametrize(
    ("line", "width", "height"),
    [
        ('{"version": 2}', 80, 24),
        ('{"version": 2, "width": 0, "height": -4, "timestamp": NaN, "title": 3}', 80, 24),
        ('{"version": 2, "width": 1e9, "height": "24"}', 80, 24),
        ('{"version": 2, "width": 1000000000, "height": true}', 1000, 24),
    ],
)
def test_sizes_that_nobody_has(line, width, height):
    header = cast.parse_header(line)
    assert (header.width, header.height) == (width, height)


@pytest.mark.parametrize(
    ("event", "size"),
    [
        (Event(0, "r", "132x50"), (50, 132)),
        (Event(0, "r", "9999999999999x1"), (1, 1000)),
        (Event(0, "r", "0x0"), (24, 80)),
        (Event(0, "r", "x"), None),
        (Event(0, "r", "80x-1"), None),
        (Event(0, "o", "80x24"), None),
    ],
)
def test_the_size_of_a_resize(event, size):
    assert cast.size(event) == size


def times(*seconds: float, speed: float = 1, idle_limit: float | None = None) -> list[float]:
    events = [Event(round(one * 1e6), "o", "") for one in seconds]
    return [one.at / 1e6 for one in cast.paced(events, speed=speed, idle_limit=idle_limit)]


def test_pace():
    assert times(0, 1, 10) == [0, 1, 10]
    assert times(0, 1, 10, speed=2) == [0, 0.5, 5]
    assert times(0, 1, 10, idle_limit=2) == [0, 1, 3]
    assert times(5, 10, idle_limit=0) == [0, 0]
    assert times(0, 4, 8, speed=2, idle_limit=1.5) == [0, 1.5, 3]


def test_a_clock_that_goes_back_costs_no_time_twice():
    assert times(1, 5, 3, 6) == [1, 5, 5, 6]


def test_json_takes_every_line():
    for line in (cast.header_line(HEADER), cast.event_line(Event(1, "o", "\x00\u2028"))):
        assert json.loads(line)
