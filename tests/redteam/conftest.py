"""Attacks on real sessions. Each tells its outcome, for the table of `python -m tests.redteam`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import learned, run  # noqa: F401 - fixtures
from tests.redteam.table import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Iterator[Callable[[str, str, bool], None]]:
    """`tell(attack, outcome, held)`; the test fails when one has not held, once all have told."""
    broken: list[str] = []

    def told(attack: str, outcome: str, held: bool) -> None:  # noqa: FBT001 - read aloud
        one = (request.node.name, attack, outcome, held)
        request.config.stash.setdefault(TABLE, []).append(one)
        if not held:
            broken.append(f"{attack}: {outcome}")

    yield told
    assert not broken, "\n".join(broken)
