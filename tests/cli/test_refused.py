"""What `outrig run` refuses, and a dry run, leave nothing on the disk."""

from __future__ import annotations

import json
import subprocess
import tomllib
from typing import TYPE_CHECKING

import pytest

from outrig.cli.given import LONGEST_PROMPT
from tests.cli.agents import configure

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run
    from tests.conftest import Home, Outrig


def everything(*tops: Path) -> set[str]:
    """Each file there is, below some directories."""
    return {str(path) for top in tops for path in top.rglob("*")}


# ---------------------------------------------------------------- refused: nothing is left


REFUSED = [
    ([], "nothing to run"),
    (["--agent", "gone"], 'no agent "gone"'),
    (["--agent", "claude", "-p", "x"], "ANTHROPIC_API_KEY"),
    (["--agent", "bot"], "needs a terminal"),
    (["-p", "x", "--", "true"], "a prompt goes to an agent"),
    (["--agent", "bot", "-p", " \n"], "is empty"),
    (["--agent", "bot", "-p", "x" * (LONGEST_PROMPT + 1)], None),
    (["--agent", "bot", "-p", "x", "--prompt-file", "y"], "both give a prompt"),
    (["--agent", "bot", "--prompt-file", "gone"], "cannot read --prompt-file gone"),
    (["-t", "-T", "true"], "exclude each other"),
    (["-it", "true"], "-it needs one"),
    (["--name", "a/b", "true"], "cannot be a session name"),
    (["--name", "20260501T134412-3f2a", "true"], "cannot be a session name"),
    (["--label", "x", "true"], "is not KEY=VALUE"),
    (["-u", "me", "true"], '"caller", "root" or "UID[:GID]"'),
    (["-m", "lots", "true"], "--memory: limits.memory: expected a size"),
    (["--cpus", "0", "true"], "--cpus"),
    (["--pids", "x", "true"], "--pids"),
    (["--timeout", "soon", "true"], "--timeout"),
    (["--network", "host", "true"], "--network"),
    (["-e", "1=2", "true"], "-e takes NAME=VALUE"),
    (["-v", "/tmp", "true"], "is not HOST:CONTAINER"),
    (["-v", "gone:/x", "true"], "does not exist"),
    (["-v", "/var/run/docker.sock:/x", "true"], "docker.sock"),
    (["-v", "/run:/x", "true"], "never mounted"),
    (["-v", "/:/x", "true"], "never mounted"),
    (["-v", "..:/x:rw", "-v", "..:/x", "true"], "both mount /x"),
    (["-v", ".:/workspace/new", "true"], "would make it as root"),
    (["-v", ".:/etc", "true"], "belongs to the system"),
    (["./data:/data", "true"], "looks like a volume"),
    (["--session-dir", "inside", "true"], "inside"),
    (["--config", "gone.toml", "true"], "gone.toml"),
    (["--global-config", "gone.toml", "true"], "gone.toml"),
    (["--result", "gone/result", "true"], "--result"),
    (["--no-such-option", "true"], "--no-such-option"),
]


@pytest.mark.docker
@pytest.mark.parametrize(
    ("args", "message"), REFUSED, ids=[" ".join(row[0])[:40] for row in REFUSED]
)
def test_what_is_refused_leaves_nothing_on_disk(
    run: Run, home: Home, tmp_path: Path, args, message
):
    configure(home)
    if message is None:  # longer than the kernel lets an argument be: only a file can hold it
        (tmp_path / "long").write_text(args.pop())
        args[-1:] = ["--prompt-file", str(tmp_path / "long")]
        message = "is longer than"
    before = everything(home.path, tmp_path)
    done = run(*args)
    assert (done.code, done.stdout) == (125, b"")
    assert message in done.err
    assert "Traceback" not in done.err
    assert everything(home.path, tmp_path) == before


@pytest.mark.docker
@pytest.mark.parametrize("kind", ["file", "full", "dotfile", "earlier"])
def test_a_session_directory_that_is_taken(run: Run, home: Home, tmp_path: Path, kind):
    place = tmp_path / "place"
    if kind == "file":
        place.write_text("")
    else:
        place.mkdir()
        name = {"full": "x", "dotfile": ".gitkeep", "earlier": "session.json"}[kind]
        (place / name).write_text("{}")
    before = everything(home.path, tmp_path)
    done = run("--session-dir", place, "true")
    assert done.code == 125
    assert str(place) in done.err
    assert everything(home.path, tmp_path) == before


@pytest.mark.docker
def test_home_is_no_workspace_unless_somebody_says_so(run: Run, home: Home):
    done = run("true", cwd=home.path)
    assert done.code == 125
    assert "holds your home directory" in done.err
    assert run.sessions() == []


@pytest.mark.docker
def test_a_working_directory_that_is_gone(run: Run, tmp_path: Path):
    (tmp_path / "gone").mkdir()
    argv = [*run.outrig.argv, "run", *run.options, "true"]
    done = subprocess.run(
        ["sh", "-c", 'rmdir "$PWD"; exec "$@"', "sh", *argv],
        cwd=tmp_path / "gone",
        env=run.outrig.environment(run.env),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 125
    assert b"working directory" in done.stderr
    assert run.sessions() == []


@pytest.mark.parametrize("args", [["true"], ["--json", "true"]])
def test_no_engine_is_an_error_with_a_next_step_and_no_record(outrig: Outrig, home: Home, args):
    done = outrig("run", *args)
    assert (done.code, done.stdout) == (125, b"")
    assert "outrig doctor" in done.err
    assert not list(home.sessions.glob("2*"))


# ---------------------------------------------------------------- only looking


def test_a_dry_run_needs_no_engine_and_does_nothing(outrig: Outrig, home: Home, tmp_path: Path):
    (outrig.cwd / "sub").mkdir()
    before = everything(home.path, tmp_path)
    done = outrig("run", "--dry-run", "-e", "A=secret", "-m", "1g", "make", cwd=outrig.cwd / "sub")
    plan = tomllib.loads(done.ok().out)
    assert plan["command"] == ["make"]
    assert plan["env-names"] == ["A"]
    assert plan["limits"]["memory"] == 1024**3
    assert plan["image"] == {"kind": "host", "name": "host"}
    assert "decided at launch" in plan["user"]["inside"]
    assert "secret" not in done.out + done.err
    assert everything(home.path, tmp_path) == before


def test_a_dry_run_as_json_says_the_same(outrig: Outrig):
    (outrig.cwd / "x").mkdir()
    as_toml = tomllib.loads(outrig("run", "--dry-run", "-w", "x", "make").ok().out)
    as_json = json.loads(outrig("run", "--dry-run", "--json", "-w", "x", "make").ok().out)
    assert as_json == as_toml


def test_a_dry_run_refuses_what_a_run_refuses(outrig: Outrig):
    done = outrig("run", "--dry-run", "-v", "/:/x", "true")
    assert (done.code, done.stdout) == (125, b"")
