"""What becomes of a recording: bounded, replayed, exported, read; of real sessions."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from outrig.core.cast import OUTPUT, size
from outrig.record.cast import Recording
from outrig.record.screen import Screen
from tests.browser import PROGRAM, browser
from tests.cli.conftest import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.cli.conftest import Run
    from tests.conftest import Home

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Pane:
    """A terminal that is not ours: tmux, and what it shows."""

    name: str
    env: Mapping[str, str]

    def tmux(self, *args: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self.name, "-f", "/dev/null", *args],
            env=self.env,
            capture_output=True,
            check=False,
        )
        return done.stdout.decode()

    def start(self, *command: str, rows: int = 24, columns: int = 80) -> None:
        """Run a command in it, and leave what it showed standing."""
        words = f"{shlex.join(command)}; printf '[%s]' $?; exec sleep 1000"
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), words)

    def rows(self) -> list[str]:
        return without_end(self.tmux("capture-pane", "-p").split("\n"))

    def until(self, words: str) -> list[str]:
        def look() -> list[str] | None:
            rows = self.rows()
            return rows if any(words in row for row in rows) else None

        return until(look, f"{words!r} on the terminal")

    def type(self, *keys: str) -> None:
        self.tmux("send-keys", *keys)


def without_end(rows: list[str]) -> list[str]:
    rows = [row.rstrip() for row in rows]
    while rows and not rows[-1]:
        rows.pop()
    return rows


@pytest.fixture
def pane(run: Run, home: Home) -> Iterator[Callable[[], Pane]]:
    made: list[Pane] = []
    own = {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "TMUX_TMPDIR": str(home.run)}
    environment = run.outrig.environment({**run.env, **own})
    environment.pop("TMUX", None)

    def make() -> Pane:
        made.append(Pane(name=f"outrig-{os.getpid()}-{len(made)}", env=environment))
        return made[-1]

    yield make
    for one in made:
        one.tmux("kill-server")


def recorded(session: Path) -> list[str]:
    """What stood on the screen in the end, as we see it."""
    with Recording(session) as recording:
        seen = Screen(recording.rows, recording.columns)
        for event in recording.events():
            if event.code == OUTPUT:
                seen.show(event.data)
            elif resized := size(event):
                seen.resize(*resized)
    return without_end([seen.line(y).text(seen.columns) for y in range(seen.lines)])


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
    live.tmux("resize-window", "-x", "100", "-y", "30")
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
