from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrig.record import selection
from outrig.record.reading import Chunk, epoch
from tests import records

NOON = epoch(records.NOON)


def chunks(*parts: bytes) -> list[Chunk]:
    return [Chunk(NOON + number, "stdout.log", part) for number, part in enumerate(parts)]


def joined(parts) -> bytes:
    return b"".join(chunk.data for chunk in parts)


@pytest.mark.parametrize(
    ("parts", "lines"),
    [
        ((), 0),
        ((b"a",), 1),
        ((b"a\n",), 1),
        ((b"a\n", b"b"), 2),
        ((b"a", b"b\n"), 1),
        ((b"\n\n\n",), 3),
    ],
)
def test_lines_are_counted(parts, lines):
    assert selection.line_count(chunks(*parts)) == lines


@given(
    parts=st.lists(st.text("ab\n", min_size=1).map(str.encode), max_size=8), lines=st.integers(0, 9)
)
def test_a_tail_is_the_last_lines(parts, lines):
    whole = b"".join(parts)
    expected = b"".join(whole.splitlines(keepends=True)[-lines:]) if lines else b""
    skipped = max(0, selection.line_count(chunks(*parts)) - lines)
    assert joined(selection.without_first(chunks(*parts), skipped)) == expected


def test_since_keeps_what_has_no_time():
    parts = [
        Chunk(NOON - 1, "stdout.log", b"before"),
        Chunk(NOON, "stdout.log", b"then"),
        Chunk(None, "stdout.log", b"rest"),
    ]
    assert joined(selection.since(iter(parts), records.NOON)) == b"thenrest"
    assert joined(selection.since(iter(parts), records.NOON + timedelta(seconds=1))) == b"rest"


def test_each_line_is_stamped_with_the_time_of_its_first_byte():
    parts = chunks(b"a\nb", b"c\r\n", b"d")
    stamped = b"".join(selection.stamped(parts, lambda at: str((at or 0) - NOON)))
    assert stamped == b"0 a\n0 bc\r\n2 d"
