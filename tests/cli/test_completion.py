"""What the shell offers after Tab, by way of the shells' own protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from outrig.cli.completion import MOST
from outrig.store.sessions import SessionStore
from tests import records

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Finished, Home, Outrig


def ask(outrig: Outrig, line: str) -> Finished:
    words = line.split(" ")
    env = {
        "_OUTRIG_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    return outrig(env=env)


def offered(outrig: Outrig, line: str) -> list[str]:
    done = ask(outrig, line).ok()
    assert done.stderr == b""
    return done.out.split()


def test_commands(outrig: Outrig):
    assert {"run", "ls", "show", "logs", "discard"} <= set(offered(outrig, "outrig "))
    assert offered(outrig, "outrig disc") == ["discard"]


def test_options(outrig: Outrig):
    assert "--prompt-file" in offered(outrig, "outrig run --prompt")


def test_agents_and_images_of_the_configuration(outrig: Outrig, home: Home):
    config = home.config / "outrig/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[agents.clever]\ncommand = ["x"]\n[images.clean]\nimage-name = "x:1"\n')
    assert offered(outrig, "outrig run --agent cl") == ["claude", "clever"]
    assert offered(outrig, "outrig run --image cl") == ["claude", "clean"]


@pytest.mark.parametrize("command", ["show", "logs", "discard"])
def test_sessions_by_name_and_id(outrig: Outrig, session_root: Path, command):
    store = SessionStore(session_root)
    with records.begin(store, name="fix-it") as held:
        assert offered(outrig, f"outrig {command} fix") == ["fix-it"]
        assert offered(outrig, f"outrig {command} {held.id[:6]}") == [held.id]
        assert offered(outrig, f"outrig {command} nosuch") == []


def test_no_more_than_a_screen_of_sessions(outrig: Outrig, session_root: Path):
    session_root.mkdir(parents=True)
    for number in range(MOST + 10):
        (session_root / f"20260501T1200{number:02d}-0000").mkdir()
    found = offered(outrig, "outrig show 2026")
    assert len(found) == MOST
    assert found[0] == f"20260501T1200{MOST + 9}-0000"


def test_silence_where_nothing_can_be_read(outrig: Outrig, home: Home):
    config = home.config / "outrig/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("this is no TOML")
    for line in ("outrig run --agent c", "outrig run --image c", "outrig show 2"):
        assert offered(outrig, line) == []


def test_completing_makes_nothing(outrig: Outrig, home: Home):
    before = sorted(home.path.rglob("*"))
    offered(outrig, "outrig show ")
    assert sorted(home.path.rglob("*")) == before


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(outrig: Outrig, shell):
    env = {"_OUTRIG_COMPLETE": f"source_{shell}"}
    assert f"complete_{shell}" in outrig(env=env).ok().out
