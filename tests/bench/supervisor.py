"""What a supervisor takes of the memory while it looks after a session that was let go of.

python -m tests.bench.supervisor     target: at most 20 MB resident, of a quiet and a chatty one,
                                     also at its most, where it takes up one of very many lines
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.timing import OUTRIG, environment
from tests.bench.yardstick import yard

if TYPE_CHECKING:
    from tests.bench.yardstick import Yard

TARGET = 20.0  # MB, as 10**6 bytes
SECONDS = 3.0  # of output, which is dozens of megabytes
SESSIONS = {"quiet": "sleep 1000", "chatty": "yes what a build prints, in many words"}
TAKEN_UP = "sleep 1; yes | head -c 4000000; sleep 1; echo; sleep 1000"  # two million lines
PYTHON = (sys.executable, "-I", "-S", "-c", "input()")


def main() -> int:
    found = {}
    with yard() as here, tempfile.TemporaryDirectory() as compiled:
        env = environment(here.env, compiled)
        for _ in range(2):  # what is compiled first stays in the memory of who compiled it
            for name, command in SESSIONS.items():
                detached = here.outrig("sh", "-c", command, options=("-d",))
                session = _said(detached, env)
                try:
                    time.sleep(SECONDS)
                    found[name] = memory(supervisor(session))
                finally:
                    _said((*OUTRIG, "kill", session), env)
                    _said((*OUTRIG, "discard", "-y", session), env)
        found["taken up"], seconds = taken_up(here, env)
    show({"python alone": python_alone(), **found})
    sys.stdout.write(f"two million lines were taken up in {seconds:.1f} s\n")
    most = found["taken up"]["VmHWM"]
    return int(max(most, *(one["Rss"] for one in found.values())) > TARGET)


def taken_up(here: Yard, env: dict[str, str]) -> tuple[dict[str, float], float]:
    """A new supervisor's memory, and how long it was until it knew everything."""
    session = _said(here.outrig("sh", "-c", TAKEN_UP, options=("-d",)), env)
    try:
        time.sleep(SECONDS)  # it has heard some of it
        old = supervisor(session)
        os.kill(old, signal.SIGKILL)
        while Path(f"/proc/{old}").exists():
            time.sleep(0.1)
        time.sleep(SECONDS)
        began = time.monotonic()
        log = (*OUTRIG, "logs", "-f", session)
        with subprocess.Popen(log, env=env, stdout=subprocess.PIPE) as reader:
            assert reader.stdout
            left = 4_000_001
            while left:
                left -= len(reader.stdout.read(min(left, 1 << 20)))
            seconds = time.monotonic() - began
            reader.terminate()
        time.sleep(SECONDS)
        return memory(supervisor(session)), seconds
    finally:
        _said((*OUTRIG, "kill", session), env)
        _said((*OUTRIG, "discard", "-y", session), env)


def _said(command: tuple[str, ...], env: dict[str, str]) -> str:
    said = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, stdin=None)
    return said.stdout.decode().strip()


def supervisor(session: str) -> int:
    """The process that holds the session's attend lock."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            links = [os.readlink(one) for one in (process / "fd").iterdir()]
        except OSError:  # it has ended, or is another user's
            continue
        if any(one.endswith(f"/{session}.attend") for one in links):
            return int(process.name)
    raise ProcessLookupError(f"nobody looks after {session}")


def memory(process: int) -> dict[str, float]:
    """Megabytes: resident now and at most so far, and its share of what others have as well."""
    known = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
    known += Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    sizes = dict(re.findall(r"^(Rss|Pss|VmHWM):\s+(\d+) kB$", known, re.MULTILINE))
    return {name: int(size) * 1024 / 1e6 for name, size in sizes.items()}


def python_alone() -> dict[str, float]:
    with subprocess.Popen(PYTHON, stdin=subprocess.PIPE) as process:
        time.sleep(0.5)
        found = memory(process.pid)
        process.communicate(b"\n")
    return found


def show(found: dict[str, dict[str, float]]) -> None:
    for name, one in found.items():
        sys.stdout.write(
            f"{name:<13} {one['Rss']:5.1f} MB resident, {one['VmHWM']:5.1f} at most; "
            f"proportional share {one['Pss']:5.1f} MB\n"
        )


if __name__ == "__main__":
    sys.exit(main())
