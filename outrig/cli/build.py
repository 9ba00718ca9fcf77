"""`outrig build`: images made ahead of their first use, with a live log."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Annotated

import typer

from outrig.cli import here, output
from outrig.cli.completion import complete_image
from outrig.cli.opening import Config, GlobalConfig, SessionRoot
from outrig.cli.progress import Progress
from outrig.core.plan import HOST_IMAGE
from outrig.core.repository import refuse_unapproved
from outrig.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import FrameType

    from outrig.core.engine import Image
    from outrig.runner.images import Workshop
    from outrig.runner.recipe import Recipe

BASE = "base"


def build(  # noqa: PLR0917 - one parameter per option, as typer wants them
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME...]", autocompletion=complete_image, help="Which images."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every configured image.")] = False,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Build again, and use no step of an earlier build.")
    ] = False,
    build_arg: Annotated[
        list[str] | None,
        typer.Option(
            "--build-arg",
            metavar="NAME=VALUE",
            help="An argument for each Dockerfile that declares it. Anybody can read it in the "
            "image. Runs use the image once [images.X] build-args says the same.",
        ),
    ] = None,
    bootstrap: Annotated[
        bool,
        typer.Option(
            "--bootstrap", help="Make base of this distribution's packages: no registry is needed."
        ),
    ] = False,
    config: Config = None,
    global_config: GlobalConfig = None,
    session_root: SessionRoot = None,
    trust_hash: Annotated[
        str | None,
        typer.Option(
            "--trust-hash", metavar="HASH", help="Trust the repository's config if it has this."
        ),
    ] = None,
) -> int:
    """Build images, those they stand on first.

    What is there already is not built again.

    outrig build claude

    See what there is with `outrig images`.
    """
    from outrig.runner.images import workshop

    arguments = _arguments(build_arg or ())
    shop = workshop(
        env=os.environ,
        cwd=here.directory(),
        config=config,
        global_config=global_config,
        skip_global=session_root is not None,
        arguments=arguments,
        trust_hash=trust_hash,
    )
    wanted = _wanted(names or [], shop, everything=everything)
    with _orderly(), Progress() as progress, contextlib.closing(shop.engine):
        for warning in shop.warnings:
            progress.notice(warning)
        chains = _chains(wanted, shop, arguments)
        if bootstrap:
            _bootstrap(chains, shop, progress, no_cache=no_cache)
        for chain in chains:
            made = bootstrap and chain[-1].name == BASE
            image = _build(chain, shop, progress, no_cache=no_cache and not made)
            output.text(f"{image.reference}\n")
    return 0


@contextlib.contextmanager
def _orderly() -> Iterator[None]:
    """TERM and HUP end it as Ctrl-C does: what was begun is taken down, not left to itself."""

    def caught(number: int, _frame: FrameType | None) -> None:
        raise typer.Exit(128 + number)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:  # nohup means it
            signal.signal(number, caught)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _arguments(given: Sequence[str]) -> Mapping[str, str]:
    arguments = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not name or not equals:
            raise UsageError(f'--build-arg "{one}" is not NAME=VALUE')
        arguments[name] = value
    return arguments


def _wanted(names: Sequence[str], shop: Workshop, *, everything: bool) -> Sequence[str]:
    buildable = [name for name in shop.known.images if name != HOST_IMAGE]
    if everything and names:
        raise UsageError("--all and names exclude each other")
    if everything:
        return buildable
    if not names:
        raise UsageError(
            f"which image? There are {', '.join(sorted(buildable))}", hint="outrig build --all"
        )
    for name in names:
        refuse_unapproved(name, shop.known.unapproved)
        if name == HOST_IMAGE:
            raise UsageError("the image host is this machine's own /usr: nothing is to be built")
        if name not in buildable:
            raise _unknown(name, buildable)
    return list(dict.fromkeys(names))


def _unknown(name: str, buildable: Sequence[str]) -> ConfigError:
    from outrig.core.suggestion import nearest

    close = nearest(name, buildable)
    hint = f"outrig build {close}" if close else "outrig images"
    return ConfigError(f"no image {name} is configured", hint=hint)


def _chains(
    wanted: Sequence[str], shop: Workshop, arguments: Mapping[str, str]
) -> Sequence[Sequence[Recipe]]:
    """What each of them stands on, itself last. A --build-arg that nobody takes is a mistake."""
    from outrig.runner.recipe import recipes

    chains = [recipes(name, shop.known) for name in wanted]
    builds = [recipe.build for chain in chains for recipe in chain if recipe.build]
    for name in arguments:
        if not any(name in build.arguments for build in builds):
            raise UsageError(f"--build-arg {name}: no Dockerfile of these images declares it")
    return chains


def _bootstrap(
    chains: Sequence[Sequence[Recipe]], shop: Workshop, progress: Progress, *, no_cache: bool
) -> None:
    from outrig.runner.build import bootstrap

    base = next((recipe for chain in chains for recipe in chain if recipe.name == BASE), None)
    if base is None:
        raise UsageError(
            "--bootstrap makes the image base, and none of these stands on it",
            hint="outrig build base --bootstrap",
        )
    if no_cache or shop.engine.image(base.reference) is None:
        bootstrap(shop.engine, base, env=os.environ, show=progress.notice, log=progress.log(BASE))
        progress.done()


def _build(chain: Sequence[Recipe], shop: Workshop, progress: Progress, *, no_cache: bool) -> Image:
    from outrig.runner.build import make

    wanted = chain[-1]
    found = None if no_cache else shop.engine.image(wanted.reference)
    if found:
        progress.notice(f"image {wanted.name} is there: {wanted.reference}")
        return found
    image = make(
        shop.engine,
        chain,
        show=progress.notice,
        log=progress.log(wanted.name),
        no_cache=no_cache,
    )
    progress.done()
    return image
