"""Images made ready: pulled or built, in the order they stand on each other, if not yet there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from outrig.core import dockerfile
from outrig.errors import BaseImageError, BuildError
from outrig.runner.recipe import recipes
from outrig.workspace import archive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from outrig.core.engine import Image
    from outrig.engine import Engine
    from outrig.runner.recipe import Catalogue, Recipe

BOOTSTRAP = "outrig build base --bootstrap  # makes it of this distribution's packages"
LOAD = "docker load -i FILE, with an image from a machine that has it"


def ensure(
    engine: Engine,
    name: str,
    known: Catalogue,
    *,
    show: Callable[[str], None],
    log: Callable[[str], None],
) -> Image:
    """The configured image `name`, made first if the engine does not have it.

    `show` is told each step, `log` gets every line of the engine. A hit makes no build call.
    Raises BuildError, ImageMissingError or ConfigError.
    """
    needed = recipes(name, known)
    found = engine.image(needed[-1].reference)
    return found or make(engine, needed, show=show, log=log)


def make(
    engine: Engine,
    needed: Sequence[Recipe],
    *,
    show: Callable[[str], None],
    log: Callable[[str], None],
    no_cache: bool = False,
) -> Image:
    """Make the last of `needed`, and those before it that are not there."""
    *below, wanted = needed
    for recipe in below:
        if engine.image(recipe.reference) is None:
            _one(engine, recipe, show=show, log=log, no_cache=False)
    return _one(engine, wanted, show=show, log=log, no_cache=no_cache)


def bootstrap(
    engine: Engine,
    recipe: Recipe,
    *,
    env: Mapping[str, str],
    show: Callable[[str], None],
    log: Callable[[str], None],
) -> Image:
    """Make an image whose Dockerfile only installs packages from this machine's own packages.

    It gets the tag that the Dockerfile's build would have: it is a hit from then on.
    """
    from outrig.engine import bootstrap as packages  # noqa: PLC0415 - seldom

    if recipe.build is None:
        raise BuildError(f"{recipe.name} is pulled as {recipe.reference}: it has no Dockerfile")
    wanted = dockerfile.packages(recipe.build.dockerfile)
    packages.check()
    show(f"making {recipe.reference} from {len(wanted.names)} packages of this distribution")
    if packages.authorities():
        names = ", ".join(path.stem for path in packages.authorities())
        show(f"it trusts the authorities that were added to this machine: {names}")
    stream = packages.archive(wanted.names, env=env, show=log)
    return engine.import_image(recipe.reference, stream, [*wanted.changes, *packages.changes()])


def _one(
    engine: Engine,
    recipe: Recipe,
    *,
    show: Callable[[str], None],
    log: Callable[[str], None],
    no_cache: bool,
) -> Image:
    if recipe.build is None:
        show(f"pulling {recipe.reference}")
        return engine.pull(recipe.reference, log)
    build = recipe.build
    show(f"building the image {recipe.name} as {recipe.reference}: only this once")
    try:
        return engine.build(
            tag=recipe.reference,
            context=archive.archive(build.context, build.content),
            dockerfile=build.context.dockerfile,
            build_args=build.arguments,
            no_cache=no_cache,
            show=log,
        )
    except BaseImageError as error:
        raise BaseImageError(error.message, hint=_without_base(recipe)) from error


def _without_base(recipe: Recipe) -> str:
    """What helps where the image after FROM can be had from nowhere."""
    try:
        dockerfile.packages(recipe.build.dockerfile if recipe.build else "")
    except BuildError:
        return LOAD
    if recipe.name != "base":
        return LOAD
    return BOOTSTRAP if os.geteuid() == 0 else f"sudo {BOOTSTRAP}"
