"""Supervise: a small process of its own goes on following a session that its user let go of.

It inherits what its predecessor held: the line to the container, the attend lock, a pipe that was
being fed to the session. So nothing is lost in between, and no one else can step in. It imports
neither typer nor pendulum nor the docker SDK, and ends with the session.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outrig.core.engine import Ref
from outrig.core.redact import Redaction
from outrig.engine import connect
from outrig.record.log import Recorder
from outrig.record.redact import Redacting
from outrig.runner import hooks
from outrig.runner.console import Silent
from outrig.runner.follow import follow
from outrig.runner.launched import Launched
from outrig.store import places
from outrig.store.creation import Held
from outrig.store.lock import Attendance
from outrig.store.sessions import SessionStore

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from subprocess import Popen

PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from outrig.runner import {0}; "
PROGRAM += "{0}.main(int(sys.argv[2]))"


def hand_over(run: Launched, *, unfed: bytes, piped: int | None, keeps_input: bool) -> None:
    """Start a supervisor for a session that is followed here, and let go of it.

    `piped` is the descriptor that was being fed to the session, `unfed` what was read of it and
    has not arrived. Raises EngineError when the line to the engine cannot leave this process.
    """
    line, state = run.output.handover()
    piped = None if piped is None else os.dup(piped)  # its own stdin will be /dev/null
    passed = [line, run.held.attendance.fileno(), *([] if piped is None else [piped])]
    left = {
        "root": str(run.held.store.root),
        "id": run.held.id,
        "ref": {"engine": run.ref.engine, "endpoint": run.ref.endpoint, "id": run.ref.id},
        "attempt": run.attempt,
        "tty": run.tty,
        "stdin": run.stdin,
        "wall": None if run.wall is None else run.begun + run.wall - time.monotonic(),
        "idle": run.idle,
        "grace": run.grace,
        "control": str(run.control),
        "line": line,
        "state": state,
        "attendance": run.held.attendance.fileno(),
        "unfed": unfed.hex(),
        "piped": piped,
        "keeps_input": keeps_input,
        "secrets": _of(run.redacting),
    }
    run.held.store.note("detached", run.held.session)
    spawn("supervise", left, passed).returncode = 0  # it outlives us; nobody here waits for it
    if piped is not None:
        os.close(piped)
    run.recorder.close()
    run.output.close()
    run.held.close()


def spawn(module: str, left: Mapping[str, Any], passed: Sequence[int] = ()) -> Popen[bytes]:
    """Start a process of its own, which runs `main` of a module of this room on what is left."""
    import subprocess  # noqa: PLC0415 - the supervisor itself starts nothing

    letter = os.memfd_create("outrig")
    os.write(letter, json.dumps(left).encode())
    os.lseek(letter, 0, os.SEEK_SET)
    root = str(Path(__file__).resolve().parents[2])
    nowhere = subprocess.DEVNULL
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-c", PROGRAM.format(module), root, str(letter)],
            pass_fds=(*passed, letter),
            stdin=nowhere,
            stdout=nowhere,
            stderr=nowhere,
            cwd="/",
            start_new_session=True,
        )
    finally:
        os.close(letter)


def main(letter: int) -> None:
    """What the new process runs."""
    with os.fdopen(letter) as file:
        left = json.load(file)
    run = _taken_over(left)
    follow(run, _console(left), unfed=bytes.fromhex(left["unfed"]))
    run.held.close()


def _taken_over(left: Mapping[str, Any]) -> Launched:
    store = SessionStore(Path(left["root"]), heard=hooks.of_user(os.environ))
    directory = store.target(left["id"]) or store.directory(left["id"])
    held = Held(store, store.load(left["id"]), directory, Attendance(left["attendance"]))
    ref = Ref(**left["ref"])
    engine = connect(
        ref.endpoint,
        env=os.environ,
        home=places.home(os.environ),
        cache=places.cache(os.environ),
        slots=places.slots(os.environ),
    )
    return Launched(
        engine=engine,
        held=held,
        ref=ref,
        attempt=left["attempt"],
        tty=left["tty"],
        stdin=left["stdin"],
        output=engine.adopt(ref, left["line"], left["state"], tty=left["tty"]),
        recorder=Recorder(
            directory,
            tty=left["tty"],
            started=datetime.now(UTC),
            most=held.session.log_bytes,
            dropped=held.session.dropped,
        ),
        begun=time.monotonic(),
        wall=left["wall"],
        idle=left["idle"],
        grace=left["grace"],
        control=Path(left["control"]),
        redacting=_redacting(left["secrets"]),
    )


def _of(redacting: Redacting | None) -> Mapping[str, Any] | None:
    """What must not be said aloud, for the letter: that is memory, and ours."""
    if redacting is None:
        return None
    return {"values": redacting.redaction.values, "states": redacting.states}


def _redacting(said: Mapping[str, Any] | None) -> Redacting | None:
    return Redacting(Redaction(said["values"]), said["states"]) if said else None


def _console(left: Mapping[str, Any]) -> Silent:
    return Silent(left["piped"], keeps_input=left["keeps_input"])
