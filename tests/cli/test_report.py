"""How a door ends: each row of the table, and words that are safe to look at."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from outrig.cli import report
from outrig.errors import (
    CommandNotExecutableError,
    CommandNotFoundError,
    ConfigError,
    EngineError,
    OutrigError,
    SessionNotFoundError,
    UsageError,
)

if TYPE_CHECKING:
    from tests.conftest import Outrig

PASSING = ("run", "attach", "wait", "exec", "shell", "rerun")
OTHERS = ("ls", "show", "discard", None)


def ended(command: str | None, error: BaseException) -> int:
    def act() -> None:
        raise error

    return report.guarded(command, act)


@pytest.mark.parametrize(
    ("error", "passing", "other"),
    [
        (UsageError("x"), 125, 2),
        (OutrigError("x"), 125, 1),
        (ConfigError("x"), 125, 1),
        (EngineError("x"), 125, 1),
        (SessionNotFoundError("x"), 125, 1),
        (CommandNotExecutableError("x"), 126, 1),
        (CommandNotFoundError("x"), 127, 1),
        (KeyboardInterrupt(), 130, 130),
    ],
)
def test_each_failure_has_its_code(error, passing, other):
    assert {ended(command, error) for command in PASSING} == {passing}
    assert {ended(command, error) for command in OTHERS} == {other}


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (7, 7), (255, 255), ("x", 0)])
def test_what_a_command_returns_is_the_code(returned, code):
    assert report.guarded("run", lambda: returned) == code


def test_a_mistake_of_ours_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        ended("run", ZeroDivisionError())


# ---------------------------------------------------------------- words


def test_what_happened_and_what_to_do_next(capfd):
    ended("ls", OutrigError("it broke", hint="mend it"))
    ended("ls", OutrigError("it broke"))
    out, err = capfd.readouterr()
    assert out == ""
    assert err == "error: it broke\nhint: mend it\nerror: it broke\n"


def test_as_json(capfd):
    error = UsageError("what", hint="so")
    error.as_json = True
    ended("run", error)
    assert json.loads(capfd.readouterr().err) == {
        "error": {"kind": "usage", "message": "what", "hint": "so"}
    }


def test_nothing_said_commands_a_terminal(capfd):
    ended("show", OutrigError("no \x1b]0;title\x07 \x9b2J\x1b[31mred", hint="\x1b[5A"))
    report.notice("line\x1b[2J\rover\x1b[31m\nerror: forged")
    said = capfd.readouterr().err
    assert not {"\x1b", "\x07", "\x9b", "\r"} & set(said)
    assert said.splitlines()[-1] == "[outrig] line over error: forged"


def test_a_lone_surrogate_can_be_said(capfd):
    report.notice("file \udcff")
    assert capfd.readouterr().err.startswith("[outrig] file ")


# ---------------------------------------------------------------- nobody listens


@pytest.mark.parametrize("args", [("config", "show"), ("--help",), ("run", "--dry-run", "x")])
def test_a_closed_pipe_ends_quietly(outrig: Outrig, args):
    done = subprocess.run(
        ["sh", "-c", '("$@"; echo $? >&2) | true', "sh", *outrig.argv, *args],
        cwd=outrig.cwd,
        env=outrig.environment(None),
        capture_output=True,
        check=True,
    )
    # Fast output may be in the pipe before its reader is gone.
    assert done.stderr.split()[-1] in (b"141", b"0")
    assert b"Traceback" not in done.stderr
    assert b"BrokenPipe" not in done.stderr


def test_a_full_disk_is_no_traceback(outrig: Outrig):
    with open("/dev/full", "wb") as full:
        process = outrig.start("config", "show", stdout=full)
        _, said = process.communicate()
    assert process.returncode == 1
    assert b"Traceback" not in said
    assert said.startswith(b"error: ")
