"""The image of a run made ready: of this host, as configured, or known to the engine.

| plan                     | what is used                                                      |
|--------------------------|-------------------------------------------------------------------|
| host, a command          | the host image                                                    |
| host, an agent           | the host image if it has the agent's program, else its own image  |
| configured               | built, or pulled, when the engine does not have it                |
| local                    | what the engine has under that name; never pulled                 |

What is used is always said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from outrig.engine import host
from outrig.errors import ImageMissingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from outrig.core.engine import Image, Mount
    from outrig.engine import Engine
    from outrig.runner.cancel import Cancel
    from outrig.runner.order import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """`name` is the configured one, else the reference; `path` is PATH inside the host image."""

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
) -> Ready:
    """`directory` is the session's; a build is logged there.

    Raises ImageMissingError or BuildError, or CancelledError in the middle of a build or a pull.
    """
    wanted = order.plan.image
    match wanted.kind:
        case "host" if wanted.otherwise is None or _has_program(order):
            return _host(engine, order, show)
        case "host" | "configured":
            name = wanted.otherwise or wanted.name
            if wanted.otherwise:
                show(f"{order.plan.command[0]} is not in the host image; image {name} is used")
            return _configured(engine, order, name, directory, cancel=cancel, show=show)
        case "local":
            return _local(engine, wanted.name, show)


def _host(engine: Engine, order: Order, show: Callable[[str], None]) -> Ready:
    paths = order.plan.host_paths
    image, mounts = engine.host_image(paths)
    mine = order.host_env.get("PATH", "")
    show("image host: this machine's own /usr, read-only")
    missing = host.missing_path_dirs(mine, paths)
    if missing:
        listed = ", ".join(f'"{directory}"' for directory in (*paths, *missing))
        show(f"not in it, though on your PATH; to add them: host-paths = [{listed}]")
    return Ready(image=image, name="host", mounts=mounts, path=host.search_path(mine, paths))


def _has_program(order: Order) -> bool:
    paths = order.plan.host_paths
    search = host.search_path(order.host_env.get("PATH", ""), paths)
    return host.program_path(order.plan.command[0], search, paths) is not None


def _configured(
    engine: Engine,
    order: Order,
    name: str,
    directory: Path,
    *,
    cancel: Cancel,
    show: Callable[[str], None],
) -> Ready:
    from outrig.runner import build  # noqa: PLC0415 - reading Dockerfiles is not for every run

    log = directory / "logs" / "build.log"
    with cancel.interruptible():
        image = build.ensure(engine, name, order, log=log, show=show)
    show(f"image {name}: {image.reference}")
    return Ready(image=image, name=name)


def _local(engine: Engine, reference: str, show: Callable[[str], None]) -> Ready:
    image = engine.image(reference)
    if image is None:
        raise ImageMissingError(
            f'no image "{reference}" on the engine, and none is configured under that name',
            hint="outrig images lists what there is; a local reference is never pulled",
        )
    show(f"image {reference}")
    return Ready(image=image, name=reference)
