"""The image of a run made ready: of this host, as configured, or known to the engine.

The host image is for those whose program is in it; an agent whose program is not gets its own
image, built the first time. What is used is always announced.
"""

from __future__ import annotations

import json
import os

from outrig.core.frozen import frozen
from outrig.core.plan import HOST_IMAGE
from outrig.core.suggestion import nearest
from outrig.engine import host
from outrig.errors import BuildError, CommandNotFoundError, ImageMissingError
from outrig.store import places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from outrig.core.engine import Image, Mount
    from outrig.engine import Engine
    from outrig.runner.cancel import Cancel
    from outrig.runner.order import Order

STEP = "Step "  # how the engine begins the lines that say how far a build is


@frozen
class Ready:
    """`name` is the configured name, else the reference; `path` is PATH inside, None: its own."""

    image: Image
    name: str
    mounts: Sequence[Mount] = ()
    path: str | None = None


def ready(
    engine: Engine,
    order: Order,
    directory: Path,
    *,
    cancel: Cancel,
    show: Callable[[str], None],
    quiet: Callable[[str], str] = str,
) -> Ready:
    """Find or make the image of a planned run; `directory` is the session's, for the build log.

    `quiet` takes out of its lines what must not be kept.

    Raises BuildError, ImageMissingError, CommandNotFoundError, or CancelledError within a build.
    """
    wanted = order.plan.image
    if wanted.kind == "local":
        return _local(engine, order, wanted.name, show)
    name = _instead_of_host(order, show) if wanted.kind == "host" else wanted.name
    with cancel.interruptible():
        if name is None:
            return _host(engine, order, show)
        image = configured(engine, order, name, directory, show, quiet=quiet)
    show(f"image {name}: {image.reference}")
    return Ready(image=image, name=name)


# ---------------------------------------------------------------- the host image


def _instead_of_host(order: Order, show: Callable[[str], None]) -> str | None:
    """The configured image for an agent whose program the host image does not have."""
    plan = order.plan
    if plan.agent is None or host.program_path(plan.command[0], _path(order), plan.host_paths):
        return None
    if plan.image.otherwise is None:
        raise _not_in_host(order)
    show(f"{plan.command[0]} is not in the host image: the image {plan.image.otherwise} is used")
    return plan.image.otherwise


def _not_in_host(order: Order) -> CommandNotFoundError:
    import shutil  # noqa: PLC0415 - 6 ms, for a failure only

    agent, program = order.plan.agent, order.plan.command[0]
    elsewhere = shutil.which(program, path=order.host_env.get("PATH", ""))
    if elsewhere is None:
        return CommandNotFoundError(
            f"{program}, the program of agent {agent}, is not in the host image",
            hint=f"install it below /usr, or name an image that has it: [agents.{agent}] image",
        )
    return CommandNotFoundError(
        f"{program}, the program of agent {agent}, is {elsewhere}, outside of the host image",
        hint=_host_paths_line(order, [os.path.dirname(elsewhere)]),  # noqa: PTH120 - as text
    )


def _host(engine: Engine, order: Order, show: Callable[[str], None]) -> Ready:
    plan = order.plan
    image, mounts = engine.host_image(plan.host_paths)
    show("image host: this machine's own /usr, read-only")
    left_out = host.missing_path_dirs(order.host_env.get("PATH", ""), plan.host_paths)
    if left_out:
        line = _host_paths_line(order, left_out)
        show(f"not in it, of your PATH: {', '.join(left_out)}; to add them: {line}")
    return Ready(image=image, name=HOST_IMAGE, mounts=mounts, path=_path(order))


def _path(order: Order) -> str:
    return host.search_path(order.host_env.get("PATH", ""), order.plan.host_paths)


def _host_paths_line(order: Order, more: Sequence[str]) -> str:
    line = json.dumps([*order.plan.host_paths, *more], ensure_ascii=False)
    return f"host-paths = {line} in {places.global_config(order.host_env)}"


# ---------------------------------------------------------------- images that are made or present


def configured(
    engine: Engine,
    order: Order,
    name: str,
    directory: Path,
    show: Callable[[str], None],
    *,
    quiet: Callable[[str], str],
) -> Image:
    """The image of an entry of [images], built or pulled where it is missing.

    Raises ConfigError, BuildError or ImageMissingError.
    """
    from outrig.runner.build import ensure  # noqa: PLC0415 - the host image needs none of it
    from outrig.runner.recipe import Catalogue  # noqa: PLC0415 - as above

    known = Catalogue(
        images=order.config.images,
        confined=order.confined,
        env=order.host_env,
        unapproved=order.unapproved,
        seals=order.seals,
    )
    file = directory / places.LOGS / "build.log"

    def log(line: str) -> None:
        with file.open("a", encoding="utf-8", errors="surrogateescape") as kept:
            kept.write(f"{quiet(line)}\n")
        if line.startswith(STEP):
            show(line)

    try:
        return ensure(engine, name, known, show=show, log=log)
    except BuildError as error:
        if error.hint is None and file.exists():
            error.hint = f"less {file}"
        raise


def _local(engine: Engine, order: Order, reference: str, show: Callable[[str], None]) -> Ready:
    image = engine.image(reference)
    if image is None:
        raise ImageMissingError(
            f"the engine has no image {reference}, and no configured image has that name",
            hint=_missing_hint(reference, order),
        )
    show(f"image {reference}")
    return Ready(image=image, name=reference)


def _missing_hint(reference: str, order: Order) -> str:
    close = nearest(reference, order.config.images)
    if close:
        return f"--image {close}, or outrig images"
    return f"docker pull {reference}, or outrig images for those there are"
