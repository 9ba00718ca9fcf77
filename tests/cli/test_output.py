"""stdout: a disk that is full is explained, and a terminal is never commanded."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from outrig.store.sessions import SessionStore
from tests import records
from tests.cli import terminals

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Outrig

COMMANDS = (["ls"], ["ls", "--json"], ["show"], ["logs"], ["config", "show"], ["config", "schema"])


@pytest.mark.parametrize("args", COMMANDS)
def test_a_full_disk_is_explained(outrig: Outrig, session_root: Path, args):
    session = records.done(SessionStore(session_root))
    records.say(session_root / session.id, ("stdout", b"hello\n"))
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*outrig.argv, *args],
            cwd=outrig.cwd,
            env=outrig.environment(None),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1
    assert b"cannot write to stdout: No space left on device" in done.stderr


@pytest.mark.parametrize("args", [["config", "show"], ["run", "--dry-run", "--", "\u009b2J"]])
def test_a_repository_cannot_command_the_terminal(outrig: Outrig, args):
    file = outrig.cwd / ".agents/outrig/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text('[env]\nEVIL = "\u009b2J\u202e"\n')
    assert "\u009b" in outrig(*args).ok().out
    shown = terminals.screen(outrig, *args)
    assert not {"\u009b", "\u202e"} & set(shown)
    assert "2J" in shown or "EVIL" in shown
