"""What a container beside the agent is made of: this machine's own system, or the gateway image.

The host image has what this machine has, so there is nothing to build. Where programs that set up
a network are missing here, or this is no Linux, the image `gateway` has them. outrig's packages are
mounted either way: an engine that does not see this machine's files runs no session at all.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from outrig.core.doctor import NETWORK_PROGRAMS
from outrig.core.frozen import frozen
from outrig.errors import NetworkError
from outrig.runner import program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from outrig.core.engine import Image, Mount
    from outrig.runner.network import Making

GATEWAY_IMAGE = "gateway"
_ITS_PYTHON = "/usr/bin/python3"
_IPV6 = Path("/proc/net/if_inet6")


@frozen
class System:
    image: Image
    mounts: Sequence[Mount]
    python: str
    packages: Sequence[Mount]  # further mounts, for who runs the interpreter

    def command(self, *words: str) -> tuple[str, ...]:
        """The interpreter with these arguments."""
        return (self.python, *program.ALONE, *words)


def ready(making: Making) -> System:
    """Raises NetworkError when it takes an image that the engine does not have."""
    missing = absent()
    if not missing:
        image, mounts = making.engine.host_image(())
        own = (*program.interpreter(), *program.packages())
        python = os.path.realpath(sys.executable)
        return System(image=image, mounts=mounts, python=python, packages=own)
    image = _built(making, missing)
    return System(image=image, mounts=(), python=_ITS_PYTHON, packages=program.packages())


def absent(path: str = program.PATH) -> Sequence[str]:
    """What the network needs and a container made of this machine's system will not find."""
    if sys.platform != "linux":
        return tuple(NETWORK_PROGRAMS)
    places = path.split(os.pathsep)
    needed = (one for one in NETWORK_PROGRAMS if not one.startswith("ip6") or _has_ipv6())
    return [one for one in needed if not any(os.access(f"{at}/{one}", os.X_OK) for at in places)]


def _has_ipv6() -> bool:
    try:
        lines = _IPV6.read_text().splitlines()
    except OSError:
        return False
    return any(not line.endswith(" lo") for line in lines)


def _built(making: Making, missing: Sequence[str]) -> Image:
    from outrig.runner.recipe import Catalogue, recipes  # noqa: PLC0415 - few machines need it

    order = making.order
    known = Catalogue(
        images=order.config.images,
        confined=order.confined,
        env=order.host_env,
        unapproved=order.unapproved,
        seals=order.seals,
    )
    image = making.engine.image(recipes(GATEWAY_IMAGE, known)[-1].reference)
    if image is None:
        raise NetworkError(
            f"this machine lacks {', '.join(missing)}, and the engine the image {GATEWAY_IMAGE}, "
            "which has them",
            hint="outrig build gateway; or outrig doctor, which names the packages",
        )
    return image
