"""What becomes of a recording: bounded, replayed, exported, read; of real sessions."""

from __future__ import annotations

import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.browser import PROGRAM, browser
from tests.cli.conftest import until
from tests.cli.panes import recorded, without_end
from tests.cli.test_detach import control_clients

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Run
    from tests.cli.panes import Pane

pytestmark = pytest.mark.docker

BOUND = {"OUTRIG_LIMITS__LOG_BYTES": "64k"}
KEPT = 64 * 1024


def test_beyond_the_bound_the_agent_runs_on_and_the_record_says_how_much_is_missing(run: Run):
    done = run("sh", "-c", "head -c 100000 /dev/zero; echo oops >&2; exit 3", env=BOUND)
    assert (done.code, len(done.stdout)) == (3, 100_000)
    kept = [len(run.log(name)) for name in ("stdout.log", "stderr.log")]
    assert sum(kept) == KEPT
    (hit,) = run.record()["limits_hit"]
    assert hit["limit"] == "log_bytes"
    assert hit["dropped"] == 100_000 + len("oops\n") - KEPT
    assert hit["at"] <= run.record()["ended_at"]
    words = f"the logs are not whole: {hit['dropped']} bytes beyond limits.log-bytes"
    assert words in done.err
    logs = run.outrig("logs").ok()
    assert len(logs.stdout) == KEPT
    assert words in logs.err


def test_within_the_bound_nothing_is_said_of_it(run: Run):
    run("head", "-c", str(KEPT), "/dev/zero", env=BOUND).ok()
    assert len(run.log("stdout.log")) == KEPT
    assert "limits_hit" not in run.record()


def test_those_who_look_are_told_once_that_they_see_no_more(run: Run, tmp_path: Path):
    script = "until [ -e go ]; do sleep 0.1; done; head -c 100000 /dev/zero; sleep 1"
    run("-d", "sh", "-c", script, env=BOUND).ok()
    session = run.session.name
    lookers = {}
    for verb in ("logs -f", "attach --no-stdin"):
        file = (tmp_path / verb).open("w+b")
        words = (*verb.split(), session)
        lookers[verb] = (
            run.outrig.start(*words, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.PIPE),
            file,
        )
    until(lambda: control_clients(run, session), "somebody to be attached")
    (run.work / "go").touch()
    told = {"logs -f": b"the logs are not whole", "attach --no-stdin": b"no more can be shown"}
    for verb, (looker, file) in lookers.items():
        complaint = looker.communicate(timeout=30)[1]
        assert complaint.count(told[verb]) == 1
        assert file.seek(0, 2) == KEPT
        file.close()


def test_the_bound_is_said_while_the_session_still_runs(run: Run):
    process = run.start("sh", "-c", "head -c 100000 /dev/zero; cat", env=BOUND)
    assert process.stdout
    assert process.stdin
    assert len(process.stdout.read(100_000)) == 100_000
    assert run.until_status("running")["limits_hit"][0]["dropped"] > 0
    process.stdin.close()
    assert process.wait() == 0
    assert run.record()["limits_hit"][0]["dropped"] == 100_000 - KEPT


# ---------------------------------------------------------------- full-screen programs


def outrig(run: Run, *args: str) -> tuple[str, ...]:
    return (*run.outrig.argv, *args)


@pytest.mark.timeout(120)
def test_an_editor_seen_live_recorded_replayed_exported_and_read(
    run: Run, pane: Callable[[], Pane], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
):
    (run.work / "notes").write_text("".join(f"{n} note \u00e4\n" for n in range(100)))
    live = pane()
    live.start(
        "sh",
        "-c",
        f"cd {run.work} && {shlex.join(outrig(run, 'run', *run.options, 'vi', 'notes'))}",
    )
    live.until("0 note")
    live.type("50G", "dd", "i", "new words ", "Escape")
    live.until("new words")
    until(lambda: recorded(run.session) == live.rows(), "the recording to catch up")

    # the size changes while it runs
    live.resize(30, 100)
    live.type("C-l")
    until(lambda: len(live.rows()) == 30, "a larger picture")
    until(lambda: recorded(run.session) == live.rows(), "the recording to catch up")
    live.type(":q!", "Enter")
    live.until("[0]")
    assert run.record()["tty"] is True

    # read
    read = run.outrig("logs").ok().out
    assert "new words " in read
    assert "\x1b" not in read

    # replayed: the same pictures on the way, and nothing of them in the end
    again = pane()
    again.start(*outrig(run, "replay", "--idle-limit", "1s"), rows=30, columns=100)
    again.until("new words")
    assert not any("new words" in row for row in again.until("[0]"))

    # played by somebody else
    cast = tmp_path / "x.cast"
    run.outrig("export", "--cast", cast).ok()
    other = pane()
    player = (sys.executable, "-m", "asciinema", "play", "-i", "0.2", str(cast))
    other.start(*player, rows=30, columns=100)
    other.until("new words")
    other.until("[0]")

    # on a page
    page = tmp_path / "x.html"
    run.outrig("export", "--html", page).ok()
    if PROGRAM is None:
        pytest.skip("chromium is not installed")
    with browser(tmp_path_factory.mktemp("profile")) as chromium:
        chromium.open(f"file://{page}")
        assert without_end(chromium.terminal()) == recorded(run.session)
        assert chromium.complaints() == []
