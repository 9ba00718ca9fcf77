"""What was learned is known again, for the same incarnation only, and never in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from outrig.engine import learned

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_learned_is_known_for_its_key_alone(tmp_path: Path) -> None:
    cache = tmp_path / "a/b"
    learned.remember(cache, "facts unix:///x", "one", {"a": [1, None]})
    assert learned.recall(cache, "facts unix:///x", "one") == {"a": [1, None]}
    assert learned.recall(cache, "facts unix:///x", "two") is None
    assert learned.recall(cache, "facts unix:///y", "one") is None
    learned.remember(cache, "facts unix:///x", "two", 2)
    assert learned.recall(cache, "facts unix:///x", "one") is None
    assert [path.suffix for path in cache.iterdir()] == [".json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "1", '{"key": "k", "value": 1}', '{"format": 2}'])
def test_a_broken_file_is_simply_not_known(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.json").write_text(text)
    assert learned.recall(tmp_path, "s", "k") is None


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    learned.remember(tmp_path / "file/below", "s", "k", 1)
    assert learned.recall(tmp_path / "file/below", "s", "k") is None
