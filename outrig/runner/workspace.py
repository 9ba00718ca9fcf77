"""A plan's workspace is made ready: what the container sees of it, and as what.

| mode          | at the target                      | made below `<session>/workspace`       |
|---------------|------------------------------------|----------------------------------------|
| bind, bind-ro | the user's tree, with another .git | git/, scratch/                         |
| overlay       | a layer over it, with another .git | git/, upper/, work/; a volume          |
| worktree      | a checkout                         | tree/; a pin in the user's repository  |
| copy          | a copy                             | tree/                                  |

Everything outside of the session's directory is noted in the record before it is made. Paths of
`protect` are mounted read-only over themselves, those of `exclude` are mounted over with nothing.
"""

from __future__ import annotations

import contextlib
import os
import re
from functools import cached_property
from pathlib import Path

from outrig.core import ignore, naming
from outrig.core.engine import Mount
from outrig.core.frozen import frozen, given
from outrig.core.mounts import inside
from outrig.core.session import with_resource, with_workspace, without_resource
from outrig.core.workspace import SCRATCH
from outrig.errors import EngineError, OutrigError, WorkspaceError
from outrig.runner import volumes
from outrig.runner.own import Own, points
from outrig.workspace import masks, protect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from outrig.core.identity import Identity
    from outrig.core.session import Session
    from outrig.engine import Engine
    from outrig.runner.order import Order
    from outrig.runner.shadow import Git
    from outrig.store.creation import Held
    from outrig.workspace.shadow import Borrowed, Source

PIN = "pin"  # the kind of a resource
ROLE = "workspace"
_NOT_IN_A_BRANCH = r"[^A-Za-z0-9_-]+"


@frozen
class Ready:
    """What the container gets. `fields` go into the record's `workspace`."""

    mounts: tuple[Mount, ...]
    environment: Mapping[str, str] = given(factory=dict)
    notices: tuple[str, ...] = ()
    fields: Mapping[str, Any] = given(factory=dict)


def ready(
    order: Order, held: Held, who: Identity, engine: Engine, undo: contextlib.ExitStack
) -> Ready:
    """Make it; `undo` takes it back. Raises WorkspaceError or EngineError."""
    maker = _Maker(order, held, who, engine, undo)
    if order.resumed is None:  # else it goes back to where it came from
        undo.callback(maker.own.clear)
    match order.plan.isolation.mode:
        case "worktree":
            return maker.worktree()
        case "copy":
            return maker.copy()
        case "overlay":
            return maker.overlay()
        case _:
            return maker.bind()


def unmountable(error: EngineError, order: Order) -> OutrigError:
    """What the engine's refusal to start means: of an overlay, that it cannot mount it."""
    if order.plan.isolation.mode != "overlay" or "mount local volume" not in error.message:
        return error
    return WorkspaceError(
        f"--workspace overlay: the engine cannot mount one here: {error.message}",
        hint="--workspace worktree, or copy",
    )


class _Maker:
    def __init__(
        self,
        order: Order,
        held: Held,
        who: Identity,
        engine: Engine,
        undo: contextlib.ExitStack,
    ) -> None:
        self._order = order
        self._plan = order.plan
        self._place = order.plan.workspace
        self._isolation = order.plan.isolation
        self._held = held
        self._who = who
        self._engine = engine
        self._undo = undo
        self._notices: list[str] = []
        self._protects: tuple[str, ...] = ()
        self._taken = {mount.target for mount in order.mounts}
        self._exclude = ignore.rules(order.plan.isolation.exclude)
        self.own = Own(held.directory, who, again=order.resumed is not None)

    @cached_property
    def _git(self) -> Git:
        from outrig.runner.shadow import Git  # noqa: PLC0415 - many workspaces are no repository

        tell = self._notices.append
        return Git(self._order, self.own, exclude=self._exclude, taken=self._taken, tell=tell)

    # ------------------------------------------------------------------ the modes
    def bind(self) -> Ready:
        """The user's tree itself."""
        writable = self._isolation.mode == "bind"
        tree = Mount(source=self._place.root, target=self._plan.target, writable=writable)
        mounts = [tree, *self._git_mounts(), *self._masked()]
        environment = {}
        if writable:
            mounts += self._protected(self._place.root)
        else:
            mounts.append(self._scratch())
            environment["OUTRIG_SCRATCH"] = SCRATCH
        return self._ready(mounts, environment=environment)

    def overlay(self) -> Ready:
        """A layer over it; the engine mounts that for us."""
        from outrig.workspace import overlay  # noqa: PLC0415 - each mode loads its own

        root = Path(self._place.root)
        self.own.make()
        overlay.refuse(
            root,
            self.own.path,
            rootless=self._engine.facts().rootless,
            mounts=Path("/proc/self/mountinfo").read_text(errors="surrogateescape"),
        )
        volume = f"{naming.container_name(self._held.id)}-tree"
        self._volume(volume, overlay.make(root, self.own.path))
        self.own.hand_over(overlay.UPPER)
        tree = Mount(source=volume, target=self._plan.target, writable=True, volume=True)
        mounts = [tree, *self._git_mounts(), *self._masked(), *self._protected(self._place.root)]
        fields = {"upper": str(self.own.path / overlay.UPPER)}
        return self._ready(mounts, fields=fields)

    def worktree(self) -> Ready:
        """A checkout of its own."""
        from outrig.workspace import worktree  # noqa: PLC0415

        source = self._git.source
        assert source
        base = self._place.head
        if self._isolation.start is not None:
            base = worktree.resolve(source, self._isolation.start, self._order.host_env)
        if base is not None:
            self._pin(source, base)
        if self.own.again:
            return self._found_tree(source)
        what = re.sub(_NOT_IN_A_BRANCH, "-", self._plan.agent or "run")
        branch = f"outrig/{what}/{self._held.id}"
        wanted = worktree.Wanted(
            root=Path(self._place.root),
            source=source,
            base=base,
            branch=branch,
            include=self._isolation.include,
            exclude=self._exclude,
            changes=self._isolation.with_changes,
            settings=self._git.settings(),
            ignored=self._git.ignored(),
            env=self._order.host_env,
            given_away=self._who.uid != os.geteuid(),
        )
        tree = self.own.make("tree")
        with self.own.room_for(tree):
            made = worktree.make(wanted, tree)
        self._notices += made.notices
        mounts = self._own_tree(tree, made.shadow.borrowed)
        fields = {"base": base, "session_branch": branch, "tree": str(tree)}
        return self._ready(mounts, fields=fields)

    def copy(self) -> Ready:
        """A copy of its own; of a repository, with a .git that borrows objects."""
        from outrig.workspace.copy import copy  # noqa: PLC0415

        source = self._git.source
        if self.own.again:
            return self._found_tree(source)
        tree = self.own.make("tree")
        with self.own.room_for(tree):
            without = ".git" if source else ""
            left = copy(Path(self._place.root), tree, exclude=self._exclude, without=without)
        if left:
            self._notices.append(f"{left} sockets, FIFOs or devices are not in the copy")
        borrowed: tuple[Borrowed, ...] = ()
        if source:
            made = self._git.make(source, tree / ".git", None)
            from outrig.workspace import shadow  # noqa: PLC0415 - as above

            shadow.trust_less_of_stat(tree / ".git")
            borrowed = made.borrowed
        return self._ready(self._own_tree(tree, borrowed), fields={"tree": str(tree)})

    def _found_tree(self, source: Source | None) -> Ready:
        """The one that the earlier session left, as it is; what its .git borrows is still there."""
        from outrig.workspace import shadow  # noqa: PLC0415 - as above

        borrowed = shadow.borrowable(source) if source else ()
        return self._ready(self._own_tree(self.own.path / "tree", borrowed))

    def _own_tree(self, tree: Path, borrowed: Iterable[Borrowed]) -> list[Mount]:
        """Given to the session's user, with the places that other mounts need in it."""
        mounted = [(mount.target, Path(mount.source).is_dir()) for mount in self._order.mounts]
        points(tree, self._plan.target, (*mounted, (self._plan.working_dir, True)))
        self.own.hand_over(tree.name)
        mount = Mount(source=str(tree), target=self._plan.target, writable=True)
        return [mount, *self._git.borrowed(borrowed), *self._protected(str(tree))]

    def _ready(
        self,
        mounts: Iterable[Mount],
        *,
        environment: Mapping[str, str] | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> Ready:
        made = tuple(mounts)
        said = {"protected": list(self._protects)} if self._protects else {}
        return Ready(
            mounts=made,
            environment=environment or {},
            notices=tuple(self._notices),
            fields={**said, **(fields or {})},
        )

    def _git_mounts(self) -> list[Mount]:
        return self._git.mounts() if self._place.git_dir is not None else []

    # ------------------------------------------------------------------ outside of the session
    def _pin(self, source: Source, commit: str) -> None:
        from outrig.workspace import worktree  # noqa: PLC0415

        def unpin() -> None:
            with contextlib.suppress(WorkspaceError):
                worktree.unpin(source.common_dir, self._held.id, self._order.host_env)
                self._held.update(lambda session: without_resource(session, attempt))

        attempt = self._note(PIN, worktree.KEEP + self._held.id)
        self._undo.callback(unpin)
        worktree.pin(source, self._held.id, commit, self._order.host_env)

    def _volume(self, name: str, options: Mapping[str, str]) -> None:
        attempt = self._note(volumes.KIND, name)
        self._undo.callback(volumes.release, self._engine, self._held)
        session = self._held.session
        labels = naming.labels(
            session=session.id, root=session.text("root_id"), attempt=attempt, role="helper"
        )
        self._engine.make_volume(name, options, labels)

    def _note(self, kind: str, ref: str) -> str:
        attempt = os.urandom(8).hex()
        self._held.update(
            lambda session: with_resource(session, kind=kind, role=ROLE, ref=ref, attempt=attempt)
        )
        return attempt

    # ------------------------------------------------------------------ the tree
    def _scratch(self) -> Mount:
        self.own.make("scratch")
        self.own.hand_over("scratch")
        return self.own.mount("scratch", SCRATCH)

    def _masked(self) -> Iterable[Mount]:
        target = self._plan.target
        for mask in masks.find(self._place.root, self._exclude):
            if not inside(f"{target}/{mask.path}", self._taken):
                empty = self.own.empty("directory" if mask.directory else "file")
                self._taken.add(f"{target}/{mask.path}")
                yield Mount(source=empty, target=f"{target}/{mask.path}")

    def _protected(self, tree: str) -> Iterable[Mount]:
        """Read-only over themselves; what lies above them cannot be moved away with them."""
        found = protect.find(tree, self._isolation.protect)
        self._protects = found.paths
        target = self._plan.target
        for path in found.paths:
            if not inside(f"{target}/{path}", self._taken):
                yield Mount(source=f"{tree}/{path}", target=f"{target}/{path}")
        if self._isolation.mode != "overlay":  # there the user's own would show
            for path in found.above:
                if not inside(f"{target}/{path}", self._taken):
                    yield Mount(source=f"{tree}/{path}", target=f"{target}/{path}", writable=True)
        self._notices += [
            f"{path} is a symlink and cannot be protected: what it leads to may be written"
            for path in found.links
        ]


def noted(fields: Mapping[str, Any]) -> Callable[[Session], Session]:
    """The change of a record whose workspace has become ready."""
    return lambda session: with_workspace(session, **fields)
