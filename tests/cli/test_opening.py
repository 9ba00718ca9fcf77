"""Commands that look back are the same from any directory, also from one that is gone."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from outrig.store.sessions import SessionStore
from tests import records

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Outrig

GONE = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'


@pytest.fixture
def store(session_root: Path) -> SessionStore:
    return SessionStore(session_root)


@pytest.fixture
def in_no_directory(outrig: Outrig, tmp_path: Path):
    def run(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", GONE, "sh", *outrig.argv, *args],
            cwd=tmp_path,
            env={**outrig.environment(None), "PWD": os.devnull},
            check=False,
            capture_output=True,
            text=True,
        )

    return run


@pytest.mark.parametrize("args", [["ls", "-q"], ["show", "--json"], ["logs"], ["discard", "-y"]])
def test_a_directory_that_is_gone_is_no_hindrance(in_no_directory, store: SessionStore, args):
    session = records.done(store).id
    done = in_no_directory(*args, *([session] if args[0] == "discard" else []))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("args", [["config", "show"], ["images"], ["build", "x"], ["doctor"]])
def test_what_needs_a_directory_says_so(in_no_directory, args):
    done = in_no_directory(*args)
    assert done.returncode == 2
    assert done.stderr.startswith("error: the working directory does not exist any more\n")
