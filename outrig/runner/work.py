"""A session's work as commits: what it committed, and one more for what it did not.

The commits come home into `snapshots.git`, a repository of outrig's own (workspace/objects.py);
the rest is what the end snapshot holds and the last commit does not. Of an archived session the
work is one ref in the user's repository, and nothing else is needed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from outrig.core import outcome
from outrig.core.frozen import frozen
from outrig.errors import OutrigError, SessionBusyError, StoreError, WorkspaceError
from outrig.runner import reach
from outrig.store import lock
from outrig.workspace import checkout as checkouts
from outrig.workspace import committer, landing, merge, objects, waiting
from outrig.workspace.merge import Signature
from outrig.workspace.repository import Repository
from outrig.workspace.snapshots import DIRECTORY, END, START, Snapshots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from outrig.core.config import GitConfig
    from outrig.core.session import Session
    from outrig.store.finding import Found

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)
ARCHIVE = "refs/outrig/archive"
_LONG = 64  # digits of a name in a repository of SHA-256


class NoWorkError(OutrigError):
    """Nothing is known of what the session did."""

    kind = "no-work"


@frozen
class Work:
    """What a session did. Commits are in `repository`; base is None where there was none yet."""

    repository: Repository
    scratch: Path  # a directory for what is made on the way; removed with it
    base: str | None
    head: str | None  # the last commit: the session's, or the base
    start: str | None  # trees of the snapshots
    end: str | None
    unread: frozenset[str] = frozenset()

    def result(self, message: str, signature: Signature) -> str | None:
        """Everything, committed or not, as a commit; None where there is nothing at all."""
        if self.start is None or self.end is None:
            return self.head
        git = self.repository
        empty = git.empty_tree()
        tree = merge.rest(
            git,
            head=self.head or empty,
            base=self.base or empty,
            start=self.start,
            end=self.end,
            unread=lambda path: path.decode("utf-8", "replace") in self.unread,
            scratch=self.scratch / "index",
        )
        if tree == (git.tree(self.head) if self.head else empty):
            return self.head
        parents = (self.head,) if self.head else ()
        return merge.commit(git, tree, parents, message, signature)


@contextlib.contextmanager
def held(found: Found) -> Iterator[Session]:
    """The session as it is, ended, and nobody else's while its work is handled.

    Raises SessionBusyError or StoreError.
    """
    reach.ours(found.session)
    if found.store is None:
        raise StoreError(f"the session root of {found.session.id} is gone, and its locks with it")
    try:
        attendance = lock.attend(found.store.root, found.session.id)
    except SessionBusyError:
        raise _running(found.session) from None
    try:
        session = reach.current(found)
        if not session.ended:
            raise _running(session)
        yield session
    finally:
        attendance.close()


def _running(session: Session) -> SessionBusyError:
    return SessionBusyError(
        f"session {session.id} is running", hint=f"outrig wait {session.id}; or outrig stop"
    )


def message(session: Session) -> str:
    """What a commit says that outrig makes of a session's work: the task's first line."""
    task = session.text("task").strip().splitlines()
    first = task[0][:72] if task else f"Work of outrig session {session.id}"
    return f"{first}\n\nOutrig-Session: {session.id}\n"


def signature(config: GitConfig, env: Mapping[str, str]) -> Signature:
    """Who commits. Raises WorkspaceError where nobody is known."""
    who = committer.identity(env)
    for key, value in (("NAME", config.author), ("EMAIL", config.email)):
        if value:
            who[f"GIT_AUTHOR_{key}"] = value
            who.setdefault(f"GIT_COMMITTER_{key}", value)
    lacking = [f"GIT_{role}_{key}" for role in _ROLES for key in _KEYS]
    if any(name not in who for name in lacking):
        raise WorkspaceError(
            "nobody is known who could commit",
            hint='git config --global user.name "NAME"; git config --global user.email ADDRESS',
        )
    return Signature(identity=who, sign=config.sign == "always", env=env)


_ROLES, _KEYS = ("AUTHOR", "COMMITTER"), ("NAME", "EMAIL")

# ---------------------------------------------------------------- where things are


def home_of(session: Session, env: Mapping[str, str]) -> landing.Checkout | None:
    """The user's checkout that the session began in; None where there was no repository.

    Raises WorkspaceError when it is not there any more, is another one now, or keeps git waiting.
    """
    path, common = (session.workspace.get(key) for key in ("path", "common_dir"))
    if not isinstance(path, str) or not isinstance(common, str):
        return None
    found = checkouts.look(Path(path), uid=os.getuid(), trusted=True)
    if found is None or str(found.root) != path or str(found.common_dir) != common:
        raise WorkspaceError(
            f"{path} is no longer a checkout of {common}, as it was when {session.id} began"
        )
    waiting.refuse(found.git_dir, found.common_dir)
    git = Repository(git_dir=found.git_dir, env=env)
    return landing.Checkout(root=found.root, repository=git, common_dir=found.common_dir)


def archived(session: Session, home: landing.Checkout | None) -> str | None:
    """The commit that an archive keeps of it."""
    return home.repository.commit(f"{ARCHIVE}/{session.id}") if home else None


def base_of(session: Session) -> str | None:
    """The commit that it began on; only a commit's name, for the record may be a stranger's."""
    said = text(session, "base")
    return said if said and _COMMIT.fullmatch(said) else None


def text(session: Session, key: str) -> str | None:
    """A fact of the record's workspace."""
    value = session.workspace.get(key)
    return value if isinstance(value, str) and value else None


@contextlib.contextmanager
def gathered(
    session: Session, directory: Path, home: landing.Checkout | None, env: Mapping[str, str]
) -> Iterator[Work]:
    """The session's work, in a place where more can be made of it without a trace.

    Raises NoWorkError, or WorkspaceError for commits that are damaged.
    """
    kept = archived(session, home)
    base = base_of(session)
    if home is not None and kept is not None and not (directory / DIRECTORY).is_dir():
        with _scratch(directory) as scratch:
            bare = _bare(home, scratch / "bare")
            with merge.quarantined(bare, scratch / "objects") as git:
                yield Work(
                    repository=git, scratch=scratch, base=base, head=kept, start=None, end=None
                )
        return
    snapshots = Snapshots(directory / DIRECTORY, env)
    if snapshots.tree(START) is None:
        why = text(session, "snapshot_error") or "it has no snapshots"
        raise NoWorkError(f"nobody can say what session {session.id} did: {why}")
    ours = Repository(git_dir=directory / DIRECTORY, env=env)
    with _scratch(directory) as scratch:
        head = _head(directory, ours, scratch, base) or base
        with merge.quarantined(ours, scratch / "objects") as git:
            yield Work(
                repository=git,
                scratch=scratch,
                base=base,
                head=head,
                start=snapshots.tree(START),
                end=snapshots.tree(END),
                unread=_unread(session),
            )


def _head(directory: Path, ours: Repository, scratch: Path, base: str | None) -> str | None:
    """The last commit of the session's own repository, brought home.

    It has none any more when another session goes on with its workspace; keep() has seen to that.
    """
    git_dir = session_git(directory)
    if git_dir is None:
        return ours.commit("refs/session/HEAD")
    known = [base] if base and ours.commit(base) else []
    return objects.bring_home(git_dir, ours, scratch / "home", known=known).head


def keep(session: Session, directory: Path, env: Mapping[str, str]) -> None:
    """Bring its commits home while its repository is still what it left.

    Raises WorkspaceError for commits that are damaged.
    """
    snapshots = directory / DIRECTORY
    if session_git(directory) is None or Snapshots(snapshots, env).tree(START) is None:
        return
    with _scratch(directory) as scratch:
        ours = Repository(git_dir=snapshots, env=env)
        _head(directory, ours, scratch, base_of(session))


def session_git(directory: Path) -> Path | None:
    """The .git that the session could write; None where it had none of its own."""
    for place in (directory / "workspace/git", directory / "workspace/tree/.git"):
        with contextlib.suppress(OSError):
            if stat.S_ISDIR(place.lstat().st_mode):
                return place
    return None


@contextlib.contextmanager
def _scratch(directory: Path) -> Iterator[Path]:
    """A directory of the session's for what is made on the way. Raises StoreError."""
    scratch = directory / "workspace" / "home"
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        scratch.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise StoreError(f"{scratch} cannot be made: {error.strerror}") from error
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _bare(home: landing.Checkout, git_dir: Path) -> Repository:
    """A repository with no settings but what it must have; the objects are the user's."""
    for name in ("objects/info", "objects/pack", "refs"):
        (git_dir / name).mkdir(parents=True)
    sha256 = len(home.repository.empty_tree()) == _LONG
    config = f"[core]\n\trepositoryFormatVersion = {int(sha256)}\n\tbare = true\n"
    config += "[extensions]\n\tobjectFormat = sha256\n" if sha256 else ""
    (git_dir / "config").write_text(config)
    (git_dir / "HEAD").write_text("ref: refs/heads/none\n")
    env = home.repository.env
    return Repository(git_dir=git_dir, env=env, alternates=(home.common_dir / "objects",))


def _unread(session: Session) -> frozenset[str]:
    """Paths of which the end snapshot lacks what they held."""
    listed = session.workspace.get("skipped")
    named = (
        [one.get("path") for one in listed if isinstance(one, dict)]
        if isinstance(listed, list)
        else []
    )
    return frozenset(one for one in named if isinstance(one, str))


def moved(
    found: Found,
    state: outcome.State,
    *,
    commit: str | None = None,
    into: str | None = None,
    also: Callable[[Session], Session] = lambda session: session,
) -> Session:
    """The record says what became of it."""
    assert found.store is not None
    now = datetime.now(UTC)
    return found.store.update(
        found.session.id,
        lambda session: also(outcome.moved(session, state, at=now, commit=commit, into=into)),
    )
