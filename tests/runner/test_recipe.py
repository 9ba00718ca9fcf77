"""A configured image looked up: what it stands on, the tag that its content gives it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from outrig.core.approval import seal
from outrig.core.cascade import BUILTIN_IMAGES
from outrig.core.config import ImageConfig
from outrig.core.frozen import replace
from outrig.errors import BuildError, ConfigError
from outrig.runner.recipe import Catalogue, recipes, shipped

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def known(
    images: Mapping[str, ImageConfig],
    *,
    confined: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
    **arguments: str,
) -> Catalogue:
    return Catalogue(
        images={**BUILTIN_IMAGES, **images},
        confined=confined or {},
        env={**os.environ, **(env or {})},
        arguments=arguments,
    )


def image(folder: Path, text: str = "FROM scratch\n", **args: str) -> ImageConfig:
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text(text)
    return ImageConfig(context=str(folder), build_args=args)


def tag(name: str, catalogue: Catalogue) -> str:
    return recipes(name, catalogue)[-1].reference


def arguments(name: str, catalogue: Catalogue) -> Mapping[str, str]:
    build = recipes(name, catalogue)[-1].build
    assert build
    return build.arguments


STANDS = "ARG BASE\nFROM ${BASE}\n"


@pytest.mark.parametrize("name", ["claude", "codex", "gemini", "opencode", "aider", "mini"])
def test_a_built_in_agent_stands_on_base(name: str) -> None:
    base, agent = recipes(name, known({}))
    assert (base.name, agent.name) == ("base", name)
    assert arguments(name, known({})) == {"BASE": base.reference}


def test_built_in_images_have_their_dockerfile_and_nothing_else() -> None:
    (base,) = recipes("base", known({}))
    assert base.build
    assert [entry.path for entry in base.build.context.entries] == ["Dockerfile"]
    assert (shipped("base") / "Dockerfile").read_text() == base.build.dockerfile
    assert base.reference.startswith("outrig/base:")
    assert len(base.reference.partition(":")[2]) == 16


def test_a_tag_stays_and_changes_with_content_and_arguments(tmp_path: Path) -> None:
    first = tag("x", known({"x": image(tmp_path / "x")}))
    assert tag("x", known({"x": image(tmp_path / "x")})) == first
    assert tag("x", known({"x": image(tmp_path / "x", A="1")})) != first
    (tmp_path / "x/file").write_text("")
    assert tag("x", known({"x": image(tmp_path / "x")})) != first


def test_a_tag_changes_with_the_image_below(tmp_path: Path) -> None:
    images = {"x": image(tmp_path / "x", STANDS), "base": image(tmp_path / "base")}
    before = tag("x", known(images))
    (tmp_path / "base/Dockerfile").write_text("FROM scratch\nENV A=1\n")
    assert tag("x", known(images)) != before


def test_base_may_be_named_pulled_or_a_plain_reference(tmp_path: Path) -> None:
    images = {
        "x": image(tmp_path / "x", STANDS, BASE="y"),
        "y": image(tmp_path / "y", STANDS, BASE="z"),
        "z": ImageConfig(image_name="debian:12"),
        "w": image(tmp_path / "w", STANDS, BASE="debian:13"),
    }
    assert [one.name for one in recipes("x", known(images))] == ["z", "y", "x"]
    assert recipes("x", known(images))[0].build is None
    assert arguments("y", known(images)) == {"BASE": "debian:12"}
    assert [one.name for one in recipes("w", known(images))] == ["w"]
    assert arguments("w", known(images)) == {"BASE": "debian:13"}


def test_images_in_a_circle_are_an_error_that_shows_it(tmp_path: Path) -> None:
    images = {
        "x": image(tmp_path / "x", STANDS, BASE="y"),
        "y": image(tmp_path / "y", STANDS, BASE="x"),
    }
    with pytest.raises(ConfigError, match="x -> y -> x"):
        recipes("x", known(images))


def test_references_are_resolved_and_an_unset_one_is_named(tmp_path: Path) -> None:
    images = {"x": image(tmp_path / "x", A="${TOKEN_X}")}
    assert arguments("x", known(images, env={"TOKEN_X": "1"})) == {"A": "1"}
    with pytest.raises(ConfigError, match=r"images\.x\.build-args\.A .*TOKEN_X"):
        recipes("x", known(images))


def test_arguments_of_the_command_line_reach_who_declares_them(tmp_path: Path) -> None:
    images = {
        "x": image(tmp_path / "x", f"{STANDS}ARG VERSION=1\n", VERSION="2"),
        "base": image(tmp_path / "base"),
    }
    catalogue = known(images, VERSION="3", OTHER="4", http_proxy="p")
    assert arguments("x", catalogue)["VERSION"] == "3"
    assert "OTHER" not in arguments("x", catalogue)
    assert arguments("base", catalogue) == {"http_proxy": "p"}


def test_dockerfile_and_context_may_be_apart(tmp_path: Path) -> None:
    (tmp_path / "x.Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/file").write_text("")
    entry = ImageConfig(dockerfile=str(tmp_path / "x.Dockerfile"), context=str(tmp_path / "tree"))
    build = recipes("x", known({"x": entry}))[-1].build
    assert build
    assert [one.path for one in build.context.entries] == ["file"]
    assert build.context.dockerfile in build.context.made


def test_the_context_is_the_dockerfiles_directory_unless_named(tmp_path: Path) -> None:
    (tmp_path / "x.Dockerfile").write_text("FROM scratch\n")
    entry = ImageConfig(dockerfile=str(tmp_path / "x.Dockerfile"))
    build = recipes("x", known({"x": entry}))[-1].build
    assert build
    assert (build.context.root, build.context.dockerfile) == (tmp_path, "x.Dockerfile")


def test_what_does_not_exist_is_named_with_its_key(tmp_path: Path) -> None:
    entry = ImageConfig(dockerfile=str(tmp_path / "none"))
    with pytest.raises(BuildError, match=r"images\.x\.dockerfile: .*/none does not exist"):
        recipes("x", known({"x": entry}))


@pytest.mark.parametrize("name", ["host", "nosuch"])
def test_what_is_no_image_to_build_is_said(name: str) -> None:
    with pytest.raises(ConfigError, match=f"nothing to build for the image {name}"):
        recipes(name, known({}))


# ---------------------------------------------------------------- a repository's own images


def confined(tmp_path: Path) -> dict[str, str]:
    return {
        "images.x.dockerfile": str(tmp_path / "repo"),
        "images.x.context": str(tmp_path / "repo"),
    }


def test_a_repositorys_image_stays_inside_it(tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    entry = image(tmp_path / "repo/x")
    assert tag("x", known({"x": entry}, confined=confined(tmp_path)))


@pytest.mark.parametrize("key", ["dockerfile", "context"])
def test_a_link_that_leads_out_of_the_repository_is_refused(tmp_path: Path, key: str) -> None:
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo/inside").mkdir()
    (tmp_path / "repo/inside/Dockerfile").write_text("FROM scratch\n")
    image(tmp_path / "outside")
    link = tmp_path / "repo/link"
    link.symlink_to(tmp_path / "outside", target_is_directory=True)
    entry = {
        "dockerfile": ImageConfig(dockerfile=str(link / "Dockerfile")),
        "context": ImageConfig(
            dockerfile=str(tmp_path / "repo/inside/Dockerfile"), context=str(link)
        ),
    }[key]
    with pytest.raises(ConfigError, match=rf"images\.x\.{key}: .* leads to .*/outside"):
        recipes("x", known({"x": entry}, confined=confined(tmp_path)))


def test_a_dockerfile_that_is_a_link_out_of_the_repository_is_refused(tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    (tmp_path / "secret").write_text("FROM scratch\n")
    (tmp_path / "repo/Dockerfile").symlink_to(tmp_path / "secret")
    entry = ImageConfig(context=str(tmp_path / "repo"))
    with pytest.raises(ConfigError, match="outside of the repository"):
        recipes("x", known({"x": entry}, confined=confined(tmp_path)))


def test_what_is_built_is_what_was_approved(tmp_path: Path) -> None:
    """A session that runs meanwhile may write the Dockerfile between the look and the build."""
    images = {"dev": image(tmp_path / "dev")}
    file = tmp_path / "dev/Dockerfile"
    sealed = replace(known(images), seals={str(file): seal(file.read_bytes())})
    assert tag("dev", sealed) == tag("dev", known(images))
    file.write_text("FROM scratch\nRUN evil\n")
    with pytest.raises(ConfigError, match=rf"images\.dev: {file} is not what was approved"):
        tag("dev", sealed)


def test_nothing_is_built_on_an_unapproved_image_either(tmp_path: Path) -> None:
    images = {"dev": image(tmp_path / "dev", STANDS, BASE="base")}
    doubted = replace(known(images), unapproved={"base": "/repo/config.toml:3"})
    with pytest.raises(ConfigError, match=r"/repo/config\.toml:3: the image base is this"):
        tag("dev", doubted)
