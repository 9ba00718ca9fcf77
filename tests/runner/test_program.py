"""The interpreter and its packages as a container beside the agent sees them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from outrig.runner import program

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


PYTHON = (os.path.realpath(sys.executable), *program.ALONE)


def test_everything_is_where_it_is_here_and_only_for_reading():
    mounts = [*program.interpreter(), *program.packages()]
    assert all(mount.source == os.path.realpath(mount.target) for mount in mounts)
    assert not any(mount.writable for mount in mounts)


def test_a_gate_can_be_imported_with_nothing_else():
    done = subprocess.run(
        (*PYTHON, "-c", "import outrig.gateway.serve, h11"),
        env=dict(program.environment()),
        capture_output=True,
        check=False,
    )
    assert done.stderr == b""


def test_what_a_gate_imports_is_compiled_ahead_and_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    program.compile_ahead()
    kept = {path.name.partition(".")[0] for path in tmp_path.rglob("*.pyc")}
    assert kept >= {"gate", "relay", "rules", "_connection"}
    done = subprocess.run(
        (*PYTHON, "-v", "-c", "import outrig.gateway.gate"),
        env=dict(program.environment()),
        capture_output=True,
        text=True,
        check=True,
    )
    ours = [line for line in done.stderr.splitlines() if "/outrig/gateway/gate" in line]
    assert any("code object from" in line and str(tmp_path) in line for line in ours)


def test_nothing_is_compiled_where_no_bytecode_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    program.compile_ahead()
    assert not list(tmp_path.iterdir())
