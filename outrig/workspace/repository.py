"""Repository: one git repository, worked on by plumbing, with nothing in it that could run asleep.

The commands are those that neither look at a working tree nor convert a file: no hook, monitor,
filter, pager or signing program of anybody's is started, and no object is fetched. `objects` is
where new objects go instead of the repository's own directory, so that a failure leaves none.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING

from outrig.core.frozen import frozen
from outrig.errors import WorkspaceError
from outrig.workspace.git import Git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from outrig.workspace.git import Running

LINK, DIRECTORY, SUBMODULE = "120000", "040000", "160000"

_CHUNK = 1 << 20
_COMMIT = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?\n?", re.ASCII)


@frozen
class Change:
    """A path that differs between two trees; mode and object of each side, None where it is not."""

    path: bytes
    old: tuple[str, str] | None
    new: tuple[str, str] | None


@frozen
class Said:
    """How a command ended."""

    code: int
    stdout: bytes


@frozen
class Repository:
    """`git_dir` belongs to one working tree; its common directory is git's own business."""

    git_dir: Path
    env: Mapping[str, str]  # of this process: PATH is taken from it
    objects: Path | None = None
    alternates: tuple[Path, ...] = ()
    index: Path | None = None
    as_owner: bool = True  # where root works on somebody's repository, git is that somebody

    def git(self, more: Mapping[str, str | None] | None = None) -> Git:
        """Git for it."""
        return Git(
            git_dir=str(self.git_dir),
            path=self.env.get("PATH", os.defpath),
            index=str(self.index) if self.index else None,
            objects=str(self.objects) if self.objects else None,
            alternates=tuple(map(str, self.alternates)),
            variables=more,
            owner=owner(self.git_dir) if self.as_owner else None,
        )

    def run(
        self, *argv: str, stdin: bytes = b"", more: Mapping[str, str | None] | None = None
    ) -> bytes:
        """What a command prints. Raises WorkspaceError with what git said."""
        return self.git(more)(*argv, stdin=stdin)

    def ask(self, *argv: str, accepted: tuple[int, ...] = (0, 1)) -> Said:
        """The same, where a failure is an answer."""
        with self.git().start(*argv) as running:
            stdout = running.answer(accepted=accepted)
            return Said(code=running.process.returncode, stdout=stdout)

    # ------------------------------------------------------------------ objects and refs
    def commit(self, name: str) -> str | None:
        """The commit that a ref or an object's name means; None when there is none."""
        said = self.ask(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
        )
        return said.stdout.decode().strip() if _COMMIT.fullmatch(said.stdout) else None

    def tree(self, name: str) -> str:
        """The tree of a commit, or of itself."""
        return (
            self.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{tree}}")
            .decode()
            .strip()
        )

    def is_ancestor(self, older: str, newer: str) -> bool:
        return self.ask("merge-base", "--is-ancestor", older, newer).code == 0

    def changes(self, old: str, new: str) -> tuple[Change, ...]:
        """What differs between two trees, path by path; nothing is called a rename."""
        raw = self.run("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", old, new)
        return tuple(_changes(raw))

    def count(self, newer: str, older: str | None) -> int:
        """Commits of one that the other has not."""
        without = (f"^{older}",) if older else ()
        return int(self.run("rev-list", "--count", newer, *without))

    def empty_tree(self) -> str:
        """Its name; git knows this one without having it."""
        return self.run("hash-object", "-t", "tree", "--stdin").decode().strip()

    def edit_index(self, changes: Sequence[Change]) -> None:
        """Let the index have these paths as they are on their new side."""
        entries = b"".join(map(_entry, changes))
        if entries:
            self.run("update-index", "-z", "--index-info", stdin=entries)

    @contextlib.contextmanager
    def contents(self) -> Iterator[Callable[[str], Iterator[bytes]]]:
        """A function that gives the bytes of a blob, piece by piece; each is read to its end."""
        with self.git().start("cat-file", "--batch", piped=True) as running:
            yield lambda name: _content(running, name)


def owner(path: Path) -> tuple[int, int] | None:
    """Whose a repository is, if that is not whom this process can be anyway."""
    if os.geteuid() != 0:
        return None
    found = path.stat()
    return (found.st_uid, found.st_gid) if found.st_uid else None


def _content(running: Running, name: str) -> Iterator[bytes]:
    ask, said = running.process.stdin, running.process.stdout
    assert ask is not None
    assert said is not None
    ask.write(name.encode() + b"\n")
    ask.flush()
    head = said.readline().split()
    if len(head) != 3 or head[1] != b"blob":  # noqa: PLR2004 - name, type and size
        raise WorkspaceError(f"the repository has no file content {name}")
    left = int(head[2])
    while left > 0:
        piece = said.read(min(left, _CHUNK))
        if not piece:
            raise WorkspaceError(f"git ended in the middle of {name}")
        left -= len(piece)
        yield piece
    said.read(1)


def _entry(change: Change) -> bytes:
    """For update-index: mode 0 removes."""
    mode, name = change.new or ("0", "0" * len((change.old or ("", ""))[1]))
    return f"{mode} {name}\t".encode() + change.path + b"\0"


def _changes(raw: bytes) -> Iterator[Change]:
    fields = iter(raw.split(b"\0"))
    for head in fields:
        if not head:
            return
        old_mode, new_mode, old, new, _ = head.removeprefix(b":").decode().split(" ")
        yield Change(path=next(fields), old=_side(old_mode, old), new=_side(new_mode, new))


def _side(mode: str, name: str) -> tuple[str, str] | None:
    return None if mode == "000000" else (mode, name)
