"""What no launch may do: refused when the engine is known and nothing is on the disk yet.

What words alone tell is refused by core/draft.py and core/mounts.py, and what paths lead to by
workspace/sources.py; here is what takes the engine, or where outrig keeps its own.
"""

from __future__ import annotations

import os
import stat
from itertools import chain
from pathlib import Path

from outrig.core.mounts import ENGINE_SOCKETS, inside
from outrig.engine.endpoint import usual_sockets
from outrig.errors import EngineError, MountError, UsageError
from outrig.store import places
from outrig.workspace import sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from outrig.engine import Engine
    from outrig.runner.order import Order


def check(order: Order, engine: Engine, session_dir: Path | None) -> None:
    """Raise EngineError, MountError or UsageError for an order that is not to be launched."""
    _refuse_elsewhere(engine)
    _refuse_socket(order, engine)
    _refuse_engines_own(order, engine)
    _refuse_own_state(order)
    _refuse_planted(order, session_dir)


def _refuse_elsewhere(engine: Engine) -> None:
    """An engine that does not see our files can be refused without a record."""
    locality = engine.locality()
    if not locality.local:
        raise EngineError(
            f"the engine at {engine.endpoint} cannot mount the workspace: {locality.why}",
            hint="use an engine on this machine: outrig doctor",
        )


def _refuse_socket(order: Order, engine: Engine) -> None:
    """Nothing that is mounted holds an engine's socket: this one's, a usual one, one at its top."""
    sockets = tuple(map(os.path.realpath, _sockets(order, engine)))
    for source in (order.plan.workspace.root, *(mount.source for mount in order.mounts)):
        at_its_top = (f"{source}/{name}" for name in ENGINE_SOCKETS)
        within = (path for path in sockets if inside(path, (source,)))
        if path := next(chain(within, filter(_may_be_socket, at_its_top)), None):
            raise MountError(
                f"{source} holds the engine's socket {path}: whoever has it has this machine",
                hint="mount a directory that does not, or move the socket",
            )


def _sockets(order: Order, engine: Engine) -> Iterator[str]:
    """That of this engine, and those of others that are there, or could be."""
    scheme, _, path = engine.endpoint.partition("://")
    if scheme == "unix":
        yield path
    usual = usual_sockets(order.host_env, places.home(order.host_env))
    yield from filter(_may_be_socket, usual)


def _may_be_socket(path: str) -> bool:
    """What the caller may not look at is none the less there for an engine that is root."""
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)  # noqa: PTH116 - a Path costs more than it
    except PermissionError:
        return True
    except OSError:
        return False


def _refuse_engines_own(order: Order, engine: Engine) -> None:
    """Where the engine keeps all containers, but for volumes, which are made to be mounted."""
    if not order.mounts:
        return
    root = os.path.realpath(engine.facts().root_directory or "/var/lib/docker")
    for mount in order.mounts:
        within = inside(mount.source, (root,)) and not inside(mount.source, (f"{root}/volumes",))
        if within or inside(root, (mount.source,)):
            raise MountError(
                f"-v {mount.source}: {root} is where the engine keeps every container; whoever "
                "writes there has this machine",
                hint="mount the directory that the session needs",
            )


def _refuse_own_state(order: Order) -> None:
    """A session that can write approvals or the user's config would approve itself."""
    env = order.host_env
    kept = (places.state(env), places.global_config(env).parent, places.cache(env))
    plan = order.plan
    sources = [mount.source for mount in order.mounts if mount.writable]
    if plan.isolation.mode == "bind":
        sources.append(plan.workspace.root)
    for own in map(os.path.realpath, kept):
        for source in sources:
            if inside(own, (source,)):
                raise MountError(
                    f"{source} holds {own}, where outrig keeps what you approved, configured and "
                    "what it learned; no session may write that",
                    hint="mount it read-only, or a directory that does not hold it",
                )


def _refuse_planted(order: Order, session_dir: Path | None) -> None:
    """A --session-dir by way of a link in the workspace is where some session wanted it."""
    if session_dir is None:
        return
    plan = order.plan
    link = sources.first_link(Path(plan.workspace.start) / session_dir, Path(plan.workspace.root))
    if link is not None:
        raise UsageError(
            f"--session-dir {session_dir} goes through {link}, a link in the workspace, to "
            f"{os.path.realpath(link)}: a session may have planted it",
            hint="name the directory itself",
        )
