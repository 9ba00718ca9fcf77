from __future__ import annotations

from outrig.core.table import columns, shortened, table


def test_columns_are_aligned_and_lines_have_no_trailing_space():
    assert table([("ID", "NAME"), ("1", ""), ("222", "x")]) == "ID   NAME\n1\n222  x\n"


def test_wide_characters_take_two_columns():
    assert columns("日本") == 4
    assert columns("e\u0301") == 1
    assert table([("日本", "x"), ("ab", "y")]) == "日本  x\nab    y\n"


def test_only_the_last_column_is_cut_to_the_width():
    assert table([("longer id", "a" * 30)], width=31) == "longer id  " + "a" * 19 + "…\n"
    assert table([("longer id", "a" * 30)], width=5) == "longer id  " + "a" * 9 + "…\n"
    assert table([("longer id", "a" * 30)]) == "longer id  " + "a" * 30 + "\n"


def test_a_cut_never_splits_a_wide_character():
    assert shortened("日" * 20, 12) == "日" * 5 + "…"


def test_nothing_is_nothing():
    assert table([]) == ""
