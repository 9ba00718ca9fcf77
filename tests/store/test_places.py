"""Where things are kept: XDG, and what sudo does to HOME."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from outrig.store import places


def test_xdg_variables_win_and_relative_ones_are_ignored(tmp_path: Path):
    env = {"HOME": str(tmp_path), "XDG_DATA_HOME": "/data", "XDG_CACHE_HOME": "cache"}
    assert places.default_session_root(env) == Path("/data/outrig/sessions")
    assert places.cache(env) == tmp_path / ".cache/outrig"
    assert places.global_config(env) == tmp_path / ".config/outrig/config.toml"


@pytest.mark.skipif(os.geteuid() != 0, reason="what root leaves alone")
def test_root_keeps_nothing_in_the_home_of_another(tmp_path: Path):
    os.chown(tmp_path, 4242, 4242)
    env = {"HOME": str(tmp_path)}
    roots = Path(pwd.getpwuid(0).pw_dir)
    assert places.default_session_root(env) == roots / ".local/share/outrig/sessions"
    assert places.cache(env) == roots / ".cache/outrig"
    assert places.state(env) == roots / ".local/state/outrig"
    assert places.global_config(env) == tmp_path / ".config/outrig/config.toml"
    assert places.home(env) == tmp_path


def test_everybody_else_keeps_things_at_home(tmp_path: Path):
    env = {"HOME": str(tmp_path)}
    assert places.default_session_root(env) == tmp_path / ".local/share/outrig/sessions"
