from __future__ import annotations

import os

import pytest

from outrig.core.words import refuse_bytes
from outrig.errors import UsageError


def test_text_of_any_language_is_told() -> None:
    refuse_bytes("the command", ("", "ls", "caf\u00e9", "\U0001f600", "\x00\x1b"))


@pytest.mark.parametrize("bad", [b"\xff", b"a\xc3", b"\xed\xa0\x80"])
def test_bytes_are_refused_and_not_quoted(bad: bytes) -> None:
    with pytest.raises(UsageError) as caught:
        refuse_bytes("the command", ("fine", os.fsdecode(bad)))
    assert caught.value.message == (
        "the command is not UTF-8, and a container engine takes nothing else"
    )
