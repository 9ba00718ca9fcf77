"""What a command does not need is not loaded; how long that takes, tests/bench/startup.py says."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from outrig.cli.application import build_app, overview
from outrig.cli.doors import DOORS
from outrig.store.sessions import SessionStore
from tests import records
from tests.conftest import Outrig

if TYPE_CHECKING:
    from pathlib import Path

NEVER = {"docker", "pendulum", "rich", "tomllib", "tomli_w", "http", "urllib3", "requests"}
# shutil loads the compressors, hashlib OpenSSL, difflib and typer half of the library; typing takes
# 8 ms, so what a run loads says TYPE_CHECKING = False, which type checkers take for typing's own
NEVER_IN_A_RUN = {
    "typing",
    "typer",
    "shutil",
    "lzma",
    "hashlib",
    "shlex",
    "tempfile",
    "inspect",
    "difflib",
}
# What a session without secrets, in a directory that is no repository, does nothing with
RARE = {
    *("subprocess", "outrig.core.redact", "outrig.record.redact", "outrig.store.secrets"),
    *("outrig.store.vault", "outrig.core.gitconfig", "outrig.runner.shadow"),
    *("outrig.workspace.shadow", "outrig.workspace.gitdir", "outrig.core.listing"),
    *("outrig.core.outcome", "outrig.runner.pause", "outrig.runner.reach"),
}
PROBE = """
import sys
from outrig.cli.main import main
code = main(sys.argv[1:])
print(*sorted(sys.modules), file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize(
    "args",
    [
        ["--version"],
        ["--help"],
        ["ls"],
        ["ls", "--json", "--status", "completed"],
        ["show"],
        ["show", "--json"],
        ["logs"],
        ["logs", "--tail", "3"],
        ["discard", "-y", "@last"],
    ],
)
def test_what_looks_back_loads_nothing_heavy(session_root: Path, args):
    records.done(SessionStore(session_root))
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROBE, *args],
        env=Outrig.environment(None),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stderr.split())
    assert "outrig.cli.main" in loaded
    assert loaded & NEVER == set()
    loaded.discard("outrig.workspace.checkout")  # where the user stands, read from two files
    assert not [name for name in loaded if name.startswith(("outrig.engine.", "outrig.workspace."))]


def test_a_run_loads_no_more_than_it_needs(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROBE, "run", "--image", "x", "--dry-run", "--", "true"],
        env=Outrig.environment(None),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stderr.split())
    assert {"outrig.runner.launch", "outrig.workspace.snapshots"} <= loaded
    assert loaded & (NEVER - {"tomli_w"} | NEVER_IN_A_RUN | RARE) == set()


def test_the_overview_says_of_each_command_what_its_own_help_says():
    short = {one.name: one.help for one in overview().registered_commands}
    full = build_app(None)
    own: dict[str | None, str | None] = {
        one.name: (one.callback.__doc__ or "").splitlines()[0]
        for one in full.registered_commands
        if one.callback and not one.hidden
    }
    for group in full.registered_groups:
        assert group.typer_instance
        own[group.name] = group.typer_instance.info.help
    assert short == own == {door.name: door.summary for door in DOORS}
