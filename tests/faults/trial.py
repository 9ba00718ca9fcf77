"""One fault at one point of one run, and whether everything is true afterwards.

An agent writes numbered lines on both streams and notes each in its workspace; it stops halfway
until it is told to go on, so that a fault strikes while it lives and everything said is known.

| fault            | what is done at the point                                                     |
|------------------|-------------------------------------------------------------------------------|
| none             | nothing                                                                       |
| sigkill          | SIGKILL for the process that is there                                         |
| docker-kill      | `docker kill` of the agent's container                                        |
| docker-rm        | `docker rm -f` of it                                                          |
| engine-killed    | SIGKILL for the daemon, which is started again while the run goes on          |
| engine-stopped   | the same with an orderly stop                                                 |
| disk-full        | the session root's disk is filled to the last byte                            |
| unwritable       | nothing can be made in the session root any more                              |
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from outrig.store.sessions import SessionStore
from tests.faults.daemon import IMAGE, Daemon, until
from tests.faults.disk import WITHOUT_OVERRIDE, Disk, open_again, shut
from tests.faults.points import ADDRESS, NAME, PHASES, Phase, Point

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

REPO = Path(__file__).resolve().parents[2]
Fault = Literal[
    "none",
    "sigkill",
    "docker-kill",
    "docker-rm",
    "engine-killed",
    "engine-stopped",
    "disk-full",
    "unwritable",
]
FAULTS: tuple[Fault, ...] = get_args(Fault)
AGENT = """
say() { echo "out $1"; echo "out $1" >>noted; echo "err $1" >&2; echo "err $1" >>noted; }
for one in 1 2 3 4 5; do say $one; sleep 0.03; done
: >ready
until [ -e go ]; do sleep 0.02; done
for one in 6 7 8 9 10; do say $one; done
exit 7
"""
LINES = 10
SETTLING = 0.2  # seconds in which an engine takes in what was written to it

NEVER_RAN = ("failed", "start-failed")
ITS_OWN = ("failed", "exit")
SIGNALLED = ("failed", "signal")
LOST = ("lost", "container-gone")
WITH_THE_ENGINE = ("failed", "engine-lost")
NO_RECORD = ("", "")

Ends = tuple[tuple[str, str], ...]


# How a session may end, by fault and phase; a phase that is absent cannot be struck so. Where two
# are named it depends on the moment: an engine that is starting the container when outrig is
# killed may start it or not, one that is dead is gone a moment later, and a disk that is full
# stops what has not begun and lets everything else go on.
_NEVER: Mapping[Phase, Ends] = dict.fromkeys(("planned", "made"), (NEVER_RAN,))
_RAN: Mapping[Phase, Ends] = dict.fromkeys(("runs", "over", "told"), (ITS_OWN,))
_EITHER: Mapping[Phase, Ends] = {"starting": (ITS_OWN, NEVER_RAN)}
_WITHOUT: Mapping[Phase, Ends] = {
    "nothing": (NEVER_RAN,),
    "starting": (NEVER_RAN, WITH_THE_ENGINE),
    "runs": (WITH_THE_ENGINE,),
    "over": (ITS_OWN, WITH_THE_ENGINE),  # it may die before it has heard of the end
}
EXPECTED: Mapping[Fault, Mapping[Phase, Ends]] = {
    "none": dict.fromkeys(PHASES, (ITS_OWN,)),
    "sigkill": {**_NEVER, **_RAN, **_EITHER, "nothing": (NO_RECORD,)},
    "docker-kill": {"runs": (SIGNALLED,)},
    "docker-rm": {"made": (NEVER_RAN,), "runs": (LOST, SIGNALLED), "over": (ITS_OWN, LOST)},
    "engine-killed": {**_NEVER, **_RAN, **_WITHOUT},
    "engine-stopped": {**_NEVER, **_RAN, **_WITHOUT},
    "disk-full": {**dict.fromkeys(PHASES, (ITS_OWN, NEVER_RAN)), **_RAN},
    "unwritable": {**_NEVER, **_RAN, **_EITHER, "nothing": (NO_RECORD,)},
}


def expected(point: Point, fault: Fault) -> Ends:
    """Nothing where the fault cannot strike.

    What nobody wrote down is lost with its container, and waits for a disk that has room.
    """
    if point.mends and fault in ("docker-rm", "disk-full"):
        return ()
    return EXPECTED[fault].get(point.phase, ())


@dataclass(frozen=True, slots=True)
class Result:
    """`wrong`: what is not as it must be, in words; empty when all is."""

    point: str
    fault: str
    ending: str
    wrong: tuple[str, ...]
    seconds: float


class Trial:
    def __init__(
        self, point: Point, fault: Fault, *, daemon: Daemon, disk: Disk, top: Path
    ) -> None:
        self._point, self._fault = point, fault
        self._daemon, self._disk = daemon, disk
        self._top = top
        self._root = disk.place / "root"
        self._work = top / "work"
        self._wrong: list[str] = []

    def run(self) -> Result:
        began = time.monotonic()
        try:
            ending = self._struck()
        except (AssertionError, TimeoutError, subprocess.TimeoutExpired) as error:
            self._wrong.append(str(error))
            ending = "?"
        return Result(
            point=self._point.name,
            fault=self._fault,
            ending=ending,
            wrong=tuple(self._wrong),
            seconds=time.monotonic() - began,
        )

    # ------------------------------------------------------------------ what happens
    def _struck(self) -> str:
        self._work.mkdir(parents=True)
        run = (
            "run",
            "--image",
            IMAGE,
            "--network",
            "none",
            *(("-d",) if self._point.detached else ()),
        )
        if self._point.mends:
            with self._held("kept", *run, "sh", "-c", AGENT) as (_, pid, _):
                os.kill(pid, signal.SIGKILL)
        if self._point.phase in ("over", "told"):
            self._tell_agent()
        if self._point.mends:
            until(lambda: not self._daemon.agents("status=running"), "the end of the agent")
        words = ("ls", "--json") if self._point.mends else (*run, "sh", "-c", AGENT)
        with self._held(self._point.name, *words) as (held, pid, process):
            self._strike_and_go_on(held, pid, process)
        return self._judged(process.returncode)

    @contextlib.contextmanager
    def _held(
        self, point: str, *words: str
    ) -> Iterator[tuple[socket.socket, int, subprocess.Popen[bytes]]]:
        """outrig, waiting at a point."""
        address = self._top / point
        with socket.socket(socket.AF_UNIX) as listener, (self._top / "said").open("wb") as said:
            listener.bind(str(address))
            listener.listen()
            listener.settimeout(1)
            process = self._started(words, said, {NAME: point, ADDRESS: str(address)})
            try:
                held, pid = self._at_point(listener, process)
                with held:
                    yield held, pid, process
            finally:
                process.kill()
                process.wait()

    def _started(
        self, words: Sequence[str], said: Any, where: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        ours = WITHOUT_OVERRIDE if self._fault == "unwritable" else ()
        program = (*ours, sys.executable, "-P", "-m", "tests.faults.driver")
        return subprocess.Popen(
            [*program, words[0], "--session-root", self._root, *words[1:]],
            cwd=self._work,
            env={**self._environment(), **where},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )

    def _environment(self) -> Mapping[str, str]:
        run = self._top / "run"
        run.mkdir(mode=0o700, exist_ok=True)
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(REPO),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(self._top),
            "XDG_RUNTIME_DIR": str(run),
            "XDG_CACHE_HOME": str(self._disk.place.parent / "cache"),  # learned once for all
            "DOCKER_HOST": self._daemon.endpoint,
        }

    def _at_point(
        self, listener: socket.socket, process: subprocess.Popen[bytes]
    ) -> tuple[socket.socket, int]:
        for _ in range(60):
            try:
                held, _ = listener.accept()
            except TimeoutError:
                code = process.poll()
                ended = code is not None and not (self._point.detached and code == 0)
                assert not ended, f"never came to {self._point.name}: {self._said()}"
            else:
                return held, int(held.recv(32))
        raise TimeoutError(f"never came to {self._point.name}: {self._said()}")

    def _said(self) -> str:
        return (self._top / "said").read_text(errors="replace")[-1500:]

    def _tell_agent(self) -> None:
        (self._work / "go").touch()

    def _strike_and_go_on(
        self, held: socket.socket, pid: int, process: subprocess.Popen[bytes]
    ) -> None:
        if self._point.phase == "runs":
            until((self._work / "ready").exists, "the agent's first half")
            time.sleep(SETTLING)
        self._known = self._noted()
        self._strike(pid)
        if self._fault != "sigkill":
            held.sendall(b"!")
        if self._fault.startswith("engine-"):
            time.sleep(SETTLING)
            self._daemon.start()
        self._tell_agent()
        process.wait(60)
        until(lambda: not _lives(pid), "the end of who was at the point")
        if self._point.phase == "starting":
            time.sleep(5 * SETTLING)  # the engine may start it yet
        until(lambda: not self._daemon.agents("status=running"), "the end of the agent")
        store = SessionStore(self._root)
        until(lambda: not any(map(store.attended, store.ids())), "the end of the supervisor")

    def _strike(self, pid: int) -> None:
        match self._fault:
            case "sigkill":
                os.kill(pid, signal.SIGKILL)
            case "docker-kill":
                self._daemon("kill", *self._daemon.agents())
            case "docker-rm":
                self._daemon("rm", "-f", *self._daemon.agents())
            case "engine-killed":
                self._daemon.kill()
            case "engine-stopped":
                self._daemon.stop()
            case "disk-full":
                self._disk.fill()
            case "unwritable":
                shut(self._root)
            case "none":
                pass

    # ------------------------------------------------------------------ what is true then
    def _judged(self, code: int) -> str:
        if self._fault == "unwritable":
            self._outrig("ls", "--json")  # it knows less, and still answers
            open_again(self._root)
        listed = json.loads(self._outrig("ls", "--json"))
        if self._fault == "disk-full":
            self._disk.empty()
        record = listed[0] if listed else {}
        ending = (record.get("status", ""), record.get("reason", ""))
        wanted = expected(self._point, self._fault)
        self._check(ending in wanted, f"ended {ending}, expected {wanted}: {self._said()}")
        if record:
            self._check_record(record, code)
            self._check_logs(record)
        self._check_engine()
        return "/".join(filter(None, ending)) or "no record"

    def _check_record(self, record: Mapping[str, Any], code: int) -> None:
        on_disk = json.loads((self._root / record["id"] / "session.json").read_bytes())
        self._check(on_disk["status"] == record["status"], "ls and session.json disagree")
        self._check(bool(on_disk.get("ended_at")), "no ended_at")
        self._check(not (self._root / ".open" / record["id"]).exists(), "still called open")
        self._check(
            not (self._root / record["id"] / ".reserve").exists(), "its reserve is still there"
        )
        elsewhere = self._point.detached or self._point.mends
        own = self._fault not in ("sigkill", "unwritable") and not elsewhere
        if own and record["status"] != "lost":
            said = on_disk.get("exit_code")
            self._check(said == code, f"exit code {code}, the record says {said}")
        if (record.get("status"), record.get("reason")) == ITS_OWN:
            self._check(on_disk["agent_exit_code"] == 7, "the agent's own code is not 7")

    def _check_logs(self, record: Mapping[str, Any]) -> None:
        """Whole lines once and in order; all that was noted, or the record says what is missing."""
        through = (record.get("status"), record.get("reason")) == ITS_OWN
        noted = self._noted() if through else self._known
        doubted = bool(record.get("logs_incomplete"))
        self._check(not doubted or self._fault == "disk-full", f"logs: {record}")
        for stream, word in (("stdout", "out"), ("stderr", "err")):
            path = self._root / record["id"] / "logs" / f"{stream}.log"
            found = path.read_bytes().decode() if path.exists() else ""
            whole = "".join(f"{word} {number}\n" for number in range(1, LINES + 1))
            self._check(whole.startswith(found), f"{stream}.log is not what was said: {found!r}")
            mine = [line for line in noted if line.startswith(word)]
            lacking = len(mine) - found.count("\n")
            missing = lacking > 0 and not doubted
            self._check(not missing, f"{stream}.log lacks {lacking} of {len(mine)} lines")

    def _noted(self) -> Collection[str]:
        path = self._work / "noted"
        return path.read_text().splitlines() if path.exists() else []

    def _check_engine(self) -> None:
        left = self._daemon.labelled()
        named = self._outrig("clean", "--dry-run") if left else ""
        for kind, one in left:
            self._check(one in named, f"{kind} {one} is left, and clean does not name it")

    def _check(self, fine: bool, words: str) -> None:  # noqa: FBT001 - what is asserted
        if not fine:
            self._wrong.append(words)

    def _outrig(self, *args: str) -> str:
        ours = WITHOUT_OVERRIDE if self._fault == "unwritable" else ()
        done = subprocess.run(
            [*ours, sys.executable, "-P", "-m", "outrig", *args, "--session-root", self._root],
            env=self._environment(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"outrig {' '.join(args)}: {done.stderr.decode()}"
        return done.stdout.decode()


def _lives(pid: int) -> bool:
    """Whether a process that may not be our child is there and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
