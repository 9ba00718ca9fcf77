"""A command beside the agent, on a real engine: what it inherits, says, and ends with."""

from __future__ import annotations

import os
import select
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from outrig.core import naming
from outrig.core.engine import UNLINKED, Command, Container, Ref
from outrig.engine import connect
from outrig.errors import (
    CommandNotExecutableError,
    CommandNotFoundError,
    ContainerGoneError,
    EngineError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from outrig.engine import Engine, Execution

pytestmark = pytest.mark.docker


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    root = os.urandom(8).hex()
    (tmp_path / ".root-id").write_text(root)
    made = connect(
        None,
        env=os.environ,
        home=tmp_path,
        cache=tmp_path / "cache",
        slots=tmp_path / "slots",
        root=root,
    )
    yield made
    for seen in made.seen(root):
        made.remove(seen.ref)
    made.close()


@pytest.fixture
def ref(engine: Engine, busybox: str, tmp_path: Path) -> Ref:
    """A container that runs, as user 1000 in /tmp."""
    image = engine.image(busybox)
    assert image
    session, root = os.urandom(4).hex(), (tmp_path / ".root-id").read_text()
    container = Container(
        name=f"outrig-test-{session}",
        labels=naming.labels(session=session, root=root, attempt="a", role="agent"),
        image=image.id,
        entrypoint=None,
        command=("sleep", "600"),
        user="1000:1000",
        working_dir="/tmp",
        mounts=(),
        network=UNLINKED,
        memory=256 * 1024 * 1024,
        cpus=None,
        pids=64,
        log_bytes=1024**3,
        tty=False,
        stdin=False,
    )
    made = engine.prepare(container, {"GREETING": "hello"})
    engine.start(made)
    return made


def hear(execution: Execution) -> dict[str, bytes]:
    """Everything that it says, until its line ends."""
    heard: dict[str, bytes] = {}
    while True:
        select.select([execution.fileno()], [], [])
        chunks = execution.read()
        if chunks is None:
            return heard
        for stream, data in chunks:
            heard[stream] = heard.get(stream, b"") + data


def ran(
    engine: Engine, ref: Ref, script: str, env: dict[str, str] | None = None, **how: Any
) -> tuple[dict[str, bytes], int]:
    execution = engine.exec(ref, Command(argv=("sh", "-c", script), **how), env or {})
    try:
        return hear(execution), execution.exit_code()
    finally:
        execution.close()


def test_it_inherits_user_place_and_environment(engine: Engine, ref: Ref) -> None:
    heard, code = ran(engine, ref, "echo $(id -u) $PWD $GREETING $MORE", {"MORE": "more"})
    assert (heard, code) == ({"stdout": b"1000 /tmp hello more\n"}, 0)


def test_it_can_be_somebody_else_elsewhere(engine: Engine, ref: Ref) -> None:
    heard, _ = ran(engine, ref, "id -u; pwd", user="0:0", working_dir="/bin")
    assert heard == {"stdout": b"0\n/bin\n"}


def test_streams_are_apart_and_the_code_is_its_own(engine: Engine, ref: Ref) -> None:
    heard, code = ran(engine, ref, "echo out; echo err >&2; exit 42")
    assert (heard, code) == ({"stdout": b"out\n", "stderr": b"err\n"}, 42)


def test_it_reads_to_the_end_of_its_input(engine: Engine, ref: Ref) -> None:
    execution = engine.exec(ref, Command(argv=("cat",), stdin=True), {})
    assert execution.write(memoryview(b"words")) == 5
    execution.end_input()
    assert hear(execution) == {"stdout": b"words"}
    assert execution.exit_code() == 0
    execution.close()


def test_a_terminal_of_its_own_and_every_key(engine: Engine, ref: Ref) -> None:
    # An engine before API 1.42 learns the size once the command runs.
    script = """
        stty raw -echo; until stty size | grep '40 100'; do sleep 0.1; done
        head -c 4 | od -An -tx1
    """
    command = Command(argv=("sh", "-c", script), tty=True, stdin=True, size=(40, 100))
    execution = engine.exec(ref, command, {})
    said = b""
    while b"40 100" not in said:
        select.select([execution.fileno()], [], [])
        said += b"".join(data for _, data in execution.read() or ())
    execution.write(memoryview(b"\x10\x11\x00x"))  # ctrl-p ctrl-q would detach from docker's own
    assert hear(execution) == {"terminal": b" 10 11 00 78\n"}
    execution.resize(10, 10)  # it has ended: no error
    assert execution.exit_code() == 0
    execution.close()


def test_it_goes_on_without_its_output(engine: Engine, ref: Ref) -> None:
    heard, code = ran(engine, ref, "exec >&- 2>&-; sleep 0.3; exit 3")
    assert (heard, code) == ({}, 3)


@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"argv": ("nosuch",)}, CommandNotFoundError),
        ({"argv": ("/no/such",)}, CommandNotFoundError),
        ({"argv": ("/bin",)}, CommandNotExecutableError),
        ({"argv": ("true",), "working_dir": "/nope"}, EngineError),
    ],
)
def test_what_never_ran_is_an_error(engine: Engine, ref: Ref, how: Any, error: Any, tty) -> None:
    execution = engine.exec(ref, Command(**how, tty=tty), {})
    with pytest.raises(error):
        hear(execution)
    execution.close()


def test_words_like_the_engines_own_are_the_commands(engine: Engine, ref: Ref) -> None:
    words = 'OCI runtime exec failed: exec: "x": permission denied'
    heard, code = ran(engine, ref, f"echo '{words}'; exit 126")
    assert (heard, code) == ({"stdout": f"{words}\n".encode()}, 126)


def test_a_signal_reaches_it_and_its_children(engine: Engine, ref: Ref) -> None:
    script = (
        "sh -c 'trap \"echo child; exit\" INT; echo ready; while :; do sleep 0.1; done'; exit 9"
    )
    execution = engine.exec(ref, Command(argv=("sh", "-c", script)), {})
    select.select([execution.fileno()], [], [])
    assert execution.read() == [("stdout", b"ready\n")]
    assert execution.signal(signal.SIGINT)
    assert hear(execution) == {"stdout": b"child\n"}
    assert execution.exit_code() in (9, 130)
    assert not execution.signal(signal.SIGINT)
    execution.close()


def test_it_ends_with_its_container(engine: Engine, ref: Ref) -> None:
    execution = engine.exec(ref, Command(argv=("sh", "-c", "echo ready; sleep 600")), {})
    select.select([execution.fileno()], [], [])
    engine.remove(ref)
    assert hear(execution) == {"stdout": b"ready\n"}
    assert execution.exit_code() == 137
    execution.close()
    with pytest.raises(ContainerGoneError):
        engine.exec(ref, Command(argv=("true",)), {})


def test_nothing_runs_while_it_is_paused(engine: Engine, ref: Ref) -> None:
    execution = engine.exec(ref, Command(argv=("sh", "-c", "while echo x; do sleep 0.1; done")), {})
    select.select([execution.fileno()], [], [])
    engine.pause(ref)
    engine.pause(ref)
    with pytest.raises(EngineError, match="paused"):
        engine.exec(ref, Command(argv=("true",)), {})
    time.sleep(0.3)  # what it had said before arrives
    execution.read()
    time.sleep(0.5)
    assert execution.read() == []
    engine.unpause(ref)
    engine.unpause(ref)
    select.select([execution.fileno()], [], [])
    assert execution.read()
    execution.close()


def test_what_does_not_run_cannot_be_paused(engine: Engine, ref: Ref) -> None:
    engine.signal(ref, "KILL")
    engine.wait(ref)
    with pytest.raises(EngineError, match="not running"):
        engine.pause(ref)
    engine.unpause(ref)
    engine.remove(ref)
    for freeze in (engine.pause, engine.unpause):
        with pytest.raises(ContainerGoneError):
            freeze(ref)
