"""The image of a run: which one it is, that it is said, and where its build is logged."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from outrig.core.layer import flag_layer
from outrig.core.request import Request
from outrig.core.streams import Terminal
from outrig.engine import host
from outrig.errors import BuildError, CommandNotFoundError, ImageMissingError
from outrig.runner.cancel import CancelledError, Never
from outrig.runner.image import ready
from outrig.runner.order import Sources, draw_up
from tests.fakes import IMAGE, FakeEngine, Script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outrig.engine import Engine
    from outrig.runner.cancel import Cancel
    from outrig.runner.image import Ready
    from outrig.runner.order import Order
    from tests.conftest import Home


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "session/logs").mkdir(parents=True)
    return tmp_path / "session"


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A directory of PATH that counts as part of the host image."""
    inside = tmp_path / "inside"
    inside.mkdir()

    def is_inside(path: str, host_paths: object) -> bool:
        del host_paths
        return Path(path).is_relative_to(inside)

    monkeypatch.setattr(host, "is_inside", is_inside)
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    monkeypatch.setenv("PATH", f"{inside}:{tmp_path}/outside")
    return inside


def put(directory: Path, name: str) -> None:
    directory.mkdir(exist_ok=True)
    (directory / name).write_text("#!/bin/sh\n")
    (directory / name).chmod(0o755)


def order(home: Home, config: str = "", **request: object) -> Order:
    (home.config / "outrig").mkdir(parents=True, exist_ok=True)
    (home.config / "outrig/config.toml").write_text(config)
    work = home.path / "work"
    work.mkdir(exist_ok=True)
    sources = Sources(env=os.environ, cwd=work, flags=flag_layer({}, str(work)))
    return draw_up(Request(**request), (), sources, Terminal())  # type: ignore[arg-type]


def made(
    engine: Engine, wanted: Order, directory: Path, said: list[str], cancel: Cancel | None = None
) -> Ready:
    return ready(engine, wanted, directory, cancel=cancel or Never(), show=said.append)


# ---------------------------------------------------------------- host


def test_a_plain_command_runs_on_the_host_image(
    home: Home, directory: Path, said: list[str], program: Path
) -> None:
    found = made(FakeEngine(), order(home, words=("true",)), directory, said)
    assert (found.image, found.name) == (IMAGE, "host")
    assert found.mounts
    assert found.path == f"{program}:{host.STANDARD_PATH}"
    assert said == ["image host: this machine's own /usr, read-only"]


def test_what_of_path_is_not_in_it_is_named_with_the_line_that_adds_it(
    home: Home, directory: Path, said: list[str], program: Path, tmp_path: Path
) -> None:
    put(tmp_path / "outside", "tool")
    wanted = order(home, f'host-paths = ["{program}"]', words=("true",))
    made(FakeEngine(), wanted, directory, said)
    line = f'host-paths = ["{program}", "{tmp_path}/outside"] in {home.config}/outrig/config.toml'
    assert said[1:] == [f"not in it, of your PATH: {tmp_path}/outside; to add them: {line}"]


def test_an_agent_whose_program_is_there_runs_there(
    home: Home, directory: Path, said: list[str], program: Path
) -> None:
    put(program, "mini")
    engine = FakeEngine()
    wanted = order(home, agent="mini", prompt="x", words=())
    assert made(engine, wanted, directory, said).name == "host"
    assert engine.built == []


@pytest.mark.usefixtures("program")
def test_an_agent_whose_program_is_not_gets_its_own_image(
    home: Home, directory: Path, said: list[str]
) -> None:
    engine = FakeEngine()
    found = made(engine, order(home, agent="mini", prompt="x"), directory, said)
    assert found.name == "mini"
    assert found.image.reference.startswith("outrig/mini:")
    assert (found.mounts, found.path) == ((), None)
    assert [tag.partition(":")[0] for tag, _ in engine.built] == ["outrig/base", "outrig/mini"]
    assert said[0] == "mini is not in the host image: the image mini is used"
    assert said[-1] == f"image mini: {found.image.reference}"
    log = (directory / "logs/build.log").read_text()
    assert f"built {found.image.reference} of Dockerfile\n" in log


AGENT = '[agents.own]\ncommand = ["own", "{prompt}"]\n'


@pytest.mark.usefixtures("program")
def test_an_agent_that_is_nowhere_is_an_error_with_the_next_step(
    home: Home, directory: Path, said: list[str]
) -> None:
    with pytest.raises(CommandNotFoundError, match="own, the program of agent own") as caught:
        made(FakeEngine(), order(home, AGENT, agent="own", prompt="x"), directory, said)
    assert "[agents.own] image" in (caught.value.hint or "")
    assert caught.value.run_exit_code == 127


@pytest.mark.usefixtures("program")
def test_an_agent_that_is_outside_of_the_host_image_is_told_how_to_get_in(
    home: Home, directory: Path, said: list[str], tmp_path: Path
) -> None:
    put(tmp_path / "outside", "own")
    with pytest.raises(CommandNotFoundError, match=f"is {tmp_path}/outside/own, outside") as caught:
        made(FakeEngine(), order(home, AGENT, agent="own", prompt="x"), directory, said)
    assert (caught.value.hint or "").startswith(f'host-paths = ["{tmp_path}/outside"] in ')


# ---------------------------------------------------------------- configured and local


def test_a_local_image_is_used_and_announced(home: Home, directory: Path, said: list[str]) -> None:
    wanted = order(home, image=IMAGE.reference, words=("true",))
    found = made(FakeEngine(), wanted, directory, said)
    assert (found.image, found.name) == (IMAGE, IMAGE.reference)
    assert said == [f"image {IMAGE.reference}"]


@pytest.mark.parametrize(
    ("reference", "hint"),
    [("nosuch:1", "docker pull nosuch:1, or outrig images for those there are"),
     ("claud", "--image claude, or outrig images")],
)  # fmt: skip
def test_a_local_image_that_is_missing_is_never_pulled(
    home: Home, directory: Path, said: list[str], reference: str, hint: str
) -> None:
    with pytest.raises(ImageMissingError, match=f"no image {reference}") as caught:
        made(FakeEngine(), order(home, image=reference, words=("true",)), directory, said)
    assert caught.value.hint == hint
    assert said == []


def test_a_configured_image_is_pulled_when_missing(
    home: Home, directory: Path, said: list[str]
) -> None:
    config = '[images.dev]\nimage-name = "debian:12"\n'
    wanted = order(home, config, image="dev", words=("true",))
    found = made(FakeEngine(), wanted, directory, said)
    assert (found.image.reference, found.name) == ("debian:12", "dev")
    assert said == ["pulling debian:12", "image dev: debian:12"]
    assert (directory / "logs/build.log").read_text() == "pulled debian:12\n"


class Logging(FakeEngine):
    """Says a line, then fails."""

    def fail(self, show: object) -> None:
        assert callable(show)
        show("Step 1/1 : FROM x")
        raise BuildError("the step failed")


def test_a_failed_build_names_its_log_and_shows_its_steps(
    home: Home, directory: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Logging()
    monkeypatch.setattr(engine, "build", lambda **how: engine.fail(how["show"]))
    with pytest.raises(BuildError, match="the step failed") as caught:
        made(engine, order(home, image="base", words=("true",)), directory, said)
    assert caught.value.hint == f"less {directory}/logs/build.log"
    assert said[-1] == "Step 1/1 : FROM x"


def test_a_failure_without_a_log_names_none(home: Home, directory: Path, said: list[str]) -> None:
    engine = FakeEngine(Script(refuses_build=BuildError("no")))
    with pytest.raises(BuildError) as caught:
        made(engine, order(home, image="base", words=("true",)), directory, said)
    assert caught.value.hint is None


@contextlib.contextmanager
def breaking(_: Cancel) -> Iterator[None]:
    """A signal comes as soon as something slow begins."""
    with contextlib.nullcontext():
        raise CancelledError(2)
    yield  # type: ignore[unreachable]


def test_a_build_can_be_broken_off(home: Home, directory: Path, said: list[str]) -> None:
    class Cancelled(Never):
        interruptible = breaking

    engine = FakeEngine()
    with pytest.raises(CancelledError):
        made(engine, order(home, image="base", words=("true",)), directory, said, Cancelled())
    assert engine.built == []
