"""A plan's workspace is made ready: what the container sees of it, and as what.

Made below `<session>/workspace`, before the container is. Where it lies on the host, the record
says; the target inside is the same in every mode.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outrig.core import gitconfig
from outrig.core.engine import Mount
from outrig.core.frozen import frozen, given
from outrig.core.mounts import inside
from outrig.core.workspace import INSIDE, SCRATCH
from outrig.errors import WorkspaceError
from outrig.workspace import protect, rules, shadow
from outrig.workspace.ownership import hand_over

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from outrig.core.identity import Identity
    from outrig.runner.order import Order
    from outrig.store.creation import Held
    from outrig.workspace.shadow import Shadow

GIT = f"{INSIDE}/dir"  # the shadow of a linked worktree, to which its .git file leads


@frozen
class Ready:
    """What the container gets. `fields` go into the record's `workspace`."""

    mounts: tuple[Mount, ...]
    environment: Mapping[str, str] = given(factory=dict)
    notices: tuple[str, ...] = ()
    fields: Mapping[str, Any] = given(factory=dict)


def ready(order: Order, held: Held, who: Identity) -> Ready:
    """Make it. Raises WorkspaceError; what was made lies in the session's directory."""
    maker = _Maker(order, held, who)
    mode = order.plan.isolation.mode
    if mode in ("bind", "bind-ro"):
        return maker.bind()
    raise WorkspaceError(f"workspace mode {mode} cannot be made here yet")


class _Maker:
    def __init__(self, order: Order, held: Held, who: Identity) -> None:
        self._order = order
        self._plan = order.plan
        self._place = order.plan.workspace
        self._isolation = order.plan.isolation
        self._who = who
        self._own = Path(held.directory) / "workspace"
        self._notices: list[str] = []
        self._taken = {mount.target for mount in order.mounts}

    def bind(self) -> Ready:
        """The user's tree itself."""
        writable = self._isolation.mode == "bind"
        tree = Mount(source=self._place.root, target=self._plan.target, writable=writable)
        mounts = [tree, *self._git()]
        environment = {}
        if writable:
            mounts += self._protected(self._place.root)
        else:
            mounts.append(self._scratch())
            environment["OUTRIG_SCRATCH"] = SCRATCH
        return Ready(mounts=tuple(mounts), environment=environment, notices=tuple(self._notices))

    # ------------------------------------------------------------------ .git
    def _git(self) -> list[Mount]:
        place, target = self._place, f"{self._plan.target}/.git"
        if place.git_dir is None or place.common_dir is None or target in self._taken:
            return []
        git = f"{place.root}/.git"
        plain = stat.S_ISDIR(os.lstat(git).st_mode)
        source = shadow.Source(Path(place.git_dir), Path(place.common_dir))
        if self._isolation.git == "shadow":
            return self._shadowed(source, target, plain=plain)
        if not plain:
            raise WorkspaceError(
                f"{place.root} is a linked worktree or submodule, and git = "
                f'"{self._isolation.git}" needs a .git directory',
                hint='use git = "shadow", or run outrig in the main checkout',
            )
        if self._isolation.git == "ro":
            return [Mount(source=git, target=target)]
        refuse_programs(source)
        return []

    def _shadowed(self, source: shadow.Source, target: str, *, plain: bool) -> list[Mount]:
        """Over the .git of the tree; where that is a file, a file that leads to the shadow."""
        made = self._shadow(source, None if plain else self._plan.target)
        if plain:
            return [self._mount("git", target), *self._borrowed(made)]
        (self._own / "gitfile").write_text(f"gitdir: {GIT}\n")
        file = Mount(source=str(self._own / "gitfile"), target=target)
        return [file, self._mount("git", GIT), *self._borrowed(made)]

    def _shadow(self, source: shadow.Source, work_tree: str | None) -> Shadow:
        self._own.mkdir(mode=0o700, exist_ok=True)
        (self._own / "git").mkdir(mode=0o755)
        settings = {
            name: text
            for name, text in self._order.git_settings.items()
            if name in gitconfig.GLOBAL
        }
        made = shadow.make(
            source,
            self._own / "git",
            work_tree=work_tree,
            settings=settings,
            ignored=rules.read(
                rules.own(self._order.git_settings, self._order.host_env, self._order.home)
            ),
        )
        hand_over(self._own / "git", self._who.uid, self._who.gid)
        self._notices += made.notices
        return made

    def _borrowed(self, made: Shadow) -> Iterable[Mount]:
        for one in made.borrowed:
            yield Mount(source=one.host, target=one.inside)
            further = shadow.alternates(one.host)
            lost = [path for path in further if not inside(path, self._taken)]
            if lost:
                # A session could have written that file, so what it names is not mounted; and
                # git inside would complain of it at every command.
                empty = self._own / "empty"
                empty.touch()
                yield Mount(source=str(empty), target=f"{one.inside}/info/alternates")
                self._notices.append(
                    f"git inside lacks the objects that {one.host} borrows from {lost[0]}; "
                    f"-v {lost[0]}:{lost[0]} adds them"
                )

    # ------------------------------------------------------------------ the tree
    def _scratch(self) -> Mount:
        (self._own / "scratch").mkdir(mode=0o755, parents=True)
        hand_over(self._own / "scratch", self._who.uid, self._who.gid)
        return self._mount("scratch", SCRATCH)

    def _mount(self, name: str, target: str) -> Mount:
        return Mount(source=str(self._own / name), target=target, writable=True)

    def _protected(self, tree: str) -> Iterable[Mount]:
        """Read-only over themselves; what lies above them cannot be moved away with them."""
        found = protect.find(tree, self._isolation.protect)
        target = self._plan.target
        for path in (*found.above, *found.paths):
            if not inside(f"{target}/{path}", self._taken):
                yield Mount(
                    source=f"{tree}/{path}",
                    target=f"{target}/{path}",
                    writable=path not in found.paths,
                )
        self._notices += [
            f"{path} is a symlink and cannot be protected: what it leads to may be written"
            for path in found.links
        ]


def refuse_programs(source: shadow.Source) -> None:
    """Raise WorkspaceError where the repository's own config already makes git run something."""
    bad = [entry for entry in shadow.config_entries(source) if gitconfig.runs_programs(entry)]
    if bad:
        keys = ", ".join(sorted({gitconfig.dotted(entry) for entry in bad}))
        raise WorkspaceError(
            f'git = "bind" would open {source.common_dir}, whose config makes git run programs: '
            f"{keys}",
            hint=f'use git = "shadow", or: git config --unset {gitconfig.dotted(bad[0])}',
        )
