"""What a session left that could act on the host later: looked for when it has ended, and told.

The tree is looked at before the container starts, beside the start snapshot, and again beside the
end snapshot; of a session whose runner died, whoever comes next does that. What was there before
is kept in the session directory until then, where no container sees it.

A look that fails changes no exit code and no status: the record's `workspace.tamper_error` says
why, and without `workspace.tamper` nobody has looked.
"""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

from outrig.core import tamper as judging
from outrig.errors import OutrigError, reason
from outrig.runner import snapshot
from outrig.workspace import gitlinks, tamper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from outrig.core.session import Session
    from outrig.runner.order import Order
    from outrig.workspace.tamper import Look

_BEFORE = "workspace/before.json"  # only directories in workspace/ are mounted


class _Looking:
    """A look in a thread of its own."""

    def __init__(self, look: Callable[[], Look]) -> None:
        self._look = look
        self._found: Look | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="look", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._found = self._look()
        except (OSError, MemoryError) as error:
            self._error = error

    def outcome(self) -> Look:
        """Wait for it. Raises what it raised."""
        self._thread.join()
        if self._error:
            raise self._error
        assert self._found
        return self._found


class Beginning:
    """The look before the session; the container must not start before outcome()."""

    def __init__(self, order: Order, directory: Path, own_tree: str | None) -> None:
        tree = Path(own_tree or order.plan.workspace.root)
        nothing = order.plan.isolation.mode == "bind-ro"
        self._file = Path(directory) / _BEFORE
        # In a tree of the sessions' own, what an earlier one left is told of this one too: whoever
        # takes the work over takes it from here. In the user's they have been told of it already.
        again = order.resumed is not None and order.plan.isolation.own_tree
        self._found = again and self._file.is_file()
        git = order.plan.workspace.git_dir
        self._index = tree / ".git/index" if own_tree else Path(git) / "index" if git else None
        self._looking = _Looking(
            lambda: (
                tamper.Look(seen=()) if nothing or self._found else tamper.look(tree, since=None)
            )
        )

    def outcome(self) -> dict[str, Any]:
        """What the record shall say: why there was none."""
        return _explained(self._keep)

    def _keep(self) -> dict[str, Any]:
        there = tamper.known(self._looking.outcome())
        if self._index:
            there += [("repository", path) for path in sorted(gitlinks.gitlinks(self._index))]
        if self._found:
            return {}
        self._file.parent.mkdir(mode=0o700, exist_ok=True)
        # What outrig made of the tree itself is older than this, what the session makes is not.
        kept = {"at": time.time_ns(), "known": there}
        self._file.write_text(json.dumps(kept), "ascii")
        return {}


def end(directory: Path, session: Session, env: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The end snapshot, and beside it the look after the session; what the record shall say."""
    looking = _After(Path(directory), session)
    said = snapshot.end(directory, session, env)
    trees = (session.workspace.get("start"), said.get("end"))
    return {**said, **looking.outcome(env, trees)}


class _After:
    """Looking begins at once."""

    def __init__(self, directory: Path, session: Session) -> None:
        self._directory = directory
        self._session = session
        self._said: dict[str, Any] = {}
        self._looking: _Looking | None = None
        self._known: list[tuple[str, str]] = []
        self._said = _explained(lambda: self._begin(session))

    def _begin(self, session: Session) -> dict[str, Any]:
        tree = snapshot.upper_of(session) or snapshot.tree_of(session)
        try:
            kept = json.loads((self._directory / _BEFORE).read_text("ascii"))
        except FileNotFoundError:  # nobody looked before: it never started, or is an old one
            return {}
        if tree is None or session.workspace.get("mode") == "bind-ro":
            return {"tamper": []}
        self._known = [(kind, path) for kind, path in kept["known"]]
        at = int(kept["at"])
        own = _owns_git(session) or ("repository", ".git") not in self._known
        self._looking = _Looking(lambda: tamper.look(tree, since=at, own_git=own))
        return {}

    def outcome(self, env: Mapping[str, str], trees: tuple[object, object]) -> dict[str, Any]:
        looking = self._looking
        if looking is None:
            return self._said
        return _explained(lambda: self._told(looking.outcome(), env, trees))

    def _told(
        self, found: Look, env: Mapping[str, str], trees: tuple[object, object]
    ) -> dict[str, Any]:
        left = [*tamper.planted(found, self._known), *self._gitlinks()]
        named = tamper.named(found)
        start, end = trees
        if isinstance(start, str) and isinstance(end, str) and (start != end or named):
            from outrig.workspace import traces  # noqa: PLC0415 - often nothing has changed

            git = snapshot.of(self._directory, env).git
            if start != end:
                left += traces.between(git, start, end)
            named = [one for one in named if one.kind in judging.HIDDEN]
            held = traces.held(git, end) if named else frozenset()
            named = [one for one in named if one.path not in held]
        return {"tamper": judging.as_field(judging.ordered([*named, *left]))}

    def _gitlinks(self) -> list[judging.Trace]:
        """What the index of the session's repository leads to, and did not before."""
        try:
            found = gitlinks.gitlinks(_index_of(self._directory, self._session))
        except ValueError as error:
            return [judging.Trace(kind="unseen", path=".git/index", what=str(error))]
        new = sorted(path for path in found if ("repository", path) not in self._known)
        return [judging.Trace(kind="repository", path=path, what="a gitlink") for path in new]


def _index_of(directory: Path, session: Session) -> Path:
    """The index that git inside wrote."""
    of = session.workspace
    if of.get("mode") in ("worktree", "copy"):
        return directory / "workspace/tree/.git/index"
    if of.get("git") == "bind":
        return Path(str(of.get("path"))) / ".git/index"
    return directory / "workspace/git/index"


def _owns_git(session: Session) -> bool:
    """Whether the .git at the top of what is looked at is one that the session could write."""
    of = session.workspace
    return of.get("git") == "bind" or of.get("mode") in ("worktree", "copy")


def _explained(act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return act()
    except OutrigError as error:
        return {"tamper_error": error.message}
    except OSError as error:
        return {"tamper_error": reason(error)}
    except (MemoryError, ValueError, KeyError) as error:  # what was kept may be damaged
        return {"tamper_error": f"{type(error).__name__}: {error}"}
