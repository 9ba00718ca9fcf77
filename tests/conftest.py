"""What every test stands on: a home that is nobody's, and an engine only for those who ask.

A test without `@pytest.mark.docker` reaches no engine and no network, however its code tries.
the mark runs when `--docker` is given, and has left nothing on the engine when it ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from tests import images

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import docker

REPO = Path(__file__).resolve().parents[1]

# Settings of whoever starts the tests that change what outrig, git or a terminal library does.
FOREIGN = (
    "OUTRIG_",
    "GIT_",
    "XDG_",
    "PYTEST_ADDOPTS",
    "NO_COLOR",
    "FORCE_COLOR",
    "COLUMNS",
    "LINES",
)

# Machines are shared and noisy: how long an example takes proves nothing.
hypothesis.settings.register_profile("shared", deadline=None)
hypothesis.settings.load_profile("shared")


# A mark, and the option without which its tests are left out.
GATES = {
    "docker": ("--docker", "run the tests that need a live engine"),
    "slow": ("--slow", "run what takes too long for every day"),
}


def pytest_configure() -> None:
    """Whoever starts the tests may ignore signals (nohup, &), and their programs then would too."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def pytest_addoption(parser: pytest.Parser) -> None:
    for option, words in GATES.values():
        parser.addoption(option, action="store_true", help=words)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    shut = [mark for mark, (option, _) in GATES.items() if not config.getoption(option)]
    for item in items:
        if "debian" in getattr(item, "fixturenames", ()):  # whoever comes first makes the image
            item.add_marker(pytest.mark.timeout(300), append=False)
    unwanted = [item for item in items if any(map(item.get_closest_marker, shut))]
    config.hook.pytest_deselected(items=unwanted)
    items[:] = [item for item in items if item not in unwanted]


# ---------------------------------------------------------------- isolation


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The XDG map of one test. `run` is short, because a unix socket's path may have 107 bytes."""

    path: Path
    config: Path
    data: Path
    state: Path
    cache: Path
    run: Path

    @property
    def sessions(self) -> Path:
        return self.data / "outrig" / "sessions"

    def variables(self) -> dict[str, str]:
        return {
            "HOME": str(self.path),
            "XDG_CONFIG_HOME": str(self.config),
            "XDG_DATA_HOME": str(self.data),
            "XDG_STATE_HOME": str(self.state),
            "XDG_CACHE_HOME": str(self.cache),
            "XDG_RUNTIME_DIR": str(self.run),
        }


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    top = tmp_path_factory.mktemp("h")
    found = Home(
        path=top,
        config=top / ".config",
        data=top / ".local/share",
        state=top / ".local/state",
        cache=top / ".cache",
        run=top / "run",
    )
    found.run.mkdir(mode=0o700)
    return found


@pytest.fixture(autouse=True)
def isolated(
    request: pytest.FixtureRequest, home: Home, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """No setting of the user reaches a test, and no unit test reaches the world."""
    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        monkeypatch.delenv(name)
    for name, value in home.variables().items():
        monkeypatch.setenv(name, value)
    if request.node.get_closest_marker("docker") is None:
        for name in [name for name in os.environ if name.startswith("DOCKER_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{home.run}/no-engine.sock")
        wall_off(monkeypatch)
        yield
        return
    engine = request.getfixturevalue("engine_client")
    tmp_path = request.getfixturevalue("tmp_path")
    yield
    left = [line for top in (home.path, tmp_path) for line in leftovers(engine, top)]
    assert not left, f"left on the engine: {left}"


def wall_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sockets of this process reach temporary directories and loopback, and nothing else."""
    really: dict[str, Callable[..., Any]] = {
        name: getattr(socket.socket, name) for name in ("connect", "connect_ex")
    }

    def guarded(name: str) -> Callable[[socket.socket, Any], Any]:
        def connect(self: socket.socket, address: Any) -> Any:
            if not is_near(self.family, address):
                # Not an OSError: no code under test may take it for an engine that is down.
                pytest.fail(f"a unit test tried to connect to {address!r}")
            return really[name](self, address)

        return connect

    for name in really:
        monkeypatch.setattr(socket.socket, name, guarded(name))


def is_near(family: int, address: Any) -> bool:
    if family == socket.AF_UNIX:
        path = os.path.realpath(os.fsdecode(address))
        return path.startswith(os.path.realpath(tempfile.gettempdir()) + "/")
    return isinstance(address, tuple) and address[0] in {"127.0.0.1", "::1", "localhost"}


# ---------------------------------------------------------------- the command line


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a command of outrig ended: its exit code and the exact bytes it printed."""

    args: tuple[str, ...]
    code: int
    stdout: bytes
    stderr: bytes

    @property
    def out(self) -> str:
        return self.stdout.decode()

    @property
    def err(self) -> str:
        return self.stderr.decode()

    def ok(self) -> Finished:
        return self.failed(0)

    def failed(self, code: int) -> Finished:
        assert self.code == code, f"{self.args} exited with {self.code}\n{self.out}\n{self.err}"
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Outrig:
    """The command line as a process of its own, in the isolated home; `env` adds variables."""

    argv: tuple[str, ...]
    cwd: Path

    def __call__(
        self,
        *args: str | Path,
        stdin: bytes = b"",
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 50,
    ) -> Finished:
        done = subprocess.run(
            [*self.argv, *map(str, args)],
            input=stdin,
            cwd=cwd or self.cwd,
            env=self.environment(env),
            timeout=timeout,
            capture_output=True,
            check=False,
        )
        words = tuple(map(str, args))
        return Finished(args=words, code=done.returncode, stdout=done.stdout, stderr=done.stderr)

    def start(
        self,
        *args: str | Path,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        **how: Any,
    ) -> subprocess.Popen[bytes]:
        """Start it, with pipes unless told otherwise; the test ends what it starts."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen(
            [*self.argv, *map(str, args)],
            cwd=cwd or self.cwd,
            env=self.environment(env),
            **{**pipes, **how},
        )

    @staticmethod
    def environment(more: Mapping[str, str] | None) -> dict[str, str]:
        # The sources of this tree, installed or not; -P keeps a workspace from shadowing them.
        path = os.pathsep.join(filter(None, (str(REPO), os.environ.get("PYTHONPATH"))))
        return {**os.environ, "PYTHONPATH": path, **(more or {})}


@pytest.fixture
def outrig(tmp_path: Path) -> Outrig:
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    return Outrig(argv=(sys.executable, "-P", "-m", "outrig"), cwd=work)


@pytest.fixture
def session_root(home: Home) -> Path:
    """Where the sessions of this test's command lines are, unless it says otherwise."""
    return home.sessions


# ---------------------------------------------------------------- the engine


@pytest.fixture(scope="session")
def engine_client() -> Iterator[docker.DockerClient]:
    """The live engine by way of the SDK, for what a test wants to see with eyes other than ours."""
    import docker  # noqa: PLC0415 - 100 ms that unit tests need not pay

    client = docker.from_env(timeout=120)
    with contextlib.closing(client):
        client.ping()
        yield client


def leftovers(engine: docker.DockerClient, top: Path) -> list[str]:
    """Name what the sessions recorded below a directory left on the engine."""
    roots = {path.read_text().strip() for path in top.rglob(".root-id") if path.is_file()}
    found = []
    for root in roots - {""}:  # the lock of the same name is empty
        mine: dict[str, str | list[str] | bool] = {"label": f"org.outrig.root={root}"}
        # One that goes while it is being listed is gone.
        listed = engine.containers.list(all=True, filters=mine, ignore_removed=True)
        found += [f"container {one.name}" for one in listed]
        found += [f"network {one.name}" for one in engine.networks.list(filters=mine)]
        found += [f"volume {one.name}" for one in engine.volumes.list(filters=mine)]
    return found


@pytest.fixture(scope="session")
def busybox(engine_client: docker.DockerClient) -> str:
    """An image FROM scratch: a static busybox, and no /etc at all."""
    return images.busybox(engine_client)


@pytest.fixture(scope="session")
def busybox_user(engine_client: docker.DockerClient) -> str:
    """The same with `USER 1000`."""
    return images.busybox_user(engine_client)


@pytest.fixture(scope="session")
def debian(engine_client: docker.DockerClient) -> str:
    """A small Debian (or Ubuntu) with git and python3, made from the distribution's packages."""
    return images.debian(engine_client)
