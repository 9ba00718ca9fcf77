"""Outrig's own interpreter and package, as a container made of this machine's system sees them."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from outrig.core.engine import Mount
from outrig.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Sequence

INSIDE = "/run/outrig"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {"PATH": PATH, "PYTHONPATH": f"{INSIDE}/lib"}
_PACKAGES = ("outrig", "h11")
_ALONE = ("-s", "-S", "-P", "-B")  # no site, no user, nothing of the directory


def command(*words: str) -> tuple[str, ...]:
    """The interpreter with these arguments."""
    return (os.path.realpath(sys.executable), *_ALONE, *words)


def mounts() -> Sequence[Mount]:
    """The interpreter, where it is no part of /usr, and the packages that a gateway imports."""
    base = os.path.realpath(sys.base_prefix)
    found = [] if base.startswith("/usr/") or base == "/usr" else [Mount(source=base, target=base)]
    for name in _PACKAGES:
        spec = find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            raise NetworkError(f"the gateway needs the Python package {name}, which is not there")
        source = os.path.realpath(next(iter(spec.submodule_search_locations)))
        found.append(Mount(source=source, target=f"{INSIDE}/lib/{name}"))
    return found
