"""`outrig doctor` on the command line: lines, JSON, exit codes."""

from __future__ import annotations

import json

import pytest


def test_one_line_per_check_and_exit_1(outrig):
    done = outrig("doctor")
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[0].startswith("wrong    engine")
    assert " -> " in lines[0]
    assert {line.split()[0] for line in lines} <= {"ok", "warning", "wrong"}
    assert done.err == ""


def test_json(outrig):
    done = outrig("doctor", "--json")
    assert done.code == 1
    checks = json.loads(done.out)
    assert [set(check) for check in checks] == [{"name", "state", "says", "remedy"}] * len(checks)
    assert {"engine", "git", "session root", "sessions", "config"} <= {
        one["name"] for one in checks
    }


def test_a_config_cannot_write_to_the_terminal(outrig, home):
    path = home.config / "outrig/config.toml"
    path.parent.mkdir(parents=True)
    path.write_text('"\\u001b]0;owned\\u0007\\nsecond" = 1\n')
    done = outrig("doctor")
    assert "\x1b" not in done.out
    assert not [line for line in done.out.splitlines() if line.startswith("second")]


def test_fix_says_what_the_user_has_to_do(outrig):
    done = outrig("doctor", "--fix")
    assert done.code == 1
    assert done.out == ""
    assert done.err.startswith("error: no container engine answers at unix://")
    assert "hint: start it there" in done.err


def test_fix_failure_as_json(outrig):
    done = outrig("doctor", "--fix", "--json")
    assert done.code == 1
    assert json.loads(done.err)["error"]["kind"] == "engine-unreachable"


def test_the_flags_for_files(outrig, tmp_path):
    root = tmp_path / "roots"
    done = outrig("doctor", "--json", "--session-root", root)
    says = {check["name"]: check["says"] for check in json.loads(done.out)}
    assert says["session root"].startswith(str(root))
    gone = outrig("doctor", "--json", "--global-config", tmp_path / "gone.toml")
    says = {check["name"]: check["says"] for check in json.loads(gone.out)}
    assert "gone.toml" in says["config"]


@pytest.mark.docker
def test_with_an_engine_all_is_well(outrig):
    done = outrig("doctor", "--fix").ok()
    assert "wrong" not in {line.split()[0] for line in done.out.splitlines()}
    assert done.err == ""
