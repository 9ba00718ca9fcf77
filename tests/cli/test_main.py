"""The front door: which commands there are, how they are found, and what --help teaches."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from outrig import __version__
from outrig.cli.doors import DOORS

if TYPE_CHECKING:
    from tests.conftest import Outrig

COMMANDS = [door.name for door in DOORS if not door.group]


def test_the_version(outrig: Outrig):
    assert outrig("--version").ok().out == f"outrig {__version__}\n"


@pytest.mark.parametrize("args", [(), ("--help",), ("-h",)])
def test_help_lists_each_command_with_one_sentence(outrig: Outrig, args):
    said = outrig(*args).ok().out
    for door in DOORS:
        (line,) = re.findall(rf"^  {door.name}  +(\S.*)$", said, re.MULTILINE)
        assert line.endswith(".")
    assert "Start with: outrig doctor" in said


@pytest.mark.parametrize("command", COMMANDS)
def test_each_commands_help_has_an_example_and_its_neighbour(outrig: Outrig, command):
    said = " ".join(outrig(command, "--help").ok().out.split())
    assert said.startswith(f"Usage: outrig {command}")
    examples = set(re.findall(r"outrig ([a-z]+)", said))
    assert command in examples
    assert examples - {command}, "the help names no neighbouring command"


@pytest.mark.parametrize("door", [door for door in DOORS if door.alias], ids=lambda door: door.name)
def test_an_alias_is_the_command(outrig: Outrig, door):
    body = outrig(door.name, "--help").ok().out.split("\n", 1)[1]
    assert outrig(door.alias, "--help").ok().out.split("\n", 1)[1] == body
    assert f"  {door.alias} " not in outrig("--help").out


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("nosuch",), "nosuch"),
        (("runn", "--", "true"), "Did you mean 'run'"),
        (("--nosuch",), "--nosuch"),
        (("ls", "--nosuch"), "--nosuch"),
        (("ls", "-n", "many"), "many"),
    ],
)
def test_misuse_is_two_with_a_hint(outrig: Outrig, args, words):
    done = outrig(*args)
    assert (done.code, done.stdout) == (2, b"")
    assert words in done.err
    assert "hint: outrig" in done.err


@pytest.mark.parametrize("args", [("run", "--nosuch"), ("run", "--pids"), ("wait", "--nosuch")])
def test_misuse_of_what_passes_codes_through_is_125(outrig: Outrig, args):
    assert outrig(*args).code == 125


def test_misuse_as_json(outrig: Outrig):
    done = outrig("ls", "--json", "--nosuch")
    assert json.loads(done.stderr)["error"]["kind"] == "usage"


def test_a_mistake_of_ours_in_a_run_is_not_taken_for_the_agents_code(outrig: Outrig):
    broken = (
        "import sys, outrig.cli.main as m\n"
        "from outrig.cli.entry import entry\n"
        "m.main = lambda argv: 1 / 0\n"
        "entry()"
    )
    for command, code in (("run", 125), ("ls", 1)):
        done = subprocess.run(
            [*outrig.argv[:2], "-c", broken, command],
            env=outrig.environment(None),
            capture_output=True,
            check=False,
        )
        assert done.returncode == code
        assert b"ZeroDivisionError" in done.stderr
