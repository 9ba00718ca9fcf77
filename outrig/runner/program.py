"""Outrig's own interpreter and package, as a container made of this machine's system sees them.

Everything is where it is on this machine, so the bytecode that it keeps counts there, too: to
compile anew what a gate imports would take 50 ms of each start.
"""

from __future__ import annotations

import contextlib
import os
import sys
from importlib.util import cache_from_source, find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from outrig.core.engine import Mount
from outrig.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

INSIDE = "/run/outrig"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PACKAGES = ("outrig", "h11")
_COMPILED = ("outrig.gateway", "outrig.core", "h11")  # what no other process imports whole
ALONE = ("-s", "-S", "-P", "-B")  # no site, no user, nothing of the directory


def environment() -> Mapping[str, str]:
    """What it goes by. Raises NetworkError."""
    parents = dict.fromkeys(str(_folder(name).parent) for name in _PACKAGES)
    cache = {"PYTHONPYCACHEPREFIX": sys.pycache_prefix} if sys.pycache_prefix else {}
    return {"PATH": PATH, "PYTHONPATH": os.pathsep.join(parents), **cache}


def interpreter() -> Sequence[Mount]:
    """What it consists of, where that is no part of /usr."""
    base = os.path.realpath(sys.base_prefix)
    return [] if f"{base}/".startswith("/usr/") else [Mount(source=base, target=base)]


def packages() -> Sequence[Mount]:
    """What a gateway imports. Raises NetworkError."""
    found = {folder: folder for folder in map(str, map(_folder, _PACKAGES))}
    if sys.pycache_prefix and Path(sys.pycache_prefix).is_dir():
        found[sys.pycache_prefix] = os.path.realpath(sys.pycache_prefix)
    return [Mount(source=source, target=target) for target, source in found.items()]


def _folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise NetworkError(f"the gateway needs the Python package {package}, which is not there")
    return Path(os.path.realpath(next(iter(spec.submodule_search_locations))))


def compile_ahead() -> None:
    """Keep bytecode of what the next gate imports, where this process keeps any."""
    if sys.dont_write_bytecode:
        return
    for package in _COMPILED:
        for source in _folder(package).glob("*.py"):
            with contextlib.suppress(OSError):  # somebody else's directory: each gate compiles it
                _compile(source)


def _compile(source: Path) -> None:
    kept = Path(cache_from_source(str(source)))
    if not kept.exists() or kept.stat().st_mtime < source.stat().st_mtime:
        import py_compile  # noqa: PLC0415 - once, where installing has not done it

        py_compile.compile(str(source), cfile=str(kept), doraise=True)
