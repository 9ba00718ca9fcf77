"""`outrig build` as a user meets it: a live log, tags on stdout, no tag after a failure."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
from typing import IO, TYPE_CHECKING

import docker
import pytest

from outrig.cli.progress import Progress
from tests.cli.conftest import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Outrig

NAME = "test-cli-build"


@pytest.fixture
def tags(engine_client: docker.DockerClient) -> Iterator[Callable[[], list[str]]]:
    """The tags that builds of this test have made; they are gone after it."""

    def look() -> list[str]:
        made = engine_client.images.list(f"outrig/{NAME}*")
        return sorted(tag for one in made for tag in one.tags if tag.startswith(f"outrig/{NAME}"))

    yield look
    for tag in look():
        engine_client.images.remove(tag, force=True)
    until(lambda: swept(engine_client), "the removal of what the builds left")


def swept(engine_client: docker.DockerClient) -> bool:
    """Remove untagged leavings; false while the engine still ends a step that was broken off."""
    for one in engine_client.images.list(filters={"label": NAME, "dangling": True}):
        try:
            engine_client.images.remove(str(one.id))
        except docker.errors.APIError:
            return False
    return True


@pytest.fixture
def dockerfile(outrig: Outrig, busybox: str) -> Callable[[str], Path]:
    """Configures the image in the repository, FROM busybox and with these lines; approves it."""

    def write(lines: str) -> Path:
        (outrig.cwd / ".agents/outrig").mkdir(parents=True, exist_ok=True)
        (outrig.cwd / ".agents/outrig/config.toml").write_text(
            f'[images.{NAME}]\ndockerfile = "dev/Dockerfile"\n'
        )
        (outrig.cwd / "dev").mkdir(exist_ok=True)
        path = outrig.cwd / "dev/Dockerfile"
        path.write_text(f"FROM {busybox}\nLABEL {NAME}=1\n{lines}")
        outrig("trust", "-y").ok()
        return path

    return write


@pytest.mark.docker
def test_a_build_is_logged_live_and_its_tag_is_the_output(outrig, dockerfile, tags):
    dockerfile("RUN echo said so\n")
    done = outrig("build", NAME, "--no-cache").ok()
    assert re.fullmatch(rf"outrig/{NAME}:[0-9a-f]{{16}}\n", done.out)
    assert "\nsaid so\n" in done.err
    assert "\x1b" not in done.err
    assert tags() == [done.out.strip()]


@pytest.mark.docker
def test_what_is_there_is_not_built_again_unless_asked(outrig, dockerfile, tags):
    dockerfile("RUN echo said so\n")
    first = outrig("build", NAME).ok()
    again = outrig("build", NAME).ok()
    assert again.out == first.out
    assert again.err == f"[outrig] image {NAME} is there: {first.out}"
    assert "said so" in outrig("build", NAME, "--no-cache").ok().err
    assert tags() == [first.out.strip()]


@pytest.mark.docker
def test_a_build_argument_makes_another_image(outrig, dockerfile, tags):
    dockerfile("ARG WORD=plain\nRUN echo said $WORD\n")
    plain = outrig("build", NAME).ok()
    other = outrig("build", NAME, "--build-arg", "WORD=loud").ok()
    assert "said loud" in other.err
    assert tags() == sorted([plain.out.strip(), other.out.strip()])


@pytest.mark.docker
def test_a_session_uses_what_was_built_and_builds_what_was_not(outrig, dockerfile, tags):
    path = dockerfile("RUN echo one > /made\n")
    outrig("build", NAME).ok()
    options = ("--network", "none", "--image", NAME)
    run = outrig("run", *options, "--", "cat", "/made").ok()
    assert run.out == "one\n"
    assert "building" not in run.err
    path.write_text(path.read_text() + "RUN echo two > /made\n")
    outrig("trust", "-y").ok()
    run = outrig("run", *options, "--", "cat", "/made").ok()
    assert run.out == "two\n"
    assert f"building the image {NAME}" in run.err
    assert "Step 4/4" in run.err
    assert len(tags()) == 2


@pytest.mark.docker
def test_a_session_whose_image_fails_to_build_says_so(outrig, dockerfile, tags, session_root):
    dockerfile("RUN echo it broke; exit 3\n")
    done = outrig("run", "--network", "none", "--image", NAME, "--", "true")
    assert done.code == 125
    assert "returned a non-zero code: 3" in done.err
    (log,) = session_root.glob("*/logs/build.log")
    assert "it broke\n" in log.read_text()
    assert '"build-failed"' in (log.parents[1] / "session.json").read_text()
    assert tags() == []


@pytest.mark.docker
def test_a_failed_build_is_exit_1_with_the_engines_words(outrig, dockerfile, tags):
    dockerfile("RUN echo it broke; exit 3\n")
    done = outrig("build", NAME)
    assert (done.code, done.out) == (1, "")
    assert "it broke" in done.err
    assert f"error: outrig/{NAME}:" in done.err
    assert tags() == []


@pytest.mark.docker
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_build_leaves_no_tag(outrig, dockerfile, tags, tmp_path, number):
    dockerfile("RUN echo waiting; sleep 600\n")
    with (tmp_path / "err").open("wb") as err:
        process = outrig.start("build", NAME, stderr=err)
    try:
        until(lambda: b"\nwaiting\n" in (tmp_path / "err").read_bytes(), "the step")
        process.send_signal(number)
        assert process.wait(30) == 128 + number
    finally:
        process.kill()
        process.communicate()
    assert b"Traceback" not in (tmp_path / "err").read_bytes()
    assert tags() == []


@pytest.mark.docker
@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        ((), 2, "which image? There are aider, base, claude, "),
        (("host",), 2, "this machine's own /usr"),
        (("claud",), 1, "hint: outrig build claude"),
        (("base", "--all"), 2, "--all and names exclude each other"),
        (("base", "--build-arg", "X"), 2, '"X" is not NAME=VALUE'),
        (("base", "--build-arg", "X=1"), 2, "no Dockerfile of these images declares it"),
        ((NAME, "--bootstrap"), 2, "none of these stands on it"),
    ],
    ids=["nothing", "host", "typing", "all", "argument", "undeclared", "bootstrap"],
)
def test_what_makes_no_sense_is_refused(outrig, dockerfile, args, code, words):
    dockerfile("")
    done = outrig("build", *args)
    assert (done.code, done.out) == (code, "")
    assert words in done.err


@pytest.mark.docker
def test_a_base_that_cannot_be_pulled_names_the_way_without_a_registry(outrig):
    done = outrig("build", "base", "--build-arg", "FROM=localhost:1/none:1")
    assert done.code == 1
    assert "cannot be pulled" in done.err
    assert re.search(r"^hint: (sudo )?outrig build base --bootstrap", done.err, re.MULTILINE)


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.skipif(os.geteuid() != 0, reason="packages are unpacked as root")
def test_base_is_made_of_packages_and_is_a_hit_from_then_on(outrig):
    made = outrig("build", "base", "--bootstrap", "--no-cache", timeout=350).ok()
    assert "mmdebstrap makes" in made.err
    assert outrig("build", "base").ok().err == f"[outrig] image base is there: {made.out}"
    tools = "git curl python3 jq rg less ps make gcc"
    script = f"for tool in {tools}; do command -v $tool || exit 1; done"
    options = ("--network", "none", "--image", "base")
    assert len(outrig("run", *options, "--", "sh", "-c", script).ok().out.split()) == 9


def test_without_an_engine_it_says_so(outrig):
    done = outrig("build", "base")
    assert (done.code, done.out) == (1, "")
    assert "hint: outrig doctor" in done.err


def everything(terminal: IO[bytes]) -> bytes:
    """What a terminal has shown, which comes in pieces; at its end a read fails with EIO."""
    shown = b""
    with contextlib.suppress(OSError):
        while piece := terminal.read(10_000):
            shown += piece
    return shown


def test_on_a_terminal_a_last_line_says_how_far_it_is(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        with os.fdopen(theirs, "wb"), Progress(theirs) as progress:
            log = progress.log("dev")
            log("Step 1/2 : FROM \x1b[2Jx")
            log("10.0 of 20.0 MB")
            log("plain")
        shown = everything(terminal).decode().replace("\r\n", "\n")
    erase = "\r\x1b[K"
    assert shown == (
        f"{erase}Step 1/2 : FROM x\ndev: Step 1/2 : FROM x"
        f"{erase}dev: 10.0 of 20.0 MB"
        f"{erase}plain\ndev: 10.0 of 20.0 MB"
        f"{erase}"
    )


def test_into_a_file_it_is_plain_lines(tmp_path):
    with (tmp_path / "err").open("wb") as err, Progress(err.fileno()) as progress:
        progress.notice("begins")
        progress.log("dev")("10.0 of 20.0 MB")
        progress.log("dev")("a\x1b[1Gb")
        progress.done()
    assert (tmp_path / "err").read_text() == "[outrig] begins\n10.0 of 20.0 MB\nab\n"
