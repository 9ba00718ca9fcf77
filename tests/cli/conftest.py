"""The command line on the real engine, with a busybox image and without a network."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import termios
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from tests import images

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import docker

    from tests.cli.panes import Pane
    from tests.conftest import Finished, Home, Outrig

    T = TypeVar("T")

PATIENCE = 30  # seconds for what must happen


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """`outrig run` with an image and network none; what it recorded; what it is doing."""

    outrig: Outrig
    image: str
    root: Path
    env: Mapping[str, str]
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def options(self) -> tuple[str, ...]:
        return ("--image", self.image, "--network", "none")

    @property
    def work(self) -> Path:
        return self.outrig.cwd

    def __call__(self, *args: str | Path, env: Mapping[str, str] = {}, **how: Any) -> Finished:
        return self.outrig("run", *self.options, *args, env={**self.env, **env}, **how)

    def start(
        self, *args: str | Path, env: Mapping[str, str] = {}, **how: Any
    ) -> subprocess.Popen[bytes]:
        """Start it; what the test does not end is killed after it."""
        process = self.outrig.start("run", *self.options, *args, env={**self.env, **env}, **how)
        self.started.append(process)
        return process

    def sessions(self) -> list[Path]:
        found = self.root.iterdir() if self.root.exists() else ()
        return sorted(entry for entry in found if not entry.name.startswith("."))

    @property
    def session(self) -> Path:
        """The directory of the one session there is."""
        (found,) = self.sessions()
        return found

    def record(self) -> dict[str, Any]:
        """The record of the one session there is."""
        read: dict[str, Any] = json.loads((self.session / "session.json").read_bytes())
        return read

    def log(self, name: str) -> bytes:
        return (self.session / "logs" / name).read_bytes()

    def ending(self, done: Finished | int) -> tuple[int, str, str | None]:
        """Exit code of the process, status and reason; the record says the same code."""
        code = done if isinstance(done, int) else done.code
        record = self.record()
        assert record["exit_code"] == code, record
        assert record["ended_at"]
        mark = self.root / ".open" / record["id"]  # a supervisor takes it away a moment later
        until(lambda: not mark.exists(), "the mark of an unfinished session to go")
        return code, record["status"], record.get("reason")

    def until_status(self, status: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            if not self.sessions() or not (self.session / "session.json").exists():
                return None
            record = self.record()
            return record if record["status"] == status else None

        return until(look, f"a record that says {status}")

    def until_said(self, text: bytes, name: str = "stdout.log") -> None:
        def look() -> bool:
            path = self.session / "logs" / name
            return path.exists() and text in path.read_bytes()

        self.until_status("running")
        until(look, f"{text!r} in {name}")


def until(look: Callable[[], T | None], what: str) -> T:
    """What `look` finds, as soon as it finds something."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.02)
    pytest.fail(f"waited {PATIENCE} s in vain for {what}")


@pytest.fixture(scope="session")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was learned about the engine and its images, once for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run(outrig: Outrig, home: Home, busybox: str, learned: Path) -> Iterator[Run]:
    env = {"XDG_CACHE_HOME": str(learned)}
    made = Run(outrig=outrig, image=busybox, root=home.sessions, env=env)
    yield made
    for process in made.started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


@pytest.fixture(scope="session")
def echoing(engine_client: docker.DockerClient) -> str:
    """The busybox image with an ENTRYPOINT that prints its arguments, and a CMD."""
    program = images.static_busybox().read_bytes()
    changes = ['ENTRYPOINT ["echo", "entry"]', 'CMD ["command"]']
    root = images.busybox_root(program)
    return images.kept(engine_client, "busybox-echo", program, changes, lambda: _file(root))


def _file(data: bytes) -> Any:
    import io  # noqa: PLC0415 - only for the first test that needs the image

    return io.BytesIO(data)


class Screen:
    """A terminal of 24 rows and 80 columns, with outrig on it."""

    def __init__(self, run: Run | Outrig, *args: str) -> None:
        self.own, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (24, 80))
        self.before = termios.tcgetattr(theirs)
        self.theirs = theirs
        self.process = run.start(
            *args, start_new_session=True, stdin=theirs, stdout=theirs, stderr=theirs
        )
        self.said = b""
        os.set_blocking(self.own, False)

    def until(self, text: bytes) -> None:
        def look() -> bool:
            self.read()
            return text in self.said

        until(look, f"{text!r} on the terminal")

    def read(self) -> None:
        try:
            self.said += os.read(self.own, 65536)
        except BlockingIOError:
            return

    def type(self, keys: bytes) -> None:
        os.write(self.own, keys)

    def wait(self) -> int:
        def look() -> bool:
            self.read()
            return self.process.poll() is not None

        until(look, "its end")
        before = -1
        while len(self.said) != before:  # a terminal gives 4 KiB at a time
            before = len(self.said)
            self.read()
        return self.process.returncode

    def close(self) -> None:
        os.close(self.own)
        os.close(self.theirs)


@pytest.fixture
def screen(run: Run):
    made: list[Screen] = []

    def show(*args: str) -> Screen:
        made.append(Screen(run, *args))
        return made[-1]

    yield show
    for one in made:
        one.close()


@pytest.fixture
def pane(run: Run, home: Home) -> Iterator[Callable[[], Pane]]:
    """Terminals of tmux, with the environment of a test's command lines."""
    from tests.cli.panes import Pane  # noqa: PLC0415 - it stands on this module

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
