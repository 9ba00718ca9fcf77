"""Ways out by the kernel: calls, files of /proc and /sys, keys, forks; the machine is as it was."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.docker, pytest.mark.timeout(180)]

TRIES = Path(__file__).with_name("kernel.py")
# What the profile of an engine or a kernel may leave open, and what is of the session itself: an
# init that it stops keeps it from ending by itself, as a program that sleeps would.
OF_THE_ENGINE = {
    "ptrace of init",
    "AF_ALG",
    "AF_VSOCK, to the hypervisor",
    "io_uring",
    "keys into the user's ring",
    "files by handle",
}
WATCHED = ("kernel/core_pattern", "net/ipv4/ip_forward", "kernel/hostname")


@pytest.fixture
def abstract() -> Iterator[tuple[str, socket.socket]]:
    name = f"outrig-red-{os.urandom(4).hex()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        listener.setblocking(False)  # noqa: FBT003 - its only form
        yield name, listener


def machine() -> dict[str, str]:
    return {name: (Path("/proc/sys") / name).read_text() for name in WATCHED}


def keys(mark: str) -> bool:
    """Whether a key of this name is in a ring that this process sees."""
    return mark in Path("/proc/keys").read_text()


def test_the_kernel_gives_nothing(run, tmp_path, abstract, tell):
    name, listener = abstract
    outside = tmp_path / "outside"
    outside.touch()
    mark = f"outrig-red-{os.urandom(4).hex()}"
    shutil.copy(TRIES, run.work / "kernel.py")
    before = machine()
    told = {"abstract": name, "outside": str(outside), "mark": mark, "sessions": str(run.root)}
    done = run("--image", "host", "/usr/bin/python3", "kernel.py", json.dumps(told)).ok()
    found = json.loads(done.out)
    for attack, outcome in found.items():
        tell(attack, outcome, outcome.startswith("no") or attack in OF_THE_ENGINE)
    if not found["AF_VSOCK, to the hypervisor"].startswith("no"):
        warned = run.outrig("doctor", env=run.env).out
        tell("AF_VSOCK is open", "doctor says so", "AF_VSOCK" in warned)
    tell("the machine's settings", "as they were", machine() == before)
    tell("keys seen outside", f"{keys(mark)}", not keys(mark))
    with pytest.raises(BlockingIOError):
        listener.accept()
    made = (run.work / "suid").lstat()
    tell("a setuid program left behind", f"of uid {made.st_uid}", made.st_uid == os.getuid())
    report = json.dumps(run.record()["workspace"].get("tamper"))
    tell("it is told of", report[:80], "suid" in report)


HOLD = """
import ctypes, os, time
libc = ctypes.CDLL(None)
if os.fork() == 0:
    print(libc.ptrace(0x4206, 1, None, None), libc.ptrace(0x4207, 1, None, None), flush=True)
    time.sleep(99)
time.sleep(1)
"""


def test_an_init_that_is_held_by_its_session_ends_at_the_limit(run, tell):
    """The agent has ended, and nobody hears of it: only killing ends that, and is told truly."""
    how = {"OUTRIG_RUN__GRACE": "1s"}
    argv = ("--image", "host", "--timeout", "4s", "/usr/bin/python3", "-c", HOLD)
    done = run(*argv, env=how)
    ending = run.ending(done)
    tell("init is stopped by ptrace", f"{done.out.strip()}: {ending}", ending[1] == "timeout")
