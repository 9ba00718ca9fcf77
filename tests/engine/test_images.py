"""Images on a real engine: built, imported, listed; and what is left when a build does not end."""

from __future__ import annotations

import io
import os
import tarfile
import threading
from typing import TYPE_CHECKING

import pytest

from outrig.engine import connect
from outrig.engine.credentials import for_build, for_pull
from outrig.engine.pull import with_tag
from outrig.errors import BaseImageError, BuildError, EngineError, ImageMissingError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker

    from outrig.core.engine import Image
    from outrig.engine import Engine
    from tests.conftest import Home

TAG = "outrig/test-images:0123456789abcdef"


@pytest.fixture
def engine(tmp_path: Path, engine_client: docker.DockerClient) -> Iterator[Engine]:
    made = connect(
        None, env=os.environ, home=tmp_path, cache=tmp_path / "cache", slots=tmp_path / "slots"
    )
    yield made
    if made.image(TAG):
        engine_client.images.remove(TAG, force=True)
    untagged = {"label": "outrig-test-images", "dangling": True}
    for one in engine_client.images.list(filters=untagged):
        engine_client.images.remove(str(one.id))
    made.close()


def context(dockerfile: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(dockerfile)
        tar.addfile(entry, io.BytesIO(dockerfile.encode()))
    return packed.getvalue()


def built(engine: Engine, dockerfile: str, *, no_cache: bool = False, **args: str) -> Image:
    return engine.build(
        tag=TAG,
        context=[context(dockerfile)],
        dockerfile="Dockerfile",
        build_args=args,
        no_cache=no_cache,
        show=said.append,
    )


said: list[str] = []


@pytest.fixture(autouse=True)
def unsaid() -> None:
    said.clear()


@pytest.mark.docker
def test_a_build_is_tagged_logged_and_described(engine: Engine, busybox: str) -> None:
    image = built(
        engine,
        f'FROM {busybox}\nARG WORD=none\nRUN echo "said $WORD"\nENV A=b=c\nCMD ["x", "y"]\n',
        WORD="hello",
        no_cache=True,
    )
    assert image.reference == TAG
    assert (image.command, image.environment["A"]) == (("x", "y"), "b=c")
    assert "said hello" in said
    assert said[0].startswith("Step 1/5 : FROM")
    assert engine.image(TAG) == image
    assert TAG in {one.reference for one in engine.images()}


@pytest.mark.docker
def test_no_cache_runs_every_step_again(engine: Engine, busybox: str) -> None:
    dockerfile = (
        f"FROM {busybox}\nLABEL outrig-test-images=1\nRUN cat /proc/sys/kernel/random/uuid\n"
    )
    first = built(engine, dockerfile)
    assert built(engine, dockerfile).id == first.id
    assert built(engine, dockerfile, no_cache=True).id != first.id


@pytest.mark.docker
def test_a_failed_build_leaves_no_tag(engine: Engine, busybox: str) -> None:
    with pytest.raises(BuildError, match="returned a non-zero code: 7") as caught:
        built(engine, f"FROM {busybox}\nRUN echo no; exit 7\n")
    assert not isinstance(caught.value, BaseImageError)
    assert [line for line in said if line.endswith("no")]
    assert engine.image(TAG) is None


@pytest.mark.docker
def test_a_base_that_is_nowhere_is_told_from_a_failed_step(engine: Engine) -> None:
    with pytest.raises(BaseImageError, match=r"cannot be pulled .FROM localhost:1/no:1") as caught:
        built(engine, "FROM localhost:1/no:1\n")
    assert caught.value.reason == "build-failed"
    assert engine.image(TAG) is None


@pytest.mark.docker
@pytest.mark.parametrize(
    ("dockerfile", "words"), [("NONSENSE x\n", "NONSENSE"), ("", "empty"), ("FROM\n", "FROM")]
)
def test_a_dockerfile_that_is_none_is_refused(engine: Engine, dockerfile: str, words: str) -> None:
    with pytest.raises(BuildError, match=words):
        built(engine, dockerfile)


@pytest.mark.docker
def test_what_only_buildkit_can_says_how(engine: Engine, busybox: str) -> None:
    if engine.facts().version.partition(".")[0] != "20":
        pytest.skip("newer engines say it in other words")
    with pytest.raises(BuildError, match="requires BuildKit") as caught:
        built(engine, f"FROM {busybox}\nRUN --mount=type=cache,target=/x true\n")
    assert "docker buildx build" in (caught.value.hint or "")


@pytest.mark.docker
def test_a_context_that_breaks_off_builds_nothing(engine: Engine, busybox: str) -> None:
    def broken() -> Iterator[bytes]:
        yield context(f"FROM {busybox}\nRUN true\n")[:600]
        raise BuildError("changed while it was read")

    with pytest.raises(BuildError, match="changed while it was read"):
        engine.build(
            tag=TAG,
            context=broken(),
            dockerfile="Dockerfile",
            build_args={},
            no_cache=False,
            show=said.append,
        )
    assert engine.image(TAG) is None


@pytest.mark.docker
def test_a_build_that_is_broken_off_leaves_no_tag(
    engine: Engine, engine_client: docker.DockerClient, busybox: str
) -> None:
    """As Ctrl-C does: an exception out of `show`, and the connection is gone."""

    class Stop(Exception):  # noqa: N818 - it is a signal
        pass

    def show(line: str) -> None:
        if line == "waiting":
            raise Stop

    before = {one.id for one in engine_client.containers.list()}
    with pytest.raises(Stop):
        engine.build(
            tag=TAG,
            context=[context(f"FROM {busybox}\nRUN echo waiting; sleep 600\n")],
            dockerfile="Dockerfile",
            build_args={},
            no_cache=True,
            show=show,
        )
    gone = threading.Event()
    for _ in range(200):
        running = [one for one in engine_client.containers.list() if one.id not in before]
        if not [one for one in running if "sleep 600" in str(one.attrs["Args"])]:
            gone.set()
            break
        gone.wait(0.1)
    assert gone.is_set()
    assert engine.image(TAG) is None


@pytest.mark.docker
def test_an_import_is_tagged_only_when_whole(engine: Engine) -> None:
    def broken() -> Iterator[bytes]:
        yield context("x")[:600]
        raise BuildError("mmdebstrap failed")

    with pytest.raises(BuildError, match="mmdebstrap failed"):
        engine.import_image(TAG, broken(), [])
    assert engine.image(TAG) is None
    image = engine.import_image(TAG, iter([context("x")]), ['CMD ["a"]', "ENV B=c"])
    assert (image.command, image.environment["B"]) == (("a",), "c")


@pytest.mark.docker
def test_a_pull_that_cannot_be_says_why(engine: Engine) -> None:
    with pytest.raises(ImageMissingError, match=r"localhost:1/no:latest could not be pulled"):
        engine.pull("localhost:1/no", said.append)


@pytest.mark.parametrize(
    ("reference", "whole"),
    [
        ("debian", "debian:latest"),
        ("debian:12", "debian:12"),
        ("host:5000/a/b", "host:5000/a/b:latest"),
        ("host:5000/a/b:1", "host:5000/a/b:1"),
        ("debian@sha256:1", "debian@sha256:1"),
    ],
)
def test_one_tag_is_pulled_and_never_all(reference: str, whole: str) -> None:
    assert with_tag(reference) == whole


# ---------------------------------------------------------------- logins


def login(home: Home, text: str) -> None:
    (home.path / ".docker").mkdir()
    (home.path / ".docker/config.json").write_text(text)


def test_without_a_login_nothing_is_sent(home: Home) -> None:
    assert for_pull("example.test/a:1") == {}
    assert for_build(said.append) == {}


def test_a_login_goes_to_its_own_registry(home: Home) -> None:
    login(home, '{"auths": {"example.test": {"auth": "dTpw"}}}')
    assert set(for_pull("example.test/a:1")) == {"X-Registry-Auth"}
    assert for_pull("other.test/a:1") == {}
    assert set(for_build(said.append)) == {"X-Registry-Config"}


def test_a_credential_helper_that_is_missing_is_named(home: Home) -> None:
    login(home, '{"credHelpers": {"example.test": "no-such-helper"}}')
    with pytest.raises(EngineError, match="no-such-helper"):
        for_pull("example.test/a:1")
    assert for_build(said.append) == {}
    assert "no-such-helper" in said[0]
