"""Snapshots of a session's workspace: taken at its start and end, and in between if asked for.

| when                                      | by whom                                              |
|-------------------------------------------|------------------------------------------------------|
| before the container starts               | launch, beside what the engine is asked meanwhile    |
| every workspace.checkpoint                | whoever follows, in a thread: output does not wait   |
| when the container has ended              | whoever follows; if nobody did, who comes next       |
| `outrig diff` of a session that runs      | that command, and nothing keeps it                   |

One that fails changes no exit code and no status: the record's `workspace.snapshot_error` says why.
The trees are in `snapshots.git` (workspace/snapshots.py); the record names them.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from outrig.core.moment import time_text
from outrig.core.session import with_workspace
from outrig.errors import OutrigError, StoreError, WorkspaceError
from outrig.workspace import rules
from outrig.workspace.bare import Source
from outrig.workspace.snapshots import DIRECTORY, END, START, Snapshots, Taken

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from outrig.core.plan import Place
    from outrig.core.session import Session
    from outrig.runner.launched import Launched
    from outrig.runner.order import Order
    from outrig.workspace.blobs import Skipped

_LONG = 64  # characters of an id in a repository with SHA-256
_NAMED = 100  # skipped files that the record names


def of(directory: Path, env: Mapping[str, str] = os.environ) -> Snapshots:
    """Those of the session in this directory."""
    return Snapshots(Path(directory).absolute() / DIRECTORY, env)


def tree_of(session: Session) -> Path | None:
    """The tree that the session sees, as a path on this machine."""
    for name in ("tree", "path"):
        path = session.workspace.get(name)
        if isinstance(path, str) and path.startswith("/"):
            return Path(path)
    return None


def upper_of(session: Session) -> Path | None:
    """The layer over that tree, where the session had one."""
    upper = session.workspace.get("upper")
    return Path(upper) if isinstance(upper, str) else None


class Taking:
    """A snapshot taken in a thread of its own. `outcome` says what the record shall say of it."""

    def __init__(self, take: Callable[[], Taken], name: str) -> None:
        self._take = take
        self._name = name
        self._fields: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._run, name=f"snapshot {name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._fields = fields(self._name, self._take)

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def outcome(self) -> dict[str, Any]:
        """Wait for it."""
        self._thread.join()
        return self._fields


def begin(order: Order, directory: Path, own_tree: str | None) -> Taking:
    """Take the start snapshot. The container must not start before outcome().

    `own_tree` is the session's own one, where it has one.
    """
    place = order.plan.workspace
    tree = Path(own_tree or place.root)
    ignored = rules.own(order.git_settings, order.host_env, order.home)
    snapshots = of(directory, order.host_env)
    mode = order.plan.isolation.mode
    earlier = of(order.resumed.directory, order.host_env) if order.resumed else None

    def take() -> Taken:
        if earlier is not None and earlier.tree(START) is not None:
            return snapshots.go_on(earlier, tree, shared=own_tree is None, layer=mode == "overlay")
        return snapshots.start(tree, _source(place, own_tree), ignored, order.home)

    return Taking(take, "start")


def _source(place: Place, own_tree: str | None) -> Source | None:
    """The user's repository, where the workspace is the top of a checkout."""
    if place.common_dir is None or place.git_dir is None:
        return None
    index = f"{own_tree}/.git/index" if own_tree else f"{place.git_dir}/index"
    sha256 = len(place.head or "") == _LONG
    return Source(common_dir=place.common_dir, index=index, sha256=sha256)


def end(directory: Path, session: Session, env: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Take the end snapshot of a session that has one of its start; what the record shall say."""
    snapshots, tree = of(directory, env), tree_of(session)
    if tree is None or snapshots.tree(START) is None:
        return {}

    def take() -> Taken:
        if session.workspace.get("git") == "bind":  # it could write the objects that are borrowed
            snapshots.look()
        return snapshots.take(tree, END, upper=upper_of(session))

    return fields("end", take)


def fields(name: str, take: Callable[[], Taken]) -> dict[str, Any]:
    """What the record's `workspace` says of a snapshot: its tree, or why there is none."""
    try:
        taken = take()
    except (OutrigError, OSError, MemoryError) as error:
        return {"snapshot_error": f"{name}: {_why(error)}"}
    said: dict[str, Any] = {name: taken.tree, f"{name}_at": time_text(datetime.now(UTC))}
    return said | ({"skipped": _skipped(taken.skipped)} if taken.skipped else {})


def _why(error: BaseException) -> str:
    return error.message if isinstance(error, OutrigError) else str(error)


def _skipped(files: Sequence[Skipped]) -> list[dict[str, str]]:
    named = [
        {"path": one.path.decode("utf-8", "replace"), "why": one.why} for one in files[:_NAMED]
    ]
    more = len(files) - len(named)
    return [*named, *([{"path": "...", "why": f"and {more} more"}] if more else [])]


class Checkpoints:
    """Those of a session that is followed here. `due` is when keep() has something to do."""

    def __init__(self, run: Launched) -> None:
        self._run = run
        self._tree = tree_of(run.held.session)
        every = run.held.session.workspace.get("checkpoint")
        begun = of(run.held.directory).tree(START) is not None
        self._every = every if begun and isinstance(every, (int, float)) and every > 0 else None
        self._taking: Taking | None = None
        self._number = 0
        self.due = None if self._every is None else time.monotonic() + self._every

    def keep(self) -> None:
        """Begin one that is due, unless the last one is still being taken."""
        if self.due is None or time.monotonic() < self.due:
            return
        assert self._every is not None
        self.due = time.monotonic() + self._every
        if self._taking is None or self._taking.done:
            self.close()
            self._begin()

    def _begin(self) -> None:
        snapshots, tree = of(self._run.held.directory), self._tree
        upper = upper_of(self._run.held.session)
        if tree is None:
            return
        self._number = len(noted(self._run.held.session)) + 1
        name = f"checkpoint/{self._number}"
        self._taking = Taking(lambda: snapshots.take(tree, name, upper=upper), "checkpoint")

    def close(self) -> None:
        """Note the last one, once it has been taken."""
        if self._taking is None:
            return
        said = self._taking.outcome()
        self._taking = None
        with contextlib.suppress(StoreError):  # a disk that is full; the ref is there
            self._run.held.update(lambda session: _with_checkpoint(session, said))


def noted(session: Session) -> Sequence[Mapping[str, Any]]:
    """The checkpoints that the record names."""
    listed = session.workspace.get("checkpoints")
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _with_checkpoint(session: Session, said: Mapping[str, Any]) -> Session:
    if "checkpoint" not in said:
        return with_workspace(session, snapshot_error=said["snapshot_error"])
    one = {"at": said["checkpoint_at"], "tree": said["checkpoint"]}
    return with_workspace(session, checkpoints=[*noted(session), one])


def live(directory: Path, session: Session, env: Mapping[str, str] = os.environ) -> Taken:
    """A snapshot of now that nothing keeps. Raises WorkspaceError."""
    tree = tree_of(session)
    if tree is None:
        raise WorkspaceError(f"the record of {session.id} does not say where its workspace is")
    return of(directory, env).take(tree, upper=upper_of(session))
