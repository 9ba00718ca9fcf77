"""A docker daemon of the harness's own, to be killed: its own directories, socket and network
namespace (two daemons in one fight over docker0), and an image made on the machine.

It stands on a containerd beside it, as where distributions install them: that one lives on.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests import images

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

IMAGE = "faults:latest"
PATIENCE = 60.0  # seconds; a machine may be busy
PAUSE = 0.02


class Daemon:
    """A context manager; what ran on it is gone in the end."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self.socket = top / "docker.sock"
        self._pidfile = top / "docker.pid"
        self._below = top / "containerd.sock"
        self._containerd: subprocess.Popen[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"unix://{self.socket}"

    def __enter__(self) -> Self:
        argv = ["containerd", "--address", str(self._below), "--root", str(self._top / "images")]
        self._containerd = self._run([*argv, "--state", str(self._top / "state")])
        until(self._below.exists, "containerd's socket")
        self.start()
        self("import", "-", IMAGE, stdin=images.busybox_root(images.static_busybox().read_bytes()))
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.remove_all()
            self.stop()
        finally:
            self._end_the_rest()

    def _end_the_rest(self) -> None:
        """By our directory, which nobody else's command line names, and what is mounted there."""
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if f"{self._top}/".encode() in process.read_bytes():
                    os.kill(int(process.parent.name), signal.SIGKILL)
        for one in (self._process, self._containerd):
            if one:
                one.wait()
        mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for place in reversed(mounted):
            if place.startswith(f"{self._top}/"):
                subprocess.run(["umount", "--lazy", place], check=False)

    def __call__(self, *args: str, stdin: bytes = b"") -> str:
        """The docker command line, which knows nothing of outrig."""
        done = subprocess.run(
            ["docker", "-H", self.endpoint, *args], input=stdin, capture_output=True, check=False
        )
        assert done.returncode == 0, f"docker {' '.join(args)}: {done.stderr.decode()}"
        return done.stdout.decode()

    # ------------------------------------------------------------------ its life
    def start(self) -> None:
        argv = ["unshare", "-n", "dockerd", "-H", self.endpoint, "--pidfile", str(self._pidfile)]
        argv += ["--data-root", str(self._top / "data"), "--exec-root", str(self._top / "exec")]
        argv += ["--bridge=none", "--iptables=false", "--shutdown-timeout=5"]
        self._process = self._run([*argv, "--containerd", str(self._below)])
        until(self._answers, "the daemon's answer")

    def _run(self, argv: list[str]) -> subprocess.Popen[bytes]:
        with (self._top / "daemons.log").open("ab") as log:
            return subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)

    def _answers(self) -> bool:
        asked = ["docker", "-H", self.endpoint, "version"]
        assert self._process
        assert self._process.poll() is None, (self._top / "daemons.log").read_text()[-2000:]
        return subprocess.run(asked, capture_output=True, check=False).returncode == 0

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        with contextlib.suppress(FileNotFoundError):
            self._pidfile.unlink()  # a pid that may be somebody else's by now

    def stop(self) -> None:
        self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        assert self._process
        os.kill(self._process.pid, number)  # unshare has become dockerd
        self._process.wait(PATIENCE)

    # ------------------------------------------------------------------ what is on it
    def labelled(self) -> list[tuple[str, str]]:
        """(kind, name) of everything that some outrig made."""
        mine = ("--filter", "label=org.outrig.root", "--format")
        found = [("container", one) for one in self("ps", "-a", *mine, "{{.Names}}").split()]
        found += [("network", one) for one in self("network", "ls", *mine, "{{.Name}}").split()]
        volumes = self("volume", "ls", *mine, "{{.Name}}").split()
        return found + [("volume", one) for one in volumes]

    def agents(self, *filters: str) -> Sequence[str]:
        chosen = [word for one in filters for word in ("--filter", one)]
        asked = ("--filter", "label=org.outrig.role=agent", *chosen)
        return self("ps", "-aq", "--no-trunc", *asked).split()

    def remove_all(self) -> None:
        containers = self("ps", "-aq").split()
        if containers:
            self("rm", "-f", *containers)


def until(look: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(PAUSE)
