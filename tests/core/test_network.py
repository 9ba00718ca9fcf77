"""The words for networks, and what must be said aloud."""

from __future__ import annotations

import pytest

from outrig.core.network import MODES, announcement, mode
from outrig.errors import UsageError


@pytest.mark.parametrize("word", ["none", "open"])
def test_modes(word):
    assert mode(word) == word


@pytest.mark.parametrize("word", ["", "host", "bridge", "None", "open ", "filter"])
def test_other_words_are_refused_and_the_modes_named(word):
    with pytest.raises(UsageError, match="none, open"):
        mode(word)


def test_a_session_that_reaches_out_is_announced():
    assert announcement("none") is None
    assert "--network none" in str(announcement("open"))
    assert set(MODES) == {"none", "open"}
