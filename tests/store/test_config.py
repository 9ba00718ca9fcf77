"""Config files read without being tricked, and the session root without the rest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from outrig.errors import ConfigError
from outrig.store import config

NOWHERE = Path("/nonexistent/outrig.toml")


@pytest.fixture
def env(home):
    return home.variables()


def root(env, cwd, *, flag=None, global_config=None, system=NOWHERE):
    return config.session_root(
        flag=flag, env=env, cwd=cwd, global_config=global_config, system=system
    )


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


# ---------------------------------------------------------------- the session root


def test_each_source_beats_the_one_below(env, home, tmp_path):
    assert root(env, tmp_path) == home.data / "outrig/sessions"
    system = write(tmp_path / "etc/config.toml", 'session-root = "here"')
    assert root(env, tmp_path, system=system) == tmp_path / "etc/here"
    write(home.config / "outrig/config.toml", "[limits]\npids = 1\n")
    assert root(env, tmp_path, system=system) == tmp_path / "etc/here"
    write(home.config / "outrig/config.toml", 'session-root = "~/mine"')
    assert root(env, tmp_path, system=system) == home.path / "mine"
    env["OUTRIG_SESSION_ROOT"] = "../relative"
    assert root(env, tmp_path, system=system) == tmp_path.parent / "relative"
    assert root(env, tmp_path, system=system, flag=Path("f")) == tmp_path / "f"


def test_an_empty_variable_is_none(env, home, tmp_path):
    env["OUTRIG_SESSION_ROOT"] = ""
    assert root(env, tmp_path) == home.sessions


def test_a_named_global_config_replaces_the_usual_one(env, home, tmp_path):
    write(home.config / "outrig/config.toml", 'session-root = "/usual"')
    write(tmp_path / "other.toml", 'session-root = "x"')
    assert root(env, tmp_path, global_config=Path("other.toml")) == tmp_path / "x"
    with pytest.raises(ConfigError, match=r"no such config file: .*/missing\.toml"):
        root(env, tmp_path, global_config=Path("missing.toml"))


@pytest.mark.parametrize("how", ["flag", "variable"])
def test_a_broken_global_config_does_no_harm_when_it_is_not_needed(env, home, tmp_path, how):
    write(home.config / "outrig/config.toml", "session-root = broken")
    with pytest.raises(ConfigError, match=r"config\.toml:1: not TOML"):
        root(env, tmp_path)
    if how == "variable":
        env["OUTRIG_SESSION_ROOT"] = "/s"
    assert root(env, tmp_path, flag=Path("/s") if how == "flag" else None) == Path("/s")


def test_a_key_spelled_with_escapes_is_seen(env, home, tmp_path):
    write(home.config / "outrig/config.toml", '"session\\u002droot" = "/s"')
    assert root(env, tmp_path) == Path("/s")


@pytest.mark.parametrize("value", ["1", '""', "[]", '"~you"'])
def test_a_wrong_one_is_an_error(env, home, tmp_path, value):
    write(home.config / "outrig/config.toml", f"session-root = {value}")
    with pytest.raises(ConfigError, match="session-root: expected a path"):
        root(env, tmp_path)


def test_the_quick_way_imports_neither_parser_nor_keys(home):
    program = (
        "import sys, os; from pathlib import Path; from outrig.store.config import session_root;"
        "session_root(flag=None, env=os.environ, cwd=Path.cwd());"
        "print(sorted({'tomllib', 'tomli_w', 'outrig.core.config'} & set(sys.modules)))"
    )
    write(home.config / "outrig/config.toml", "limits.memory = '4g'")
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"[]\n"


# ---------------------------------------------------------------- hostile files


def below(root, file="a/b.toml", owners=None):
    return config.read_below(root, Path(file), owners=owners)


def test_a_file_and_none(tmp_path):
    write(tmp_path / "a/b.toml", "x")
    assert below(tmp_path) == b"x"
    assert below(tmp_path, "a/c.toml") is None
    assert below(tmp_path, "c/b.toml") is None


@pytest.mark.parametrize("link", ["a", "a/b.toml"])
def test_no_link_is_followed_on_the_way(tmp_path, link):
    write(tmp_path / "away/b.toml", "stolen")
    (tmp_path / link).parent.mkdir(exist_ok=True)
    (tmp_path / link).symlink_to(tmp_path / "away" / Path(link).relative_to("a"))
    with pytest.raises(ConfigError, match=r"a/b\.toml is, or is reached through, a symlink"):
        below(tmp_path)


def test_a_link_to_nowhere_is_refused_too(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/b.toml").symlink_to("nowhere")
    with pytest.raises(ConfigError, match="symlink"):
        below(tmp_path)


def test_a_fifo_does_not_make_it_wait(tmp_path):
    (tmp_path / "a").mkdir()
    os.mkfifo(tmp_path / "a/b.toml")
    with pytest.raises(ConfigError, match=r"b\.toml is not a regular file"):
        below(tmp_path)


def test_a_directory(tmp_path):
    (tmp_path / "a/b.toml").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"b\.toml is not a regular file"):
        below(tmp_path)


def test_a_giant_is_not_read(tmp_path):
    write(tmp_path / "a/b.toml", "")
    os.truncate(tmp_path / "a/b.toml", 10 * 1024**3)
    with pytest.raises(ConfigError, match="larger than 256 KiB"):
        below(tmp_path)


def test_whose_it_is(tmp_path):
    write(tmp_path / "a/b.toml", "x")
    me = os.getuid()
    assert below(tmp_path, owners=(me,)) == b"x"
    with pytest.raises(ConfigError, match=rf"b\.toml belongs to uid {me}, not to you") as caught:
        below(tmp_path, owners=(me + 1,))
    assert caught.value.hint == f"look at it; if you trust it: --config {tmp_path}/a/b.toml"


def test_the_user_s_own_files_may_be_links(tmp_path):
    write(tmp_path / "real", "x")
    (tmp_path / "link").symlink_to("real")
    assert config.read(tmp_path / "link") == b"x"
    assert config.read(tmp_path / "real/below") is None


@pytest.mark.parametrize("file", ["a", "a/b"])
def test_a_plain_file_where_a_directory_would_be_holds_no_config(tmp_path: Path, file: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("not ours")
    assert config.read_below(tmp_path, Path("a/b/c.toml")) is None


def test_the_null_device_is_an_empty_config() -> None:
    assert config.read(Path("/dev/null"), must_exist=True) == b""
