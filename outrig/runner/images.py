"""The images of a configuration and those of outrig's that the engine has, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outrig.core import cascade
from outrig.core.frozen import frozen
from outrig.core.stock import Stocked, stocked
from outrig.engine import connect
from outrig.errors import OutrigError
from outrig.runner.recipe import HOST, Catalogue, recipes
from outrig.store import layers, places

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from outrig.core.config import Config
    from outrig.core.engine import Image
    from outrig.engine import Engine


@frozen
class Workshop:
    """Where images are made: an engine, and the configuration's images."""

    engine: Engine
    known: Catalogue
    config: Config
    warnings: tuple[str, ...]


def workshop(
    *,
    env: Mapping[str, str],
    cwd: Path,
    config: Path | None,
    global_config: Path | None,
    skip_global: bool = False,
    arguments: Mapping[str, str] | None = None,
    trust_hash: str | None = None,
) -> Workshop:
    """Read the configuration and connect. Raises ConfigError or EngineUnreachableError."""
    home = places.home(env)
    found = layers.read(
        env=env,
        cwd=cwd,
        home=home,
        config_file=config,
        global_config=global_config,
        skip_global=skip_global,
        trust_hash=trust_hash,
    )
    resolved = cascade.resolve(found.layers, home=str(home))
    engine = connect(
        resolved.config.engine,
        env=env,
        home=home,
        cache=places.cache(env),
        slots=places.slots(env),
    )
    known = Catalogue(
        images=resolved.config.images,
        confined=resolved.confined,
        env=env,
        arguments=arguments or {},
        unapproved=resolved.unapproved,
        seals=found.seals,
    )
    return Workshop(engine=engine, known=known, config=resolved.config, warnings=resolved.warnings)


def inventory(engine: Engine, known: Catalogue) -> Sequence[Stocked]:
    """Every configured image, then what was built from an earlier state of one."""
    ours = {image.reference: image for image in engine.images()}
    found = [_configured(name, engine, known, ours) for name in sorted(known.images)]
    current = {one.tag for one in found}
    rest = (image for tag, image in ours.items() if tag not in current)
    return [*found, *_others(rest)]


def _configured(name: str, engine: Engine, known: Catalogue, ours: Mapping[str, Image]) -> Stocked:
    if name == HOST:
        return _host(ours)
    try:
        reference = recipes(name, known)[-1].reference
    except OutrigError as error:
        return Stocked(name=name, state="broken", why=error.message)
    image = ours.get(reference) or engine.image(reference)
    if image is None:
        return Stocked(name=name, state="missing", tag=reference)
    return stocked(name, "ready", image)


def _host(ours: Mapping[str, Image]) -> Stocked:
    """Whatever its layout, a run makes it in no time; the newest is the one in use."""
    newest = next((image for tag, image in ours.items() if _name(tag) == HOST), None)
    return stocked(HOST, "ready", newest) if newest else Stocked(name=HOST, state="missing")


def _others(images: Iterator[Image]) -> Iterator[Stocked]:
    for image in sorted(images, key=lambda image: image.reference):
        yield stocked(_name(image.reference), "old", image)


def _name(tag: str) -> str:
    return tag.removeprefix("outrig/").rpartition(":")[0]
