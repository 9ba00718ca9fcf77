"""Images made ready in order, once, and never under a tag that lies."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from outrig.core.cascade import BUILTIN_IMAGES
from outrig.core.config import ImageConfig
from outrig.engine import bootstrap as packages
from outrig.engine import connect
from outrig.errors import BaseImageError, BuildError
from outrig.runner.build import bootstrap, ensure, make
from outrig.runner.recipe import Catalogue, recipes
from tests.fakes import FakeEngine, Script

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import docker


KNOWN = Catalogue(images=BUILTIN_IMAGES, confined={}, env=os.environ)


def unreachable() -> FakeEngine:
    """No registry answers."""
    return FakeEngine(Script(refuses_build=BaseImageError("cannot be pulled")))


@pytest.fixture
def said() -> list[str]:
    return []


def test_what_it_stands_on_is_built_first(said: list[str]) -> None:
    engine, log = FakeEngine(), list[str]()
    base, mini = recipes("mini", KNOWN)
    image = ensure(engine, "mini", KNOWN, show=said.append, log=log.append)
    assert image.reference == mini.reference
    assert engine.built == [(base.reference, {}), (mini.reference, {"BASE": base.reference})]
    assert [line.split()[:4] for line in said] == [
        ["building", "the", "image", name] for name in ("base", "mini")
    ]
    assert log == [f"built {one.reference} of Dockerfile" for one in (base, mini)]


def test_a_hit_makes_no_build_call_and_says_nothing(said: list[str]) -> None:
    engine = FakeEngine()
    first = ensure(engine, "mini", KNOWN, show=said.append, log=said.append)
    said.clear()
    engine.built.clear()
    assert ensure(engine, "mini", KNOWN, show=said.append, log=said.append) == first
    assert (engine.built, said) == ([], [])


def test_only_the_image_itself_is_built_again_without_cache(said: list[str]) -> None:
    engine = FakeEngine()
    chain = recipes("mini", KNOWN)
    make(engine, chain, show=said.append, log=said.append)
    engine.built.clear()
    make(engine, chain, show=said.append, log=said.append, no_cache=True)
    assert [tag for tag, _ in engine.built] == [chain[-1].reference]


def test_an_image_with_a_name_is_pulled(said: list[str]) -> None:
    images = {"x": ImageConfig(image_name="debian:12")}
    known = Catalogue(images=images, confined={}, env={})
    image = ensure(FakeEngine(), "x", known, show=said.append, log=said.append)
    assert image.reference == "debian:12"
    assert said == ["pulling debian:12", "pulled debian:12"]


def test_where_base_cannot_be_pulled_bootstrap_is_named(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(BaseImageError, match="cannot be pulled") as caught:
        ensure(unreachable(), "claude", KNOWN, show=said.append, log=said.append)
    assert (caught.value.hint or "").startswith("sudo outrig build base --bootstrap  #")


def test_where_another_base_cannot_be_pulled_it_can_be_loaded(
    said: list[str], tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian\nCOPY x /\n")
    images = {"x": ImageConfig(context=str(tmp_path)), "base": ImageConfig(context=str(tmp_path))}
    known = Catalogue(images=images, confined={}, env=os.environ)
    for name in images:
        with pytest.raises(BaseImageError) as caught:
            ensure(unreachable(), name, known, show=said.append, log=said.append)
        assert "docker load" in (caught.value.hint or "")


def test_a_bootstrapped_base_has_the_tag_that_its_build_would_have(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Sequence[str]] = []

    def archive(names: Sequence[str], **_: object) -> Iterable[bytes]:
        asked.append(names)
        return iter([b"tar"])

    monkeypatch.setattr(packages, "check", lambda: None)
    monkeypatch.setattr(packages, "archive", archive)
    engine = FakeEngine()
    (base,) = recipes("base", KNOWN)
    bootstrap(engine, base, env={}, show=said.append, log=said.append)
    image = ensure(engine, "base", KNOWN, show=said.append, log=said.append)
    assert image.reference == base.reference
    assert engine.built == []
    assert "git" in asked[0]
    assert 'CMD ["bash"]' in engine.changes


def test_what_is_pulled_cannot_be_bootstrapped(said: list[str]) -> None:
    known = Catalogue(images={"base": ImageConfig(image_name="debian")}, confined={}, env={})
    (base,) = recipes("base", known)
    with pytest.raises(BuildError, match="it has no Dockerfile"):
        bootstrap(FakeEngine(), base, env={}, show=said.append, log=said.append)


# ---------------------------------------------------------------- on a real engine


@pytest.mark.docker
def test_a_chain_is_built_for_real_and_found_again(
    tmp_path: Path, engine_client: docker.DockerClient, busybox: str, said: list[str]
) -> None:
    for name, text in {
        "below": f"FROM {busybox}\nRUN echo below > /below\n",
        "above": "ARG BASE\nFROM ${BASE}\nCOPY file /file\nRUN cat /below /file\n",
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text(text)
    (tmp_path / "above/file").write_text("content\n")
    images = {
        "test-below": ImageConfig(context=str(tmp_path / "below")),
        "test-above": ImageConfig(
            context=str(tmp_path / "above"), build_args={"BASE": "test-below"}
        ),
    }
    known = Catalogue(images=images, confined={}, env=os.environ)
    engine = connect(
        None, env=os.environ, home=tmp_path, cache=tmp_path / "cache", slots=tmp_path / "slots"
    )
    log: list[str] = []
    try:
        image = ensure(engine, "test-above", known, show=said.append, log=log.append)
        assert {"below", "content"} <= set(log)
        log.clear()
        assert ensure(engine, "test-above", known, show=said.append, log=log.append) == image
        assert log == []
    finally:
        for recipe in reversed(recipes("test-above", known)):
            if engine.image(recipe.reference):
                engine_client.images.remove(recipe.reference, force=True)
        engine.close()
