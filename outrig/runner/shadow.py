"""Which .git a session sees, and what that borrows of the user's.

| git    | over the tree's .git                                       |
|--------|------------------------------------------------------------|
| shadow | one of its own; where that is a file, one that leads to it |
| ro     | itself, read-only                                          |
| bind   | nothing, unless its config already makes git run programs  |

A tree of the session's own, or a layer over the user's, has a shadow whatever `git` says.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from outrig.core import gitconfig
from outrig.core.engine import Mount
from outrig.core.mounts import inside
from outrig.core.workspace import INSIDE
from outrig.errors import WorkspaceError
from outrig.workspace import rules, shadow, unseen

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from outrig.core.ignore import Rules
    from outrig.runner.order import Order
    from outrig.runner.own import Own
    from outrig.workspace.shadow import Borrowed, Shadow, Source

_LED_TO = f"{INSIDE}/dir"  # the shadow of a linked worktree, to which its .git file leads


class Git:
    """Of one session. `taken` are targets of the user's own mounts; `tell` says what is lost."""

    def __init__(
        self,
        order: Order,
        own: Own,
        *,
        exclude: Rules,
        taken: Collection[str],
        tell: Callable[[str], None],
    ) -> None:
        self._order = order
        self._plan = order.plan
        self._own = own
        self._exclude = exclude
        self._taken = taken
        self._tell = tell
        place = order.plan.workspace
        self.source: Source | None = None
        if place.git_dir is not None and place.common_dir is not None:
            self.source = shadow.Source(Path(place.git_dir), Path(place.common_dir))

    def mounts(self) -> list[Mount]:
        """Over that of a tree that is the user's own, or shows it."""
        source, target = self.source, f"{self._plan.target}/.git"
        if source is None or target in self._taken:
            return []
        root, isolation = self._plan.workspace.root, self._plan.isolation
        git = f"{root}/.git"
        plain = stat.S_ISDIR(os.lstat(git).st_mode)
        if isolation.own_tree or isolation.git == "shadow":
            return self._shadowed(source, target, plain=plain)
        if not plain:
            raise WorkspaceError(
                f'{root} is a linked worktree or submodule, and git = "{isolation.git}" needs a '
                ".git directory",
                hint='use git = "shadow", or run outrig in the main checkout',
            )
        if isolation.git == "ro":
            return [Mount(source=git, target=target)]
        _refuse_programs(source)
        return []

    def _shadowed(self, source: Source, target: str, *, plain: bool) -> list[Mount]:
        """Over the .git of the tree; where that is a file, a file that leads to the shadow."""
        if self._own.again:
            borrowed = self.borrowed(shadow.borrowable(source))
        else:
            self._own.make("git")
            work_tree = None if plain else self._plan.target
            made = self.make(source, self._own.path / "git", work_tree)
            self._own.hand_over("git")
            borrowed = self.borrowed(made.borrowed)
        if plain:
            return [self._own.mount("git", target), *borrowed]
        (self._own.path / "gitfile").write_text(f"gitdir: {_LED_TO}\n")
        file = Mount(source=str(self._own.path / "gitfile"), target=target)
        return [file, self._own.mount("git", _LED_TO), *borrowed]

    def make(self, source: Source, to: Path, work_tree: str | None) -> Shadow:
        made = shadow.make(
            source,
            to,
            work_tree=work_tree,
            settings=self.settings(),
            ignored=self.ignored(),
        )
        objects = [one.host for one in made.borrowed]
        unseen.mark(to, self._exclude, objects, self._order.host_env)
        shadow.link(made)
        return made

    def settings(self) -> dict[str, str]:
        """Of the user's own git, those that a session's may have."""
        given = self._order.git_settings
        return {name: text for name, text in given.items() if name in gitconfig.GLOBAL}

    def ignored(self) -> bytes:
        """What the user's own git ignores everywhere."""
        order = self._order
        return rules.read(rules.own(order.git_settings, order.host_env, order.home))

    def borrowed(self, objects: Iterable[Borrowed]) -> Iterable[Mount]:
        for one in objects:
            yield Mount(source=one.host, target=one.inside)
            further = shadow.alternates(one.host)
            lost = [path for path in further if not inside(path, self._taken)]
            if lost:
                import shlex  # noqa: PLC0415 - rare

                # A session could have written that file, so what it names is not mounted; and
                # git inside would complain of it at every command.
                yield Mount(source=self._own.empty("file"), target=f"{one.inside}/info/alternates")
                self._tell(
                    f"git inside lacks the objects that {one.host} borrows from {lost[0]}; "
                    f"-v {shlex.quote(f'{lost[0]}:{lost[0]}')} adds them"
                )


def _refuse_programs(source: Source) -> None:
    """Raise WorkspaceError where the repository's own config already makes git run something."""
    bad = [entry for entry in shadow.config_entries(source) if gitconfig.runs_programs(entry)]
    if bad:
        keys = ", ".join(sorted({gitconfig.dotted(entry) for entry in bad}))
        raise WorkspaceError(
            f'git = "bind" would open {source.common_dir}, whose config makes git run programs: '
            f"{keys}",
            hint=f'use git = "shadow", or: git config --unset {gitconfig.dotted(bad[0])}',
        )
