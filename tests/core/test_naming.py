from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrig.core import naming

MOMENTS = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 12, 31))  # noqa: DTZ001


@given(MOMENTS, st.integers(0, 0xFFFF))
def test_ids_are_ids_and_no_names(moment, digits):
    made = naming.session_id(moment.replace(tzinfo=UTC), digits)
    assert naming.is_id(made)
    assert not naming.is_name(made)
    assert made.endswith(f"-{digits:04x}")


def test_an_id_spelled_out():
    moment = datetime(2026, 5, 1, 13, 44, 12, 999_999, tzinfo=UTC)
    assert naming.session_id(moment, 0x3F2A) == "20260501T134412-3f2a"
    assert naming.container_name("20260501T134412-3f2a") == "outrig-20260501T134412-3f2a"


@pytest.mark.parametrize(
    "text",
    [
        "20260501T134412-3F2A",
        "20260501T134412-3f2",
        "20260501T134412-3f2a ",
        "20260501T134412-3f2a\n",
        "20260501T134412_3f2a",
        "\u0662\u0660\u0662\u0666\u0660\u0665\u0660\u0661T134412-3f2a",
        "20260501T134412-3f2a.kept",
        ".locks",
        "",
    ],
)
def test_what_is_no_id(text):
    assert not naming.is_id(text)


@pytest.mark.parametrize("text", ["a", "fix-1", "A.b_c-d", "0", "x" * 63, "last"])
def test_names(text):
    assert naming.is_name(text)


@pytest.mark.parametrize(
    "text", ["", "-a", ".a", "_a", "a b", "a/b", "a\n", "x" * 64, "@last", "é"]
)
def test_what_is_no_name(text):
    assert not naming.is_name(text)


def test_labels_and_tags():
    assert naming.labels(session="s", root="r", attempt="a", role="agent") == {
        "org.outrig.session": "s",
        "org.outrig.root": "r",
        "org.outrig.attempt": "a",
        "org.outrig.role": "agent",
    }
    assert naming.image_tag("base", "0123456789abcdef0123") == "outrig/base:0123456789abcdef"
