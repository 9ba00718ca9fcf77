"""Paths of a tree become lines for the index of a snapshot; what is left out says why."""

from __future__ import annotations

from outrig.workspace import index
from outrig.workspace.blobs import Skipped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from outrig.workspace.blobs import Blobs
    from outrig.workspace.git import Git

_FILES = 500_000  # that one snapshot may add
_NO_LINKS = (b".gitmodules", b".gitattributes", b".gitignore", b".mailmap")


class Recorder:
    """Turns paths into lines for an index."""

    def __init__(self, blobs: Blobs, unread: frozenset[bytes]) -> None:
        self._blobs = blobs
        self._unread = unread
        self.lines: list[bytes] = []
        self.skipped: list[Skipped] = []

    def changed(self, paths: Iterable[bytes]) -> None:
        """Entries of the index: what is there no more is taken out, before anything comes in."""
        lines: list[bytes] = []
        for path in paths:
            found = self._blobs.put(path)
            if isinstance(found, Skipped):
                self.skipped.append(found)
            elif found is None:
                self.lines.append(index.removal(path))
            else:
                lines += [index.removal(path), index.line(found.mode, found.id, path)]
        self.lines += lines

    def new(self, paths: Sequence[bytes]) -> None:
        for path in paths[:_FILES]:
            if path in self._unread:
                self.skipped.append(Skipped(path, "not in the start snapshot either"))
            elif _is_git(path):
                self.skipped.append(Skipped(path, "git records nothing of this name"))
            elif found := self._blobs.put(path):
                if isinstance(found, Skipped):
                    self.skipped.append(found)
                elif found.mode == "120000" and path.lower().endswith(_NO_LINKS):
                    self.skipped.append(Skipped(path, "git records no link of this name"))
                else:
                    self.lines.append(index.line(found.mode, found.id, path))
        self.skip(paths[_FILES:], f"a snapshot adds at most {_FILES} files")

    def skip(self, paths: Iterable[bytes], why: str) -> None:
        self.skipped += (Skipped(path, why) for path in paths)


def heeded(git: Git, paths: Sequence[bytes]) -> list[bytes]:
    """Those of new paths that are not ignored."""
    if not paths:
        return []
    # check-ignore knows no literal paths; one that begins with ./ holds no magic.
    asked = b"".join(b"./" + path + b"\0" for path in paths)
    question = ("--no-literal-pathspecs", "check-ignore", "-z", "--no-index", "--stdin")
    said = git(*question, stdin=asked, accepted=(0, 1, 128))
    ignored = frozenset(said.split(b"\0"))
    return [path for path in paths if b"./" + path not in ignored]


def _is_git(path: bytes) -> bool:
    lower = path.lower()
    return b".git" in lower and b".git" in lower.split(b"/")
