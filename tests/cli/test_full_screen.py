"""Programs that fill the screen, in sessions, as they look on a terminal: let go of and come back
to, recorded and replayed; and the terminal as it is when they are gone, however they went.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from outrig.core.naming import LABEL_SESSION
from tests.bridge import this_machine
from tests.cli.conftest import until
from tests.cli.panes import exported, recorded
from tests.model_server import Script, serving

if TYPE_CHECKING:
    from collections.abc import Callable

    import docker

    from tests.cli.conftest import Run
    from tests.cli.panes import Pane

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]

OFFLINE = ("--network", "none")
DETACH = ("C-p", "C-q")
OVER = "next: outrig logs"
GAP_SECONDS = 1.5  # a picture that stands for so long is seen in a replay, too


def needs(program: str) -> pytest.MarkDecorator:
    """The host image shows what is installed here; CI installs it (.ci/check, .ci/agents)."""
    missing = shutil.which(program, path="/usr/local/bin:/usr/bin") is None
    return pytest.mark.skipif(missing, reason=f"{program} is not installed in /usr")


@pytest.fixture
def live(run: Run, pane: Callable[[], Pane]) -> Pane:
    """A shell on a terminal, in the workspace."""
    made = pane()
    made.shell()
    made.type(f"cd {run.work}", "Enter")
    return made


@pytest.fixture
def begin(run: Run, live: Pane) -> Callable[..., None]:
    def begin(*args: str) -> None:
        live.enter(*run.outrig.argv, "run", *args)

    return begin


def until_caught_up(run: Run, live: Pane) -> None:
    """What was recorded so far makes the very picture that stands on the terminal."""
    try:
        until(lambda: recorded(run.session) == live.rows(), "the recording to look like the screen")
    except BaseException as error:
        error.add_note("\n".join(["recorded:", *recorded(run.session), "seen:", *live.rows()]))
        raise


def let_go_and_come_back(run: Run, live: Pane, before: object) -> None:
    """The terminal is the user's in between, and then shows what it showed."""
    picture = live.rows()
    between(run, live, before)
    try:
        live.until_rows(lambda rows: rows == picture, "the same picture as before")
    except BaseException as error:
        error.add_note("\n".join(["it showed before:", *picture]))
        raise


def between(run: Run, live: Pane, before: object) -> None:
    live.type(*DETACH)
    live.until("back to it: outrig attach")
    live.until_row("$")
    assert live.state() == before
    live.enter(*run.outrig.argv, "attach", run.session.name)


def replayed(run: Run, other: Pane, words: str) -> list[str]:
    """A replay's terminal, at the moment when it shows these words; and it ends."""
    other.start(*run.outrig.argv, "replay", "--idle-limit", "0.3s", run.session.name)
    other.until(words)
    other.until("[0]")
    return other.rows()


@needs("vim")
def test_an_editor(run: Run, pane, live: Pane, begin):
    before = live.state()
    notes = run.work / "notes"
    notes.write_text("".join(f"{number} note \u00e4\n" for number in range(1, 100)))
    begin(*OFFLINE, "vim", "-n", "-u", "NONE", "-N", "notes")
    live.until("1 note")
    live.type("50G", "o", "new words \u2713", "Escape")
    live.until("new words \u2713")
    live.until_rows(lambda rows: "-- INSERT --" not in rows, "the end of the insertion")
    until_caught_up(run, live)
    let_go_and_come_back(run, live, before)
    live.resize(30, 100)
    live.until_rows(lambda rows: len(rows) == 29, "a picture of 29 rows and a blank one")
    until_caught_up(run, live)
    live.type("Up", "dd", ":wq", "Enter")
    live.until_row("$")
    assert live.state() == before
    lines = notes.read_text().splitlines()
    assert lines[48:51] == ["49 note \u00e4", "new words \u2713", "51 note \u00e4"]
    assert run.record()["status"] == "completed"
    assert "new words \u2713" in run.outrig("logs").ok().out
    assert "new words \u2713" not in "".join(replayed(run, pane(), "new words \u2713"))


EDITOR = ("vim", "-n", "-u", "NONE", "-N", "notes")
MONITOR = ("-e", "HTOPRC=htoprc", "htop", "--no-color", "--delay=100")
# Its header shows the load and the time, also above its setup, and they go on every ten seconds.
STILL = """\
htop_version=3.2.2
config_reader_min_version=3
header_layout=two_50_50
column_meters_0=Hostname
column_meter_modes_0=2
column_meters_1=Blank
column_meter_modes_1=2
"""


@needs("htop")
def test_a_monitor(run: Run, live: Pane, begin):
    before = live.state()
    (run.work / "htoprc").write_text(STILL)
    begin(*OFFLINE, *MONITOR)
    live.until("F10Quit")
    live.type("F2")  # its setup, which does not change by itself
    live.until("F10Done")
    until_caught_up(run, live)
    let_go_and_come_back(run, live, before)
    live.type("Down")  # as an application's keypad says it
    live.until("2 columns")
    live.type("F10")
    live.until("F10Quit")
    live.type("q")
    live.until_row("$")
    assert live.state() == before
    assert run.record()["status"] == "completed"
    assert "htop" in run.outrig("logs").ok().out


@pytest.mark.parametrize(
    "played",
    [
        pytest.param((EDITOR, "1 note", ("50G", "dd"), "51 note", "dd"), marks=needs("vim")),
        pytest.param((MONITOR, "F10Quit", ("F2",), "F10Done", "Down"), marks=needs("htop")),
    ],
    ids=["an editor", "a monitor"],
)
def test_what_is_exported_and_replayed_is_what_was_seen(run: Run, pane, live: Pane, begin, played):
    """Killed in the middle, so that its last picture is what stood on the terminal."""
    program, first, keys, second, later = played
    (run.work / "notes").write_text("".join(f"{number} note\n" for number in range(1, 100)))
    (run.work / "htoprc").write_text(STILL)
    begin(*OFFLINE, *program)
    live.until(first)
    live.type(*keys)
    live.until(second)
    until_caught_up(run, live)
    between = live.rows()
    time.sleep(GAP_SECONDS)
    live.type(later)
    live.until_rows(lambda rows: rows != between, "another picture")
    until_caught_up(run, live)
    last = live.rows()
    run.outrig("kill", "@last").ok()
    live.until_row("$")
    cast = run.work / "x.cast"
    run.outrig("export", "@last", "--cast", str(cast)).ok()
    assert exported(cast) == last
    other = pane()
    other.start(*run.outrig.argv, "replay", run.session.name)
    other.until_rows(lambda rows: rows == between, "the picture before the last, replayed")
    other.until("[0]")


def boxes(run: Run, begin: Callable[..., None], *options: str) -> None:
    source = Path(__file__).with_name("boxes.py")
    shutil.copy(source, run.work / "boxes.py")
    begin(*OFFLINE, *options, "python3", "boxes.py")


def framed(rows: list[str], height: int, width: int) -> bool:
    """A frame with its corners in the corners, and the size written into it."""
    ends = [(row[:1], row[width - 1 : width]) for row in (rows[0], rows[-1])]
    fits = len(rows) == height and ends == [("\u250c", "\u2510"), ("\u2514", "\u2518")]
    return fits and f"size {height}x{width}" in rows[1]


def until_framed(live: Pane, height: int, width: int) -> None:
    live.until_rows(lambda rows: bool(rows) and framed(rows, height, width), "a frame that fits")


def test_keys_sizes_and_coming_back(run: Run, pane, live: Pane, begin):
    before = live.state()
    boxes(run, begin)
    until_framed(live, 24, 80)
    live.type("a", "Up", "C-c", "C-c", "C-z", "C-\\", "C-s")
    live.until("keys a KEY_UP ^C ^C ^Z ^\\ ^S")
    live.resize(20, 60)
    until_framed(live, 20, 60)
    until_caught_up(run, live)
    let_go_and_come_back(run, live, before)
    live.type("Down")
    live.until("KEY_DOWN")
    live.type(*DETACH)
    live.until("back to it")
    live.resize(30, 100)  # while nobody is attached
    live.enter(*run.outrig.argv, "attach", run.session.name)
    until_framed(live, 30, 100)
    until_caught_up(run, live)
    live.type("q")
    live.until_row("$")
    assert live.state() == before
    assert run.record()["status"] == "completed"


def containers(run: Run, engine: docker.DockerClient) -> list[Any]:
    label = f"{LABEL_SESSION}={run.session.name}"
    found: list[Any] = engine.containers.list(all=True, sparse=True, filters={"label": label})
    return found


def stop(run: Run, _engine: docker.DockerClient) -> None:
    run.outrig("kill", run.session.name)


def kill_container(run: Run, engine: docker.DockerClient) -> None:
    for found in containers(run, engine):
        found.kill()


def remove_container(run: Run, engine: docker.DockerClient) -> None:
    for found in containers(run, engine):
        found.remove(force=True)


def hang_up(run: Run, _engine: docker.DockerClient) -> None:
    os.kill(runner(run), signal.SIGHUP)


def terminate(run: Run, _engine: docker.DockerClient) -> None:
    os.kill(runner(run), signal.SIGTERM)


def quit_it(run: Run, _engine: docker.DockerClient) -> None:
    os.kill(runner(run), signal.SIGQUIT)


def runner(run: Run) -> int:
    """The outrig that is on the terminal: it holds the attend lock."""
    for entry in Path("/proc").iterdir():
        try:
            links = [os.readlink(one) for one in (entry / "fd").iterdir()]
        except OSError:
            continue
        if any(link.endswith(f"{run.session.name}.attend") for link in links):
            return int(entry.name)
    raise AssertionError("nobody attends the session")


@pytest.mark.parametrize(
    "end", [stop, kill_container, remove_container, hang_up, terminate, quit_it]
)
def test_the_terminal_is_put_back(run: Run, live: Pane, begin, engine_client, end):
    before = live.state()
    boxes(run, begin)
    until_framed(live, 24, 80)
    assert live.state() != before
    end(run, engine_client)
    rows = live.until_row("$")
    assert live.state() == before
    assert not any("\u2502" in row for row in rows), "the picture is gone"
    run.outrig("kill", run.session.name)  # one that was let go of
    until(lambda: not containers(run, engine_client), "its container to go")


def is_as(live: Pane, state: object) -> bool:
    return live.state() == state


def test_stopped_and_going_on(run: Run, live: Pane, begin):
    before = live.state()
    boxes(run, begin)
    until_framed(live, 24, 80)
    live.type("a")
    live.until("keys a")
    during = live.state()
    os.kill(runner(run), signal.SIGTSTP)
    live.until("Stopped")
    live.until_row("$")
    assert live.state() == before
    live.type("fg", "Enter")
    until_framed(live, 24, 80)
    until(partial(is_as, live, during), "the terminal to be the session's again")
    live.type("b")
    live.until("keys a b")
    # What nobody can catch: the shell finds the terminal as it is, and Enter is no end of a line.
    os.kill(runner(run), signal.SIGSTOP)
    live.until("Stopped")
    live.type("fg", "C-j")
    until_framed(live, 24, 80)
    live.type("c")
    live.until("keys a b c")
    live.type("q")
    live.until_row("$")
    assert live.state() == before


def test_the_size_is_right_from_the_beginning(live: Pane, begin):
    begin(*OFFLINE, "stty", "size")
    assert "24 80" in live.until("24 80")
    live.until_row("$")


def test_a_command_that_does_not_exist(run: Run, live: Pane, begin):
    begin(*OFFLINE, "no-such-command")
    live.until('"no-such-command" does not exist')
    live.until_row("$")
    assert (run.record()["exit_code"], run.record()["reason"]) == (127, "start-failed")


def test_a_line_that_was_not_ended_is(run: Run, live: Pane, begin):
    begin(*run.options, "printf", "half a line")
    rows = live.until(OVER)
    assert "half a line" in rows


@needs("claude")
def test_claude_codes_own_interface(run: Run, pane, live: Pane, begin, engine_client):
    subprocess.run(["git", "init", "--quiet", str(run.work)], check=True)
    before = live.state()
    script = Script()
    with serving(host=this_machine(engine_client), script=script) as model:
        live.type(f"export ANTHROPIC_AUTH_TOKEN=sk-x ANTHROPIC_BASE_URL={model.url}", "Enter")
        begin("--network", "bridge", "--agent", "claude")
        live.until("bypass permissions on")
        live.type("write hello and run it")
        live.until("write hello and run it")
        live.type("Enter")
        live.until(script.closing)
        until((run.work / "ran.txt").exists, "the file that was made")
        live.until("done")
        until_caught_up(run, live)
        between(run, live, before)
        live.until("done")
        until_caught_up(
            run, live
        )  # it goes on drawing for itself: hints come, and go after a while
        live.type("/exit")
        live.until("Exit the CLI")
        live.type("Enter")
        live.until("Resume this session")
        live.until_row("$")
    assert live.state() == before
    assert (run.work / script.file).read_text() == script.text
    record = run.record()
    assert (record["status"], record["agent_name"]) == ("completed", "claude")
    read = run.outrig("logs").ok().out
    assert script.closing in read
    assert "\x1b" not in read
    replayed(run, pane(), script.closing)
