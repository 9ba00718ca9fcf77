"""A passwd and group entry, and a HOME, for the session's user on any image."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from outrig.core.engine import Mount
from outrig.core.identity import Identity
from outrig.core.request import Request
from outrig.errors import ConfigError
from outrig.runner.homes import furnish
from outrig.store.sessions import SessionStore
from tests.fakes import IMAGE, FakeEngine
from tests.records import begin
from tests.runner.orders import order

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Home

ME = Identity(uid=os.getuid(), gid=os.getgid(), name="ada", home="/home/ada")
OTHER = Identity(uid=4242, gid=4343, name="bob", home="/home/bob")
PASSWD = b"root:x:0:0::/root:/bin/sh\nodd:x:7:7:\xff:/:/bin/sh\n"
BOT = """
[agents.bot]
command = ["bot", "{prompt}"]
home = { ".bot.json" = '{"trusted": "{workspace}"}', ".config/bot/deep" = "x" }
"""
ASK = Request(agent="bot", prompt="hi", image="fake:1")


@pytest.fixture
def held(home: Home):
    with begin(SessionStore(home.sessions)) as made:
        yield made


def furnished(
    home: Home, held, who: Identity = ME, *, mounts=(), files=None, **wanted
) -> dict[str, bool]:
    engine = FakeEngine()
    engine.files = files or {}
    plan = order(home, **wanted).plan
    made = furnish(engine, IMAGE, who, plan, held, mounts=mounts, instead={})
    assert [mount.source for mount in made] == [
        str(held.directory / name) for name in ("etc/passwd", "etc/group", "home")
    ]
    return {mount.target: mount.writable for mount in made}


def test_three_mounts_of_which_home_is_writable(home: Home, held):
    assert furnished(home, held) == {"/etc/passwd": False, "/etc/group": False, "/home/ada": True}


def test_the_images_entries_stay_byte_for_byte(home: Home, held):
    furnished(home, held, OTHER, files={"/etc/passwd": PASSWD, "/etc/group": b"root:x:0:\n"})
    passwd = (held.directory / "etc/passwd").read_bytes()
    assert passwd == PASSWD + b"bob:x:4242:4343:bob:/home/bob:/bin/sh\n"
    assert (held.directory / "etc/group").read_bytes() == b"root:x:0:\nbob:x:4343:\n"


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_everybody_inside_may_read_who_is_who(home: Home, held, umask):
    before = os.umask(umask)
    try:
        furnished(home, held)
    finally:
        os.umask(before)
    for name in ("passwd", "group"):
        mode = (held.directory / "etc" / name).stat().st_mode
        assert stat.S_IMODE(mode) == 0o644


def test_an_agents_files_are_laid_into_home(home: Home, held):
    furnished(home, held, request=ASK, config=BOT)
    top = held.directory / "home"
    assert (top / ".bot.json").read_text() == '{"trusted": "/workspace"}'
    assert (top / ".config/bot/deep").read_text() == "x"
    assert stat.S_IMODE((top / ".bot.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x"])
def test_an_agents_file_does_not_leave_home(home: Home, held, name):
    config = f'[agents.bot]\ncommand = ["bot", "{{prompt}}"]\nhome = {{ "{name}" = "x" }}\n'
    with pytest.raises(ConfigError):
        furnished(home, held, request=ASK, config=config)
    assert not (held.directory / "x").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_home_and_all_in_it_belong_to_the_sessions_user(home: Home, held):
    furnished(home, held, OTHER, request=ASK, config=BOT)
    top = held.directory / "home"
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in (top, *top.rglob("*"))}
    assert owners == {(4242, 4343)}


@pytest.mark.skipif(os.getuid() == 0, reason="root gives files away instead")
def test_home_is_open_to_a_user_we_cannot_become(home: Home, held):
    held.directory.chmod(0o755)  # as an explicit --session-dir may be
    furnished(home, held, OTHER, request=ASK, config=BOT)
    top = held.directory / "home"
    assert stat.S_IMODE(top.stat().st_mode) == 0o777
    assert stat.S_IMODE((top / ".bot.json").stat().st_mode) == 0o666
    assert stat.S_IMODE(held.directory.stat().st_mode) == 0o700


def test_what_is_mounted_below_home_finds_its_place(home: Home, held, tmp_path: Path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "file").write_text("")
    mounts = (
        Mount(source=f"{tmp_path}/cache", target="/home/ada/.cache/deep/tool"),
        Mount(source=f"{tmp_path}/file", target="/home/ada/.netrc"),
        Mount(source=f"{tmp_path}/cache", target="/home/adam/x"),
    )
    furnished(home, held, mounts=mounts, flags={"workspace.target": "/home/ada/src"})
    top = held.directory / "home"
    assert (top / ".cache/deep/tool").is_dir()
    assert (top / ".netrc").is_file()
    assert (top / "src").is_dir()
    assert sorted(path.name for path in top.iterdir()) == [".cache", ".netrc", "src"]
