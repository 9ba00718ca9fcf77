"""What a repository's own config may not put into a session: an agent could have written it.

Whoever names a path that goes through a link in the workspace is refused the same.

| what its `[[workspace.mounts]]` shows, links resolved  | read-only | writable |
|--------------------------------------------------------|-----------|----------|
| a `.git`, something in one, or what has one in it      | left out  | left out |
| what `exclude` hides, whole or in part                 | left out  | left out |
| what `protect` names, whole or in part                 | fine      | left out |
| anything, in a mode that leaves the tree as it is      | fine      | left out |
| anything else in the repository                        | fine      | fine     |

Its `[workspace] path` does not lead into a `.git`, nor into what `protect` names. Who approves the
config approves all of that.
"""

from __future__ import annotations

import os

from outrig.core import ignore
from outrig.core.frozen import frozen
from outrig.errors import WorkspaceError
from outrig.workspace import masks, protect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@frozen
class Guard:
    """Of a workspace; `mode`, `protect` and `exclude` are what is in effect there."""

    root: Path
    mode: str = "bind"
    protect: Sequence[str] = ()
    exclude: Sequence[str] = ()

    def why(self, source: Path, *, writable: bool) -> str | None:
        """Why a resolved source is none that a repository may mount; None: it may."""
        return next(self._reasons(source, writable=writable), None)

    def _reasons(self, source: Path, *, writable: bool) -> Iterator[str]:
        if shows_git(source):
            yield "shows the repository's own .git, its hooks and config"
        hidden = self._hidden(source)
        if hidden is not None:
            yield f"shows {hidden}, which [workspace] exclude hides"
        if not writable:
            return
        if self.mode != "bind":
            yield f"is writable, and --workspace {self.mode} leaves your tree as it is"
        for path in protect.find(str(self.root), self.protect).paths:
            kept = self.root / path
            if source.is_relative_to(kept) or kept.is_relative_to(source):
                yield f"is writable, and [workspace] protect keeps {path} from being written"

    def _hidden(self, source: Path) -> str | None:
        rules = ignore.rules(self.exclude)
        if not rules or not source.is_relative_to(self.root):
            return None
        path = "" if source == self.root else str(source.relative_to(self.root))
        if path and rules.fits_below(path, directory=source.is_dir()):
            return path
        return masks.first(str(source), path, rules) if source.is_dir() else None


def refuse_root(root: Path, within: Path, protected: Sequence[str]) -> None:
    """Raise WorkspaceError for a repository's own `[workspace] path`, resolved."""
    below = [within / path for path in protect.find(str(within), protected).paths]
    if ".git" in root.parts or any(root.is_relative_to(one) for one in below):
        raise WorkspaceError(
            f"[workspace] path of a repository config leads to {root}, which acts on this machine",
            hint="set it in your own config if you trust it",
        )


def shows_git(source: Path) -> bool:
    """Whether this is a `.git`, lies in one, or has one directly in it."""
    return ".git" in source.parts or os.path.lexists(source / ".git")
