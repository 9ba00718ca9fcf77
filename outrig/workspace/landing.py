"""A commit lands on a branch of the user's: whole, or not at all.

| the branch is                     | then                                                       |
|-----------------------------------|------------------------------------------------------------|
| checked out nowhere               | only the ref moves, if it still is where it was            |
| checked out here                  | index and files of exactly the changed paths move, too     |
| checked out here, something of    | refused with a list; nothing is changed                    |
| these paths is the user's own     |                                                            |
| checked out in another work tree  | refused, naming it                                         |
| in the middle of a rebase, merge  | refused                                                    |

The ref moves last, in a transaction that holds its lock from before the first file moves. Who
dies before it leaves a journal, and the next landing on that checkout puts everything back; who
dies after it has only left the journal. No hook, filter or monitor runs.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING

from outrig.core.frozen import frozen, replace
from outrig.errors import OutrigError, WorkspaceError
from outrig.workspace import journal, moving, overlap
from outrig.workspace.journal import Journal
from outrig.workspace.worktrees import worktrees

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from outrig.workspace.git import Running
    from outrig.workspace.overlap import Entry, Overlap
    from outrig.workspace.repository import Change, Repository
    from outrig.workspace.worktrees import Worktree

    Commit = Callable[[], None]


class OverlapError(OutrigError):
    """What would change here is not as its commit has it."""

    kind = "overlap"

    def __init__(self, message: str, overlaps: tuple[Overlap, ...]) -> None:
        super().__init__(message, hint="commit, stash or move them away, then accept again")
        self.overlaps = overlaps


class BranchMovedError(OutrigError):
    """Somebody moved the branch since it was looked at."""

    kind = "branch-moved"


@frozen
class Checkout:
    """The user's checkout, as it was found before the session."""

    root: Path
    repository: Repository  # of this very working tree
    common_dir: Path


@frozen
class Landing:
    """What shall happen: this branch from here to there. `old` is None for a branch unborn."""

    ref: str
    old: str | None
    new: str
    log: str  # a line of the branch's reflog
    identity: Mapping[str, str]  # who did it
    with_files: bool = True  # False: the files are there already (bind mode)


def land(checkout: Checkout, landing: Landing) -> tuple[Change, ...]:
    """Do it; returns the paths that moved here, none if the branch is not checked out.

    Raises OverlapError, BranchMovedError or WorkspaceError, and then nothing has changed.
    """
    here = _here(checkout, landing.ref)
    if here is None:
        with _moved_ref(checkout, landing) as commit:
            commit()
        return ()
    return _land_here(checkout, landing)


def is_here(checkout: Checkout, ref: str) -> bool:
    """Whether this checkout has the branch. Raises WorkspaceError when another one has it."""
    return _here(checkout, ref) is not None


def settle(checkout: Checkout) -> tuple[bytes, ...]:
    """Finish or take back what a landing left that died; paths that were changed since are left."""
    git_dir = checkout.repository.git_dir
    if not (git_dir / journal.NAME).is_dir():
        return ()
    with journal.alone(git_dir) as place:
        return _settle(checkout, place)


def check(checkout: Checkout, landing: Landing) -> tuple[Change, ...]:
    """What would move here. Raises what land() would raise of it."""
    if _here(checkout, landing.ref) is None:
        return ()
    return _movable(checkout, landing).changes


# ---------------------------------------------------------------- checked out here


@frozen
class _Movable:
    changes: tuple[Change, ...]
    known: Mapping[bytes, Entry]


def _land_here(checkout: Checkout, landing: Landing) -> tuple[Change, ...]:
    git_dir = checkout.repository.git_dir
    with journal.alone(git_dir) as place:
        _settle(checkout, place)
        with journal.locked_index(git_dir), _moved_ref(checkout, landing) as commit:
            found = _movable(checkout, landing)
            _move(checkout, landing, found, place, commit)
            return found.changes


def _move(
    checkout: Checkout, landing: Landing, found: _Movable, place: Path, commit: Commit
) -> None:
    git_dir = checkout.repository.git_dir
    move = Journal(
        ref=landing.ref,
        old=landing.old or "",
        new=landing.new,
        token=os.urandom(4).hex(),
        changes=moving.ordered(found.changes) if landing.with_files else (),
    )
    absent = {path for path, entry in found.known.items() if entry.absent}
    journal.begin(place, move)
    try:
        _write_index(checkout, found, place / "index.new", absent)
        moving.files(checkout.root, place, move, checkout.repository, absent)
        moving.swap_index(git_dir, place)
        commit()
    except BaseException:  # a Ctrl-C, too: what moved goes back first
        moving.back(checkout.root, git_dir, place, move)
        raise
    finally:
        journal.forget(place)


def _movable(checkout: Checkout, landing: Landing) -> _Movable:
    """Raises OverlapError with everything that is in the way."""
    repository = checkout.repository
    changes = repository.changes(landing.old or repository.empty_tree(), landing.new)
    index = repository.git_dir / "index"
    indexed_at = index.stat().st_mtime_ns if index.exists() else 0
    known = overlap.entries(repository)
    overlaps = list(overlap.in_index(known, changes))
    if landing.with_files:
        overlaps += overlap.in_tree(checkout.root, known, changes, indexed_at=indexed_at)
    if overlaps:
        unique = {one.path: one for one in reversed(overlaps)}
        listed = tuple(unique[path] for path in sorted(unique))
        raise OverlapError(
            f"{len(listed)} of the changed paths are your own work in {checkout.root}", listed
        )
    return _Movable(changes=changes, known=known)


def _write_index(checkout: Checkout, found: _Movable, index: Path, absent: set[bytes]) -> None:
    """The user's index with the changed paths replaced: git completes their times when it looks."""
    with contextlib.suppress(FileNotFoundError):
        shutil.copyfile(checkout.repository.git_dir / "index", index)
    own = replace(checkout.repository, index=index)
    if os.geteuid() == 0 and index.exists():
        whose = checkout.repository.git_dir.stat()
        os.chown(index.parent, whose.st_uid, whose.st_gid)
        os.chown(index, whose.st_uid, whose.st_gid)
    own.edit_index(found.changes)
    stay = [one.path for one in found.changes if one.new and one.path in absent]
    if stay:
        names = b"".join(path + b"\0" for path in stay)
        own.run("update-index", "-z", "--skip-worktree", "--stdin", stdin=names)


def _settle(checkout: Checkout, place: Path) -> tuple[bytes, ...]:
    git_dir = checkout.repository.git_dir
    move = journal.read(place)
    left: tuple[bytes, ...] = ()
    if move is not None and checkout.repository.commit(move.ref) != move.new:
        left = moving.back(checkout.root, git_dir, place, move)
    journal.unlock(git_dir)
    journal.forget(place)
    return left


# ---------------------------------------------------------------- the branch


def _here(checkout: Checkout, ref: str) -> Worktree | None:
    for one in worktrees(checkout.common_dir):
        if one.ref != ref:
            continue
        if not _same(one.git_dir, checkout.repository.git_dir):
            raise WorkspaceError(
                f"{_short(ref)} is checked out in another working tree: {one.path}",
                hint="accept into another branch, or let go of it there: git switch --detach",
            )
        if one.under_way:
            raise WorkspaceError(f"{one.under_way} is under way in {one.path}: end it first")
        return one
    return None


@contextlib.contextmanager
def _moved_ref(checkout: Checkout, landing: Landing) -> Iterator[Commit]:
    """The branch's lock is held, and it still is where it was; the value makes it move.

    Whoever goes without calling it lets the branch be.
    """
    git = checkout.repository.git(landing.identity)
    old = landing.old or "0" * len(landing.new)
    with (
        git.start("update-ref", "-m", landing.log, "--stdin", piped=True) as running,
        _ended(running),
    ):
        _say(running, f"start\nupdate {landing.ref} {landing.new} {old}\nprepare\n")
        if not _heard(running, b"start: ok\n", b"prepare: ok\n"):
            raise BranchMovedError(
                f"{_short(landing.ref)} is no longer at {landing.old}, or is locked",
                hint="accept again",
            )

        def commit() -> None:
            _say(running, "commit\n")
            if not _heard(running, b"commit: ok\n"):
                raise BranchMovedError(f"git does not move {_short(landing.ref)}")

        yield commit


@contextlib.contextmanager
def _ended(running: Running) -> Iterator[None]:
    """At the end of its input git lets go of the lock; killed, it would leave it behind."""
    try:
        yield
    finally:
        pipe = running.process.stdin
        assert pipe is not None
        with contextlib.suppress(BrokenPipeError):
            pipe.close()
        running.process.wait()


def _say(running: Running, words: str) -> None:
    pipe = running.process.stdin
    assert pipe is not None
    with contextlib.suppress(BrokenPipeError):  # it has said why
        pipe.write(words.encode())
        pipe.flush()


def _heard(running: Running, *lines: bytes) -> bool:
    pipe = running.process.stdout
    assert pipe is not None
    return all(pipe.readline() == line for line in lines)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _short(ref: str) -> str:
    return ref.removeprefix("refs/heads/")
