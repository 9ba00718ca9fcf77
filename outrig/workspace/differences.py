"""What differs between a tree and an index: asked of git, which compares stat data and lists names.

Git reads no content to store it, follows no link, and enters no repository in the tree: an index of
ours has no gitlinks, and a nested repository is listed as if it were a tree of its own. About an
empty directory git is not asked.
"""

from __future__ import annotations

import os
from pathlib import Path

from outrig.core.frozen import replace
from outrig.workspace import fifos

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from outrig.workspace.git import Git

_NESTED = 200  # nested repositories that are looked into
_CHANGED = ("diff-files", "-z", "--raw", "--no-renames", "--ignore-submodules=all")
_NEW = ("ls-files", "-z", "--others", "--exclude-standard")
_ALL = (*_NEW, "-v", "--stage")
_OTHER = b"? "  # in _ALL, before what is in no index


class Differences:
    """A context manager: the questions are asked when it is made, the answers fetched later.

    `entries`: those of the index are asked for, too, as `ls-files -v --stage` lists them.
    """

    def __init__(self, git: Git, tree: Path, *, entries: bool = False) -> None:
        self._git = git
        self._tree = tree
        assert git.index
        known = Path(git.index).exists()  # an index that is not there is empty
        self._new = git.start(*(_ALL if entries else _NEW)) if known or _holds(tree) else None
        self._lists_entries = entries
        self._listed: list[bytes] | None = None
        self._changed = git.start(*_CHANGED) if known else None
        self.unlisted: list[bytes] = []  # nested repositories too many

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for running in (self._new, self._changed):
            if running:
                running.__exit__()

    def changed(self) -> list[bytes]:
        """Paths of the index whose file may have changed, or is gone."""
        if self._changed is None:
            return []
        words = fifos.answer(self._changed, self._tree).split(b"\0")
        return sorted(set(words[1::2]))

    def entries(self) -> list[bytes]:
        """Those of the index. Raises WorkspaceError where only its repository can read it."""
        return [line for line in self._answer() if not line.startswith(_OTHER)]

    def _answer(self) -> list[bytes]:
        if self._listed is None:
            said = fifos.answer(self._new, self._tree) if self._new else b""
            self._listed = said.split(b"\0")[:-1]
        return self._listed

    def new(self) -> list[bytes]:
        """Paths that are not in the index and not ignored, those of nested repositories too."""
        listed = self._answer()
        if self._lists_entries:
            listed = [line[len(_OTHER) :] for line in listed if line.startswith(_OTHER)]
        found = [path for path in listed if not path.endswith(b"/")]
        nested = [path for path in listed if path.endswith(b"/")]
        looked = 0
        while nested:
            above = nested.pop()
            if looked == _NESTED:
                self.unlisted.append(above)
                continue
            looked += 1
            for path in self._inside(above):
                (nested if path.endswith(b"/") else found).append(above + path)
        return sorted(found)

    def _inside(self, folder: bytes) -> Sequence[bytes]:
        """What a nested repository holds, listed as if its top were that of the tree."""
        inside = self._tree / os.fsdecode(folder)
        git = replace(self._git, work_tree=str(inside), index=f"{self._git.index}.none")
        with git.start(*_NEW) as running:
            return [path for path in fifos.answer(running, inside).split(b"\0") if path]


def _holds(tree: Path) -> bool:
    """Whether there is anything in it, or nobody can say: then git says why."""
    try:
        with os.scandir(tree) as entries:
            return any(entries)
    except OSError:
        return True
