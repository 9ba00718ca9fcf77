"""Where sessions are, and a repository that they work on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from outrig.store.sessions import SessionStore
from tests.runner.accepts import users

if TYPE_CHECKING:
    from pathlib import Path

    from tests.workspace.repositories import Tree


@pytest.fixture
def store(tmp_path: Path) -> SessionStore:
    return SessionStore(tmp_path / "sessions")


@pytest.fixture
def user(tmp_path: Path) -> Tree:
    return users(tmp_path)
