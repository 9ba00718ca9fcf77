"""An image of the configuration, looked up: what it is made of and the tag that this gives it.

Nothing here asks an engine. The tag covers Dockerfile, resolved build arguments and the content
of the context, so an image that the engine has under it needs no build.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from outrig.core import dockerfile, keys, reference
from outrig.core.approval import seal
from outrig.core.frozen import frozen, given
from outrig.core.naming import image_tag
from outrig.core.repository import refuse_unapproved
from outrig.errors import BuildError, ConfigError
from outrig.workspace import archive, beneath, context

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outrig.core.config import ImageConfig
    from outrig.workspace.context import Context

HOST = "host"  # made on the fly: it has no recipe
# What docker lets every build have without an ARG.
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")


@frozen
class Catalogue:
    """The configured images, and what stays beside them.

    `confined` maps the keys of paths that a repository declared to the directory they must stay
    in; `arguments` are --build-arg of the command line, for each image that declares them.
    `unapproved` are images that a repository declares and nobody approved, with their place;
    `seals` what approved Dockerfiles hold.
    """

    images: Mapping[str, ImageConfig]
    confined: Mapping[str, str]
    env: Mapping[str, str]
    arguments: Mapping[str, str] = given(factory=dict)
    unapproved: Mapping[str, str] = given(factory=dict)
    seals: Mapping[str, str] = given(factory=dict)


@frozen
class Recipe:
    """One image: `build` says how to make it, None means that it is pulled by its reference."""

    name: str
    reference: str
    build: Build | None = None


@frozen
class Build:
    dockerfile: str  # its text
    context: Context
    content: str  # the context's digest
    arguments: Mapping[str, str]


def recipes(name: str, known: Catalogue) -> tuple[Recipe, ...]:
    """What must be there for an image, in the order of making; the image itself comes last.

    Raises ConfigError or BuildError.
    """
    return tuple(_chain(name, known, ()).values())


def shipped(name: str) -> Path:
    """The folder of a built-in image: in the package, or beside it in a source tree."""
    import outrig  # noqa: PLC0415 - for its place

    package = Path(outrig.__file__).resolve().parent
    for images in (package / "images", package.parent / "images"):
        if (images / name / "Dockerfile").is_file():
            return images / name
    raise BuildError(f"the built-in image {name} is not part of this installation")


def _chain(name: str, known: Catalogue, above: tuple[str, ...]) -> dict[str, Recipe]:
    if name in above:
        circle = " -> ".join((*above[above.index(name) :], name))
        raise ConfigError(
            f"images stand on each other in a circle: {circle}",
            hint=f"correct build-args BASE of [images.{name}]",
        )
    refuse_unapproved(name, known.unapproved)
    entry = known.images.get(name)
    if entry is None or name == HOST:
        raise ConfigError(f"there is nothing to build for the image {name}", hint="outrig images")
    if entry.image_name is not None:
        return {name: Recipe(name=name, reference=entry.image_name)}
    file, folder = _places(name, entry, known.confined)
    content = beneath.read_file(file)
    _check_seal(name, entry, content, known.seals)
    text = content.decode("utf-8", "replace")
    arguments = _arguments(name, entry, text, known)
    base = dockerfile.stands_on(text, arguments, tuple(known.images))
    chain: dict[str, Recipe] = {}
    if base is not None:
        chain = _chain(base, known, (*above, name))
        arguments[dockerfile.BASE] = chain[base].reference
    # What is shipped is one file, wherever it is installed.
    listing = entry.dockerfile is not None or entry.context is not None
    found = context.look(folder, file, env=known.env, listing=listing)
    build = Build(
        dockerfile=text, context=found, content=archive.digest(found), arguments=arguments
    )
    return {**chain, name: Recipe(name=name, reference=_tag(name, build), build=build)}


def _arguments(name: str, entry: ImageConfig, text: str, known: Catalogue) -> dict[str, str]:
    where = f"images.{name}.build-args"
    configured = reference.resolve(entry.build_args, known.env, where)
    takes = {*dockerfile.arguments(text), *PROXIES, *map(str.lower, PROXIES)}
    asked = {key: value for key, value in known.arguments.items() if key in takes}
    return {**configured, **asked}


def _tag(name: str, build: Build) -> str:
    covered = [build.context.dockerfile, build.content, sorted(build.arguments.items())]
    return image_tag(name, hashlib.sha256(json.dumps(covered).encode()).hexdigest())


def _check_seal(name: str, entry: ImageConfig, content: bytes, seals: Mapping[str, str]) -> None:
    """What is built is what was approved, also if somebody has written it since."""
    said = _dockerfile(entry)
    if said in seals and seals[said] != seal(content):
        raise ConfigError(
            f"images.{name}: {said} is not what was approved, or is too large for that",
            hint="outrig trust",
        )


def _dockerfile(entry: ImageConfig) -> str:
    return entry.dockerfile or os.path.join(entry.context or "", "Dockerfile")  # noqa: PTH118


def _places(name: str, entry: ImageConfig, confined: Mapping[str, str]) -> tuple[Path, Path]:
    """Dockerfile and context, their links resolved; a repository's own must stay inside it."""
    if entry.dockerfile is None and entry.context is None:
        folder = shipped(name)
        return folder / "Dockerfile", folder
    file = Path(_dockerfile(entry))
    folder = Path(entry.context) if entry.context else file.parent
    by_file, by_context = "dockerfile", "context"
    return (
        _real(name, by_file if entry.dockerfile else by_context, file, confined),
        _real(name, by_context if entry.context else by_file, folder, confined),
    )


def _real(name: str, key: str, path: Path, confined: Mapping[str, str]) -> Path:
    dotted = keys.dotted(("images", name, key))
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError):
        raise BuildError(f"{dotted}: {path} does not exist") from None
    root = confined.get(dotted)
    if root is not None and not real.is_relative_to(os.path.realpath(root)):
        raise ConfigError(
            f"{dotted}: {path} leads to {real}, outside of the repository {root}",
            hint="a repository's own config may only build what is inside it; "
            "set it in your own config if you trust it",
        )
    return real
