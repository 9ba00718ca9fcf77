"""`outrig config` as a user meets it: real processes, real files, no engine."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.conftest import REPO

GLOBAL = """\
[limits]
memory = "8g"

[env]
TOKEN = "${HOST_TOKEN}"
"""
REPO_CONFIG = """\
default-agent = "codex"

[limits]
memory = "2g"
memroy = "1g"
"""


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def files(home, outrig):
    (outrig.cwd / ".git").mkdir()
    write(outrig.cwd / ".git/HEAD", "ref: refs/heads/main\n")
    return (
        write(home.config / "outrig/config.toml", GLOBAL),
        write(outrig.cwd / ".agents/outrig/config.toml", REPO_CONFIG),
    )


def test_origin_says_who_set_each_key(outrig, files):
    done = outrig("config", "show", "--origin", env={"OUTRIG_LIMITS__CPUS": "1.5"}).ok()
    shown = dict(line.rsplit("   # ", 1) for line in done.out.splitlines())
    shown = {setting.rstrip(): origin for setting, origin in shown.items()}
    assert shown['limits.memory = "2g"'] == f"{files[1]}:4"
    assert shown['default-agent = "codex"'] == f"{files[1]}:1"
    assert shown['env.TOKEN = "${HOST_TOKEN}"'] == f"{files[0]}:5"
    assert shown["limits.cpus = 1.5"] == "OUTRIG_LIMITS__CPUS"
    assert shown["limits.pids = 512"] == "default"
    assert shown["limits.wall = (none)"] == "default"
    assert done.err == (
        f"[outrig] {files[1]}:5: unknown key limits.memroy; did you mean limits.memory?\n"
    )


def test_what_is_shown_is_a_config_that_says_the_same(outrig, files, tmp_path):
    shown = outrig("config", "show").ok().out
    assert tomllib.loads(shown)["limits"]["memory"] == "2g"
    copy = write(tmp_path / "copy.toml", shown)
    again = outrig("config", "show", "--global-config", copy, cwd=tmp_path).ok()
    assert (again.out, again.err) == (shown, "")


def test_json(outrig, files):
    shown = json.loads(outrig("config", "show", "--json").ok().stdout)
    assert shown == tomllib.loads(outrig("config", "show").ok().out)
    origins = json.loads(outrig("config", "show", "--json", "--origin").ok().stdout)
    assert origins["limits.memory"] == {"value": "2g", "origin": f"{files[1]}:4"}
    assert origins["limits.wall"] == {"value": None, "origin": "default"}


def test_a_failure_with_json_is_an_object(outrig, files):
    write(files[0], "limits.memory = 'much'")
    done = outrig("config", "show", "--json")
    assert (done.code, done.out) == (1, "")
    error = json.loads(done.err)["error"]
    assert error["kind"] == "config"
    assert error["message"].startswith(f"{files[0]}:1: limits.memory: expected a size")


def test_path_lists_where_it_looks(outrig, files, home):
    lines = [line.split() for line in outrig("config", "path").ok().out.splitlines()]
    local = files[1].with_name("config.local.toml")
    assert lines[1:] == [
        ["global", str(files[0]), "read"],
        ["repo", str(files[1]), "read"],
        ["local", str(local), "absent"],
    ]
    assert lines[0][:2] == ["system", "/etc/outrig/config.toml"]


def test_check_says_what_it_read(outrig, files):
    done = outrig("config", "check", env={"HOST_TOKEN": "x"}).ok()
    assert [line.split() for line in done.out.splitlines()] == [["ok", str(file)] for file in files]
    assert "unknown key limits.memroy" in done.err


def test_check_fails_for_a_reference_to_nothing(outrig, files):
    done = outrig("config", "check")
    assert done.code == 1
    assert "error: env.TOKEN refers to ${HOST_TOKEN}, which is not set" in done.err


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("workspace.path = '/etc'", ':1: workspace.path is "/etc", outside the repository '),
        ("session-root = 'x'", ":1: session-root may not be set by a repository, only in "),
        ("[network]\nalow = ['x']", ":2: unknown key network.alow"),
        ("limits = ", ":1: not TOML: "),
    ],
)
def test_check_fails_with_file_and_line(outrig, files, text, error):
    write(files[1], text)
    done = outrig("config", "check", env={"HOST_TOKEN": "x"})
    assert done.code == 1
    assert done.out == ""
    assert done.err.startswith(f"error: {files[1]}{error}")


def test_named_files_must_exist(outrig):
    for option in ("--config", "--global-config"):
        done = outrig("config", "show", option, "missing.toml")
        assert done.code == 1
        assert f"no such config file: {outrig.cwd}/missing.toml" in done.err


def test_the_schema_judges_the_shown_configuration(outrig, files):
    schema = json.loads(outrig("config", "schema").ok().stdout)
    shown = json.loads(outrig("config", "show", "--json").ok().stdout)
    Draft202012Validator(schema).validate(shown)


def test_the_example_is_the_file_in_the_repository(outrig):
    assert outrig("config", "example").ok().out == (REPO / "config.example.toml").read_text()


def test_nothing_of_a_file_reaches_a_terminal_raw(outrig, files):
    """A repository's config can hold any character; a pipe gets valid TOML with it."""
    write(files[1], '[env]\nA = "\\u001b]0;title\\u0007 \\u009b31m \\u202e"')
    for option in ((), ("--origin",)):
        raw = on_a_terminal(outrig, "config", "show", *option)
        assert b"\x1b" not in raw
        assert "\x9b".encode() not in raw
        assert "\u202e".encode() not in raw


def on_a_terminal(outrig, *args):
    ours, theirs = pty.openpty()
    process = outrig.start(*args, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
    os.close(theirs)
    output = b""
    try:
        while part := os.read(ours, 65536):
            output += part
    except OSError:  # EIO: the other side is closed
        pass
    finally:
        os.close(ours)
    assert process.wait() == 0, output
    return output


def test_the_home_of_files_follows_xdg(outrig, home):
    elsewhere = write(home.path / "elsewhere/outrig/config.toml", "limits.pids = 5")
    done = outrig(
        "config", "show", "--origin", env={"XDG_CONFIG_HOME": str(Path(home.path, "elsewhere"))}
    ).ok()
    assert f"# {elsewhere}:1" in done.out


def test_config_alone_is_misuse_in_two_lines(outrig):
    done = outrig("config")
    assert done.code == 2
    assert done.err == "error: Missing command.\nhint: outrig config --help\n"
