"""What differs between two snapshots: as a list, as git shows it, as a patch that git takes.

`git diff-tree` in the snapshots' own repository: it has no working tree, so no `.gitattributes` of
the session's is read, and its `info/attributes` says that nothing has a driver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from outrig.core.frozen import frozen
from outrig.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from outrig.workspace.git import Git

_PLAIN = ("diff-tree", "-r", "--no-ext-diff", "--no-textconv", "--no-color-moved")
RENAMES = ("-M", "-l10000")
PATCH = ("-p", "--binary", "--full-index", "--no-color", *RENAMES)
NONE = "000000"  # the mode of what is not there
_CHUNK = 256 * 1024


@frozen
class Change:
    """One path. `old_path` differs from `path` where a file was renamed; counts are of lines."""

    status: str  # A, D, M, R, T
    path: bytes
    old_path: bytes
    old_mode: str
    new_mode: str
    old_id: str
    new_id: str
    added: int | None = None  # None: binary
    deleted: int | None = None


@frozen
class Changes:
    """From one tree to another, in all of it or below some paths."""

    git: Git
    old: str
    new: str
    paths: tuple[bytes, ...] = ()

    def stream(self, *options: str) -> Iterator[bytes]:
        """What git shows of them, as it comes. Raises WorkspaceError."""
        with self.git.start(*_PLAIN, *options, *self._sides()) as running:
            pipe = running.process.stdout
            assert pipe
            while data := pipe.read(_CHUNK):
                yield data
            running.answer()

    def whole(self, *options: str) -> bytes:
        return self.git(*_PLAIN, *options, *self._sides())

    def listed(self, *, renames: bool = True) -> list[Change]:
        """Each path that differs, in the order of names."""
        how = RENAMES if renames else ("--no-renames",)
        counts: dict[bytes, tuple[int | None, int | None]] = {}
        words = iter(self.whole("-z", "--raw", "--no-abbrev", "--numstat", *how).split(b"\0"))
        found: list[tuple[list[str], bytes, bytes]] = []
        for word in words:
            if word.startswith(b":"):
                facts = word[1:].decode("ascii").split(" ")
                old = next(words)
                found.append((facts, old, next(words) if facts[4][0] in "RC" else old))
            elif word:
                added, deleted, name = word.split(b"\t", 2)
                if not name:
                    next(words)
                    name = next(words)
                counts[name] = (_count(added), _count(deleted))
        return [_change(facts, old, new, counts.get(new)) for facts, old, new in found]

    def _sides(self) -> Sequence[str]:
        paths = [path.decode("utf-8", "surrogateescape") for path in self.paths]
        return (self.old, self.new, "--", *paths)


def _count(word: bytes) -> int | None:
    return int(word) if word.isdigit() else None


def _change(
    facts: list[str], old: bytes, new: bytes, counts: tuple[int | None, int | None] | None
) -> Change:
    old_mode, new_mode, old_id, new_id, status = facts
    added, deleted = counts or (None, None)
    return Change(
        status=status[0],
        path=new,
        old_path=old,
        old_mode=old_mode,
        new_mode=new_mode,
        old_id=old_id,
        new_id=new_id,
        added=added,
        deleted=deleted,
    )


class Contents:
    """What blobs hold, asked of one git. A context manager."""

    def __init__(self, git: Git) -> None:
        self._running = git.start("cat-file", "--batch", piped=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._running.__exit__()

    def of(self, blob: str) -> bytes:
        """Raises WorkspaceError when it is not there (any more)."""
        process = self._running.process
        assert process.stdin
        assert process.stdout
        process.stdin.write(blob.encode() + b"\n")
        process.stdin.flush()
        facts = process.stdout.readline().split()
        if len(facts) != 3 or facts[1] != b"blob":  # noqa: PLR2004 - id, type, size
            raise WorkspaceError(f"the object {blob} of a snapshot is gone")
        content = process.stdout.read(int(facts[2]) + 1)
        return content[:-1]
