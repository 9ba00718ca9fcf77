"""Who may call outrig: nohup, setsid, timeout, xargs, a loop, a pipe whose reader goes away."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import until
from tests.conftest import leftovers

if TYPE_CHECKING:
    from tests.cli.conftest import Run

pytestmark = pytest.mark.docker


def shell(run: Run, script: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """A script in which `"$@"` is `outrig run`, with its image and no network."""
    argv = [*run.outrig.argv, "run", *run.options]
    return subprocess.run(
        ["bash", "-c", script, "bash", *argv],
        cwd=run.work,
        env=run.outrig.environment(run.env),
        input=stdin,
        capture_output=True,
        check=False,
        timeout=50,
    )


def records(run: Run) -> list[dict[str, Any]]:
    found = [json.loads((one / "session.json").read_bytes()) for one in run.sessions()]
    assert all(record["ended_at"] for record in found)
    assert all(record["resources"] == [] for record in found)
    return found


@pytest.mark.parametrize("caller", ["nohup", "setsid -w", "timeout 40", "nice", "env -u HOME"])
def test_a_caller_gets_the_agents_code(run: Run, caller):
    done = shell(run, f'{caller} "$@" sh -c "echo out; exit 42"')
    assert run.ending(done.returncode) == (42, "failed", "exit")
    assert done.stdout == b"out\n"


def test_timeout_ends_it(run: Run, engine_client):
    done = shell(run, 'timeout 3 "$@" sh -c "echo out; exec sleep 100"')
    assert done.returncode == 124  # what timeout says; the session was ended by TERM
    (record,) = records(run)
    assert (record["status"], record["exit_code"]) == ("stopped", 143)
    assert leftovers(engine_client, run.root) == []


def test_xargs_runs_several_at_once(run: Run, engine_client):
    done = shell(run, 'xargs -P 3 -I{} "$@" sh -c "echo {}; exit {}"', b"1\n2\n3\n")
    assert done.returncode == 123  # what xargs says when one failed
    assert sorted(done.stdout.split()) == [b"1", b"2", b"3"]
    assert sorted(record["exit_code"] for record in records(run)) == [1, 2, 3]
    assert leftovers(engine_client, run.root) == []


def test_a_loop_keeps_its_stdin_with_no_stdin(run: Run):
    loop = 'while read -r word; do "$@" --no-stdin echo "$word" || exit; done'
    assert shell(run, loop, b"one\ntwo\nthree\n").stdout == b"one\ntwo\nthree\n"
    assert [record["exit_code"] for record in records(run)] == [0, 0, 0]


def test_a_loop_without_it_gives_its_stdin_to_the_first_command(run: Run):
    loop = 'while read -r word; do "$@" cat || exit; done'
    assert shell(run, loop, b"one\ntwo\nthree\n").stdout == b"two\nthree\n"
    assert run.ending(0) == (0, "completed", "exit")


def test_a_reader_that_takes_one_line(run: Run, engine_client):
    done = shell(run, '"$@" seq 1 50000 | head -1; exit "${PIPESTATUS[0]}"')
    assert done.stdout == b"1\n"
    assert run.ending(done.returncode) == (0, "completed", "exit")
    assert run.log("stdout.log").endswith(b"\n50000\n")
    assert leftovers(engine_client, run.root) == []


def test_in_the_background_of_a_shell_that_is_gone(run: Run, engine_client):
    done = shell(run, '"$@" sh -c "sleep 1; echo out" > out 2> err < /dev/null & disown; exit 0')
    assert done.returncode == 0
    run.until_status("completed")
    until(lambda: not leftovers(engine_client, run.root), "its container to be removed")
    assert (run.work / "out").read_bytes() == run.log("stdout.log") == b"out\n"
