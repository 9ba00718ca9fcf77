"""How sessions end, on the real engine: a row each of (exit code, status, reason), the agent's own
code and the limits that were hit. The exit code of the process is that of the record in each.

What never starts is told in test_run.py, and what a crash or the engine ends in test_reconcile.py.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import Screen, until
from tests.conftest import leftovers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker import DockerClient

    from tests.cli.conftest import Run

pytestmark = pytest.mark.docker

SAME = -1
INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
STOPPED, INTERRUPTED = ("stopped", "stopped"), ("stopped", "interrupted")
EXIT, SIGNAL = ("failed", "exit"), ("failed", "signal")
PATIENT = {"OUTRIG_RUN__GRACE": "1m"}
HASTY = {"OUTRIG_RUN__GRACE": "0.5s"}

READY = "echo ready; while :; do sleep 0.1; done"
POLITE = f"trap 'exit 7' TERM; {READY}"
DEAF = f"trap '' INT TERM; {READY}"


@dataclass(frozen=True, slots=True)
class Row:
    """`agent` None: it never ran. `acts` are done one by one, each when the agent has said so."""

    script: str
    code: int
    ending: tuple[str, str]
    agent: int | None = SAME
    options: tuple[str, ...] = ()
    hits: tuple[str, ...] = ()
    acts: tuple[int | str, ...] = ()
    env: Mapping[str, str] | None = None

    @property
    def expected(self) -> tuple[int, str, str]:
        return self.code, *self.ending

    def agents_code(self) -> int | None:
        return self.code if self.agent == SAME else self.agent


def ended_by(script: str, *acts: int | str, code: int, ending: tuple[str, str], **more) -> Row:
    return Row(script, code, ending, acts=acts, **more)


PLAIN = {
    "exit 0": Row("exit 0", 0, ("completed", "exit")),
    **{f"exit {code}": Row(f"exit {code}", code, EXIT) for code in (1, 2, 42)},
    **{f"exit {code}": Row(f"exit {code}", code, EXIT) for code in (124, 125, 126, 127, 128)},
    **{f"exit {code}": Row(f"exit {code}", code, SIGNAL) for code in (129, 130, 137, 143)},
    "exit 255": Row("exit 255", 255, EXIT),
    "dies of TERM": Row("kill -TERM $$", 143, SIGNAL),
    "dies of KILL": Row("kill -KILL $$", 137, SIGNAL),
    "dies of SEGV": Row("kill -SEGV $$", 139, SIGNAL),
    "in nested shells": Row("""sh -c 'sh -c "exit 42"; exit $?'; exit $?""", 42, EXIT),
    "killed in nested shells": Row("""sh -c 'sh -c "kill -9 \\$\\$"; exit $?'""", 137, SIGNAL),
    "leaves something running": Row("sleep 100 & exit 3", 3, EXIT),
}

LIMITS = {
    "memory": Row("exec tail /dev/zero", 137, ("failed", "oom"), SAME, ("-m", "32m"), ("memory",)),
    "memory of a child": Row("tail /dev/zero; exit 3", 3, EXIT, SAME, ("-m", "32m"), ("memory",)),
    # It is seen while it runs; who ends at once is seen for certain only by who may read the log.
    "processes": Row(
        "sh -c 'for i in $(seq 1 30); do sleep 9 & done'; code=$?; sleep 2; exit $code",
        *(2, EXIT, SAME, ("--pids", "20"), ("pids",)),
    ),
    "enough processes": Row(
        "for i in $(seq 1 9); do sleep 1 & done; wait; exit 4", 4, EXIT, SAME, ("--pids", "20")
    ),
    "time": Row(
        "exec sleep 100", 124, ("timeout", "wall-timeout"), 143, ("--timeout", "1s"), ("wall",)
    ),
    "time that is not used up": Row("exit 124", 124, EXIT, SAME, ("--timeout", "1h")),
    "time of who does not listen": Row(
        DEAF, 124, ("timeout", "wall-timeout"), 137, ("--timeout", "1s"), ("wall",), env=HASTY
    ),
    "idle": Row(
        "echo working; exec sleep 60",
        *(124, ("timeout", "idle-timeout"), 143, ("--idle-timeout", "2s"), ("idle",)),
    ),
    "silent work": Row(
        "end=$(($(date +%s) + 4)); while [ $(date +%s) -lt $end ]; do :; done",
        *(0, ("completed", "exit"), SAME, ("--idle-timeout", "2s")),
    ),
    "words now and then": Row(
        "for i in 1 2 3 4; do sleep 1; echo $i; done",
        *(0, ("completed", "exit"), SAME, ("--idle-timeout", "2s")),
    ),
}

ENDED = {
    "TERM": ended_by(READY, TERM, code=143, ending=INTERRUPTED),
    "TERM, politely": ended_by(POLITE, TERM, code=143, ending=INTERRUPTED, agent=7),
    "TERM, deaf": ended_by(DEAF, TERM, code=143, ending=INTERRUPTED, agent=137, env=HASTY),
    "TERM twice, deaf": ended_by(
        DEAF, TERM, "intent", TERM, code=143, ending=INTERRUPTED, agent=137, env=PATIENT
    ),
    "TERM in nested shells": ended_by(
        f"sh -c 'sh -c \"{READY}\"; exit 3'; exit 4", TERM, code=143, ending=INTERRUPTED
    ),
    "INT": ended_by(READY, INT, code=130, ending=INTERRUPTED),
    "INT, politely": ended_by(
        f"trap 'exit 9' INT; {READY}", INT, code=130, ending=INTERRUPTED, agent=9
    ),
    "INT twice": ended_by(
        f"trap 'echo again' INT; trap 'exit 8' TERM; {READY}",
        *(INT, "again", INT),
        code=130,
        ending=INTERRUPTED,
        agent=8,
    ),
    "INT three times, deaf": ended_by(
        DEAF,
        INT,
        "intent",
        INT,
        "second",
        INT,
        code=130,
        ending=INTERRUPTED,
        agent=137,
        env=PATIENT,
    ),
    "INT that is lived through": ended_by(
        "trap 'echo heard' INT; echo ready; for i in $(seq 1 12); do sleep 0.1; done; sleep 1; "
        "exit 6",
        *(INT, "heard"),
        code=6,
        ending=EXIT,
        env=HASTY,
    ),
    "outrig stop": ended_by(POLITE, "stop", code=7, ending=STOPPED),
    "outrig stop, deaf": ended_by(DEAF, "stop --grace 0.5s", code=137, ending=STOPPED),
    "outrig kill": ended_by(POLITE, "kill", code=137, ending=STOPPED),
    "docker stop": ended_by(POLITE, "docker stop", code=7, ending=EXIT),
    "docker stop, unready": ended_by(READY, "docker stop", code=143, ending=SIGNAL),
    "docker kill": ended_by(POLITE, "docker kill", code=137, ending=SIGNAL),
}


def check(run: Run, row: Row, code: int) -> None:
    assert run.ending(code) == row.expected
    record = run.record()
    assert record.get("agent_exit_code") == row.agents_code()
    hits = {hit["limit"]: hit for hit in record.get("limits_hit", [])}
    assert tuple(hits) == row.hits
    assert all(hit["evidence"] and hit["at"] for hit in hits.values())
    assert record["resources"] == []


@pytest.mark.parametrize("row", [*PLAIN.values(), *LIMITS.values()], ids=[*PLAIN, *LIMITS])
def test_by_itself(run: Run, row: Row):
    done = run(*row.options, "sh", "-c", row.script, env=row.env or {})
    check(run, row, done.code)
    for limit in row.hits:
        assert f"[outrig] limits.{limit} was hit: " in done.err


@pytest.mark.parametrize("row", ENDED.values(), ids=ENDED)
def test_by_somebody(run: Run, row: Row, engine_client: DockerClient):
    nowhere = subprocess.DEVNULL
    process = run.start(
        "sh", "-c", row.script, env=row.env or {}, stdin=nowhere, stdout=nowhere, stderr=nowhere
    )
    run.until_said(b"ready")
    for act in row.acts:
        do(run, process, act, engine_client)
    check(run, row, process.wait())
    assert leftovers(engine_client, run.root) == []


def do(run: Run, process: subprocess.Popen[bytes], act: int | str, engine: DockerClient) -> None:
    match act:
        case int():
            process.send_signal(act)
        case "docker stop":
            engine.containers.get(run.record()["container_name"]).stop(timeout=20)
        case "docker kill":
            engine.containers.get(run.record()["container_name"]).kill()
        case "intent":
            until((run.session / "intent.json").exists, "the intent of the first")
        case "second":
            until(lambda: "until" not in read_intent(run), "the intent of the second")
        case "again" | "heard":
            run.until_said(act.encode())
        case verb:
            run.outrig(*verb.split(), run.session.name).ok()


def read_intent(run: Run) -> Mapping[str, object]:
    """A tentative one has an `until` that is not empty."""
    found: Mapping[str, object] = json.loads((run.session / "intent.json").read_bytes())
    return {key: value for key, value in found.items() if value}


# ---------------------------------------------------------------- what a row cannot tell


def may_read_the_kernels_log() -> bool:
    """Its mode says that all may, where the kernel lets only root."""
    try:
        os.close(os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not may_read_the_kernels_log(), reason="the kernel's log is for others")
def test_a_fork_bomb_that_ends_at_once_is_told_of(run: Run):
    assert run("--pids", "5", "sh", "-c", "for i in $(seq 1 9); do sleep 9 & done").code == 2
    (hit,) = run.record()["limits_hit"]
    assert hit["limit"] == "pids"
    assert hit["evidence"].startswith("the kernel refused")


def test_a_fork_bomb_is_told_while_it_goes_on_and_disturbs_nobody(run: Run, outrig, tmp_path):
    bomb = "f() { f | f & }; echo ready; f; exec sleep 60"  # which needs no process of its own
    options = ("--pids", "40", "--cpus", "0.2")
    process = run.start(*options, "sh", "-c", bomb, stderr=subprocess.DEVNULL)
    run.until_said(b"ready")
    hit = until(lambda: run.record().get("limits_hit"), "a limit that was hit")[0]
    assert hit["limit"] == "pids"
    assert "the kernel refused" in hit["evidence"] or "processes were there" in hit["evidence"]
    assert run.record()["status"] == "running"
    elsewhere = ("--session-root", tmp_path / "elsewhere")
    assert run(*elsewhere, "echo", "undisturbed").ok().stdout == b"undisturbed\n"
    assert "pids" in outrig("show", run.session.name).ok().out
    assert "limit-hit" in outrig("events").ok().out
    outrig("kill", run.session.name).ok()
    assert run.ending(process.wait()) == (137, *STOPPED)


@pytest.mark.parametrize(("options", "rings"), [(["--notify"], True), ([], False)])
def test_a_bell_at_the_end(run: Run, screen, options, rings):
    shown = screen(*options, "sh", "-c", "exit 3")
    assert shown.wait() == 3
    assert (b"\a" in shown.said) == rings
    assert run.record().get("notify", False) == rings


def test_the_bell_rings_for_who_came_later_and_for_what_never_began(run: Run, screen):
    run("-d", "--notify", "--name", "one", "sh", "-c", "sleep 1; exit 3").ok()
    attached = Screen(run.outrig, "attach", "one")
    assert attached.wait() == 3
    attached.close()
    assert b"\a" in attached.said
    failed = screen("--notify", "--name", "two", "no-such-command")
    assert failed.wait() == 127
    assert b"\a" in failed.said


def test_two_ctrl_c_in_a_raw_terminal_are_two_keys(run: Run, screen):
    counting = "n=0; trap 'n=$((n + 1)); echo heard $n' INT; echo ready; "
    shown = screen("sh", "-c", counting + "until read line; do :; done; exit 5")
    shown.until(b"ready")
    for number in (b"1", b"2"):
        shown.type(b"\x03")
        shown.until(b"heard " + number)
    assert not (run.session / "intent.json").exists()
    shown.type(b"enough\r")
    assert shown.wait() == 5
    assert run.ending(5) == (5, *EXIT)
