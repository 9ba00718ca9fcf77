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
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outrig.core import gitconfig, ignore, naming
from outrig.core.engine import Mount
from outrig.core.frozen import frozen, given
from outrig.core.mounts import inside
from outrig.core.session import with_resource, with_workspace, without_resource
from outrig.core.workspace import INSIDE, SCRATCH
from outrig.errors import EngineError, OutrigError, WorkspaceError, reason
from outrig.runner import volumes
from outrig.store import tree as trees
from outrig.workspace import masks, protect, rules, shadow, unseen
from outrig.workspace.ownership import hand_over

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from outrig.core.identity import Identity
    from outrig.core.session import Session
    from outrig.engine import Engine
    from outrig.runner.order import Order
    from outrig.store.creation import Held
    from outrig.workspace.shadow import Borrowed, Shadow

GIT = f"{INSIDE}/dir"  # the shadow of a linked worktree, to which its .git file leads
DIRECTORY = "workspace"
PIN = "pin"  # the kind of a resource
ROLE = "workspace"
_NOT_IN_A_BRANCH = re.compile(r"[^A-Za-z0-9_-]+")


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
        undo.callback(_clear, held.directory)
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
        self._again = order.resumed is not None  # what was made for the earlier session is here
        self._held = held
        self._who = who
        self._engine = engine
        self._undo = undo
        self._own = Path(held.directory) / DIRECTORY
        self._notices: list[str] = []
        self._protects: tuple[str, ...] = ()
        self._taken = {mount.target for mount in order.mounts}
        self._exclude = ignore.rules(order.plan.isolation.exclude)

    # ------------------------------------------------------------------ the modes
    def bind(self) -> Ready:
        """The user's tree itself."""
        writable = self._isolation.mode == "bind"
        tree = Mount(source=self._place.root, target=self._plan.target, writable=writable)
        mounts = [tree, *self._git(), *self._masked()]
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
        self._make_own()
        overlay.refuse(
            root,
            self._own,
            rootless=self._engine.facts().rootless,
            mounts=Path("/proc/self/mountinfo").read_text(errors="surrogateescape"),
        )
        volume = f"{naming.container_name(self._held.id)}-tree"
        self._volume(volume, overlay.make(root, self._own))
        self._hand_over(overlay.UPPER)
        tree = Mount(source=volume, target=self._plan.target, writable=True, volume=True)
        mounts = [tree, *self._git(), *self._masked(), *self._protected(self._place.root)]
        fields = {"upper": str(self._own / overlay.UPPER)}
        return self._ready(mounts, fields=fields)

    def worktree(self) -> Ready:
        """A checkout of its own."""
        from outrig.workspace import worktree  # noqa: PLC0415

        source = self._source()
        assert source
        base = self._place.head
        if self._isolation.start is not None:
            base = worktree.resolve(source, self._isolation.start, self._order.host_env)
        if base is not None:
            self._pin(source, base)
        if self._again:
            return self._found_tree(source)
        what = _NOT_IN_A_BRANCH.sub("-", self._plan.agent or "run")
        branch = f"outrig/{what}/{self._held.id}"
        wanted = worktree.Wanted(
            root=Path(self._place.root),
            source=source,
            base=base,
            branch=branch,
            include=self._isolation.include,
            exclude=self._exclude,
            changes=self._isolation.with_changes,
            settings=self._settings(),
            ignored=_ignored(self._order),
            env=self._order.host_env,
            given_away=self._who.uid != os.geteuid(),
        )
        tree = self._make_own("tree")
        with self._room_for(tree):
            made = worktree.make(wanted, tree)
        self._notices += made.notices
        mounts = self._own_tree(tree, made.shadow.borrowed)
        fields = {"base": base, "session_branch": branch, "tree": str(tree)}
        return self._ready(mounts, fields=fields)

    def copy(self) -> Ready:
        """A copy of its own; of a repository, with a .git that borrows objects."""
        from outrig.workspace.copy import copy  # noqa: PLC0415

        source = self._source()
        if self._again:
            return self._found_tree(source)
        tree = self._make_own("tree")
        with self._room_for(tree):
            without = ".git" if source else ""
            left = copy(Path(self._place.root), tree, exclude=self._exclude, without=without)
        if left:
            self._notices.append(f"{left} sockets, FIFOs or devices are not in the copy")
        borrowed: tuple[Borrowed, ...] = ()
        if source:
            made = self._shadow(source, tree / ".git", None)
            shadow.trust_less_of_stat(tree / ".git")
            borrowed = made.borrowed
        return self._ready(self._own_tree(tree, borrowed), fields={"tree": str(tree)})

    def _found_tree(self, source: shadow.Source | None) -> Ready:
        """The one that the earlier session left, as it is; what its .git borrows is still there."""
        borrowed = shadow.borrowable(source) if source else ()
        return self._ready(self._own_tree(self._own / "tree", borrowed))

    def _hand_over(self, name: str) -> None:
        """What the session's user has already is never walked through again."""
        if not self._again:
            hand_over(self._own / name, self._who.uid, self._who.gid)

    def _own_tree(self, tree: Path, borrowed: Iterable[Borrowed]) -> list[Mount]:
        """Given to the session's user, with the places that other mounts need in it."""
        self._points(tree)
        self._hand_over(tree.name)
        mount = Mount(source=str(tree), target=self._plan.target, writable=True)
        return [mount, *self._borrowed(borrowed), *self._protected(str(tree))]

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

    # ------------------------------------------------------------------ outside of the session
    def _pin(self, source: shadow.Source, commit: str) -> None:
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

    @contextlib.contextmanager
    def _room_for(self, tree: Path) -> Iterator[None]:
        """What could not be made whole is taken away at once: it may have filled the disk."""
        try:
            yield
        except OSError as error:
            _clear(self._held.directory)
            raise WorkspaceError(f"{tree} cannot be made: {reason(error)}") from error
        except OutrigError:
            _clear(self._held.directory)
            raise

    def _make_own(self, name: str = "") -> Path:
        self._own.mkdir(mode=0o700, exist_ok=True)
        if name:
            (self._own / name).mkdir(mode=0o755, exist_ok=self._again)
        return self._own / name

    def _points(self, tree: Path) -> None:
        """What is mounted in a tree of ours finds its place: the engine would make it, as root."""
        from outrig.workspace.folders import Folders  # noqa: PLC0415

        targets = [(mount.target, Path(mount.source).is_dir()) for mount in self._order.mounts]
        with Folders(tree) as folders:
            for target, directory in (*targets, (self._plan.working_dir, True)):
                if target == self._plan.target or not inside(target, (self._plan.target,)):
                    continue
                below = os.path.relpath(target, self._plan.target)
                spot = folders.spot(os.fsencode(below), make=True)
                if spot is None:
                    raise WorkspaceError(f"{target} leads through a link in the workspace")
                with contextlib.suppress(FileExistsError):
                    if directory:
                        os.mkdir(spot.name, 0o755, dir_fd=spot.folder)
                    else:
                        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                        os.close(os.open(spot.name, flags, 0o644, dir_fd=spot.folder))

    # ------------------------------------------------------------------ .git
    def _source(self) -> shadow.Source | None:
        place = self._place
        if place.git_dir is None or place.common_dir is None:
            return None
        return shadow.Source(Path(place.git_dir), Path(place.common_dir))

    def _git(self) -> list[Mount]:
        """Of a tree that is the user's own, or shows it."""
        source, target = self._source(), f"{self._plan.target}/.git"
        if source is None or target in self._taken:
            return []
        git = f"{self._place.root}/.git"
        plain = stat.S_ISDIR(os.lstat(git).st_mode)
        if self._isolation.own_tree or self._isolation.git == "shadow":
            return self._shadowed(source, target, plain=plain)
        if not plain:
            raise WorkspaceError(
                f"{self._place.root} is a linked worktree or submodule, and git = "
                f'"{self._isolation.git}" needs a .git directory',
                hint='use git = "shadow", or run outrig in the main checkout',
            )
        if self._isolation.git == "ro":
            return [Mount(source=git, target=target)]
        refuse_programs(source)
        return []

    def _shadowed(self, source: shadow.Source, target: str, *, plain: bool) -> list[Mount]:
        """Over the .git of the tree; where that is a file, a file that leads to the shadow."""
        if self._again:
            borrowed = self._borrowed(shadow.borrowable(source))
        else:
            self._make_own("git")
            made = self._shadow(source, self._own / "git", None if plain else self._plan.target)
            self._hand_over("git")
            borrowed = self._borrowed(made.borrowed)
        if plain:
            return [self._mount("git", target), *borrowed]
        (self._own / "gitfile").write_text(f"gitdir: {GIT}\n")
        file = Mount(source=str(self._own / "gitfile"), target=target)
        return [file, self._mount("git", GIT), *borrowed]

    def _shadow(self, source: shadow.Source, to: Path, work_tree: str | None) -> Shadow:
        made = shadow.make(
            source,
            to,
            work_tree=work_tree,
            settings=self._settings(),
            ignored=_ignored(self._order),
        )
        objects = [one.host for one in made.borrowed]
        unseen.mark(to, self._exclude, objects, self._order.host_env)
        shadow.link(made)
        return made

    def _settings(self) -> dict[str, str]:
        given = self._order.git_settings
        return {name: text for name, text in given.items() if name in gitconfig.GLOBAL}

    def _borrowed(self, borrowed: Iterable[Borrowed]) -> Iterable[Mount]:
        for one in borrowed:
            yield Mount(source=one.host, target=one.inside)
            further = shadow.alternates(one.host)
            lost = [path for path in further if not inside(path, self._taken)]
            if lost:
                import shlex  # noqa: PLC0415 - rare

                # A session could have written that file, so what it names is not mounted; and
                # git inside would complain of it at every command.
                yield Mount(source=self._empty("file"), target=f"{one.inside}/info/alternates")
                self._notices.append(
                    f"git inside lacks the objects that {one.host} borrows from {lost[0]}; "
                    f"-v {shlex.quote(f'{lost[0]}:{lost[0]}')} adds them"
                )

    # ------------------------------------------------------------------ the tree
    def _scratch(self) -> Mount:
        self._make_own("scratch")
        self._hand_over("scratch")
        return self._mount("scratch", SCRATCH)

    def _mount(self, name: str, target: str) -> Mount:
        return Mount(source=str(self._own / name), target=target, writable=True)

    def _empty(self, kind: str) -> str:
        """Something with nothing in it, to be mounted over what is not to be seen."""
        place = self._make_own() / f"empty-{kind}"
        if kind == "file":
            place.touch(mode=0o444)
        else:
            place.mkdir(mode=0o555, exist_ok=True)
        return str(place)

    def _masked(self) -> Iterable[Mount]:
        target = self._plan.target
        for path, directory in masks.find(self._place.root, self._exclude):
            if not inside(f"{target}/{path}", self._taken):
                empty = self._empty("directory" if directory else "file")
                self._taken.add(f"{target}/{path}")
                yield Mount(source=empty, target=f"{target}/{path}")

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


def noted(fields: Mapping[str, Any]) -> Callable[[Session], Session]:
    """The change of a record whose workspace has become ready."""
    return lambda session: with_workspace(session, **fields)


def _clear(directory: Path) -> None:
    """Best effort: what stays goes with the session."""
    with contextlib.suppress(OSError):
        above = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            trees.remove(DIRECTORY, above)
        finally:
            os.close(above)


def _ignored(order: Order) -> bytes:
    """What the user's own git ignores everywhere."""
    return rules.read(rules.own(order.git_settings, order.host_env, order.home))
