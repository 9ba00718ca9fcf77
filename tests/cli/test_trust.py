"""`outrig trust` as a user meets it, and what a run does with a repository that nobody approved."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess

import pytest

from tests.core.test_hostile_config import HOSTILE, NEVER, OWN, REFUSED

A_KEY = {"ANTHROPIC_API_KEY": "the-key-of-the-user", "MINE": "mine"}
CONFIG = """\
default-image = "dev"

[images.dev]
dockerfile = "Dockerfile"

[limits]
memory = "1g"
pids = 9999
"""
PLAN = ("run", "--dry-run", "--json", "--image", "host", "true")


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def repo(home, outrig):
    write(outrig.cwd / ".git/HEAD", "ref: refs/heads/main\n")
    write(outrig.cwd / "Dockerfile", "FROM scratch\n")
    return write(outrig.cwd / ".agents/outrig/config.toml", CONFIG)


def limits(outrig, *options):
    done = outrig("run", *options, *PLAN[1:]).ok()
    return json.loads(done.out)["limits"], done.err


def test_a_clone_runs_with_what_narrows_and_one_line_says_the_rest(outrig, repo):
    planned, said = limits(outrig)
    assert planned["memory"] == 1024**3
    assert planned["pids"] == 512
    lines = [line for line in said.splitlines() if "approve" in line]
    assert lines == [
        (
            f"[outrig] {repo} is not approved; left out: images.dev, limits.pids; "
            "to see and approve it: outrig trust"
        )
    ]


def together(rows):
    """Keys and what they are set to, as one file."""
    tables: dict[str, list[str]] = {}
    for key, said in rows:
        table, _, name = key.rpartition(".")
        tables.setdefault(table, []).append(f"{name} = {said}\n")
    top = "".join(tables.pop("", []))
    heads = {
        table: f"[[{table[:-3]}]]" if table.endswith("[0]") else f"[{table}]" for table in tables
    }
    return top + "".join(f"{heads[table]}\n{''.join(said)}" for table, said in tables.items())


def test_a_hostile_config_changes_nothing_of_what_is_planned(outrig, repo, home):
    """Every row of tests/core/test_hostile_config.py at once, in a run as a user's."""
    bounds = [(key, trusted) for key, (_, trusted) in HOSTILE.items() if trusted]
    write(home.config / "outrig/config.toml", f"{together(bounds)}{OWN}")
    rows = [(key, said) for key, (said, _) in HOSTILE.items() if key not in REFUSED]
    # One entry is either built or pulled, and a secret goes one way.
    rows = [row for row in rows if row[0] not in ("images.base.image-name", "secrets.forge.as")]
    mount = [("workspace.mounts[0].container", '"/c"')]
    plan = ("run", "--agent", "claude", "--dry-run", "--json", "-p", "x")
    repo.write_text("")
    tame = outrig(*plan, env=A_KEY).ok()
    repo.write_text(together([*rows, *mount]))
    hostile = outrig(*plan, env=A_KEY).ok()
    plans = [json.loads(tame.out), json.loads(hostile.out)]
    said = [(one.pop("notices"), one.pop("config-origins"))[0] for one in plans]
    assert plans[1] == plans[0]
    assert "evil" not in json.dumps(said)
    (line,) = (line for line in hostile.err.splitlines() if "is not approved" in line)
    for key, _ in rows:
        unit = (
            ".".join(key.split(".")[:2]) if key.startswith(("images", "secrets", "side")) else key
        )
        assert unit.removesuffix(".host") in line or key.startswith(NEVER), key


def test_an_image_of_its_own_is_an_error_before_anything_happens(outrig, repo, home):
    for command in (["run", "true"], ["run", "--image", "dev", "true"], ["run", "--dry-run", "x"]):
        done = outrig(*command)
        assert done.code == 125
        assert f"error: {repo}:3: the image dev is this repository's own" in done.err
        assert "hint: outrig trust, or --image host" in done.err
    assert not home.sessions.exists()


def test_approved_shown_changed_and_taken_back(outrig, repo):
    shown = outrig("trust", "--show").ok().out
    assert "state       not approved\n" in shown
    assert f"  limits.pids\n      {repo}:8: limits.pids = 9999 is wider than 512 (default)" in shown
    assert "  +FROM scratch\n" in shown
    (given,) = re.findall(r"hash +([0-9a-f]{64})\n", shown)

    assert outrig("trust", "--yes").ok().err == f"[outrig] approved {outrig.cwd} as {given}\n"
    planned, said = limits(outrig)
    assert planned["pids"] == 9999
    assert "approve" not in said
    assert outrig("trust", "--list").ok().out.splitlines()[1].split()[::2] == [
        str(outrig.cwd),
        given,
    ]

    write(outrig.cwd / "Dockerfile", "FROM scratch\nRUN curl\n")
    assert limits(outrig)[0]["pids"] == 512
    shown = outrig("trust", "--show").ok().out
    assert "state       changed since it was approved (" in shown
    changed = shown.partition("what has changed\n")[2].splitlines()
    assert changed[:2] == ["  --- approved/Dockerfile", "  +++ now/Dockerfile"]
    assert "  +RUN curl" in changed
    assert "config.toml" not in "".join(changed)

    outrig("trust", "-y").ok()
    assert limits(outrig)[0]["pids"] == 9999
    assert "no longer approved" in outrig("trust", "--revoke").ok().err
    assert limits(outrig)[0]["pids"] == 512
    assert outrig("trust", "--list").ok().out == ""


def test_a_program_that_it_names_is_approved_with_it_byte_for_byte(outrig, repo):
    script = write(outrig.cwd / "get-key", "echo the-key\n")
    repo.write_text(f'[secrets.forge]\nfrom = "command:sh {script}"\n')
    assert "left out: secrets.forge" in outrig("secrets", "check").ok().err
    shown = outrig("trust", "--show").ok().out
    assert "files       .agents/outrig/config.toml, get-key\n" in shown
    assert "  +echo the-key\n" in shown
    outrig("trust", "--yes").ok()
    assert outrig("secrets", "check").ok().out.splitlines()[1].split() == ["forge", "yes"]

    script.write_text("echo the-key; touch planted\n")
    shown = outrig("trust", "--show").ok().out
    assert "changed since it was approved" in shown
    assert "  -echo the-key\n  +echo the-key; touch planted\n" in shown
    checked = outrig("secrets", "check").ok()
    assert "left out: secrets.forge" in checked.err
    assert "forge" not in checked.out


def test_in_ci_a_hash_is_enough_and_a_change_is_an_error(outrig, repo):
    given = json.loads(outrig("trust", "--show", "--json").ok().out)
    assert given["state"] == "not approved"
    assert given["files"] == [".agents/outrig/config.toml", "Dockerfile"]
    assert [wish["key"] for wish in given["asks_for"]] == ["images.dev", "limits.pids"]
    planned, said = limits(outrig, "--trust-hash", given["hash"])
    assert planned["pids"] == 9999
    assert "approve" not in said
    repo.write_text(CONFIG + "\n")
    done = outrig("run", "--trust-hash", given["hash"], "true")
    assert done.code == 125
    assert "--trust-hash says" in done.err


def test_nobody_is_asked_where_nobody_can_answer(outrig, repo):
    done = outrig("trust")
    assert done.code == 2
    assert "nobody can be asked here" in done.err
    assert limits(outrig)[0]["pids"] == 512


@pytest.mark.parametrize(("answer", "pids"), [("y\n", 9999), ("\n", 512), ("no\n", 512)])
def test_somebody_at_a_terminal_is_asked(outrig, repo, answer, pids):
    own, theirs = pty.openpty()
    os.write(own, answer.encode())
    pipe = subprocess.PIPE
    process = outrig.start("trust", stdin=theirs, stdout=pipe, stderr=pipe)
    _, said = process.communicate(timeout=50)
    os.close(own)
    os.close(theirs)
    assert process.returncode == (0 if pids == 9999 else 1)
    assert b"Approve exactly this? [y/N]" in said
    assert limits(outrig)[0]["pids"] == pids


def test_what_is_shown_commands_no_terminal_and_hides_nothing(outrig, repo):
    repo.write_text(CONFIG + "# \u202e\n")
    write(outrig.cwd / "Dockerfile", "FROM x\n# \x1b[8mRUN evil\x1b]0;t\x07\u202e\r# fine\n")
    shown = outrig("trust", "--show").ok().out
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", shown)
    assert r"  +# \x1b[8mRUN evil\x1b]0;t\x07\u202e\r# fine" in shown


def test_where_there_is_nothing_to_approve(outrig):
    done = outrig("trust")
    assert done.code == 1
    assert "there is no repository config here" in done.err


def test_a_build_takes_what_was_approved_and_nothing_else(outrig, repo):
    done = outrig("build", "dev", env={"DOCKER_HOST": "unix:///nonexistent"})
    assert done.code == 1
    assert "the image dev is this repository's own" in done.err or "nonexistent" in done.err
