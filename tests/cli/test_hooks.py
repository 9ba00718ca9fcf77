"""[hooks], as commands run them: those that open the user's config, and no others."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from outrig.store.sessions import SessionStore
from tests import records
from tests.cli.conftest import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Home


@pytest.fixture
def ran(home: Home, tmp_path: Path) -> Path:
    """The directory in which a hook leaves a file for each session that is discarded."""
    argv = ["sh", "-c", f'touch "{tmp_path}/$OUTRIG_SESSION"']
    config = home.config / "outrig/config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(f"[hooks]\ndiscarded = {json.dumps(argv)}\n")
    return tmp_path


def test_none_runs_where_the_config_is_not_opened(outrig, session_root, ran):
    store = SessionStore(session_root)
    by_root, by_directory, plain = (
        records.done(store, at=records.NOON + timedelta(hours=hour)).id for hour in range(3)
    )
    outrig("discard", "-y", by_root, "--session-root", session_root).ok()
    outrig("discard", "-y", "--session-dir", store.directory(by_directory)).ok()
    outrig("discard", "-y", plain).ok()
    until((ran / plain).exists, "the hook")  # the last one; by then the others would have run
    assert not (ran / by_root).exists()
    assert not (ran / by_directory).exists()
