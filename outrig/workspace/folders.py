"""Folders of a tree that an agent wrote: entered by handle, one component after the other.

No link is ever followed, not even one that takes a directory's place while we look. The handle of
the last folder is kept, because neighbours mostly follow each other.
"""

from __future__ import annotations

import contextlib
import os

from outrig.core.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@frozen(kw_only=False)
class Spot:
    """A name in a folder; good until the next one is asked for."""

    folder: int
    name: bytes

    def look(self) -> os.stat_result | None:
        try:
            return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None


class Folders:
    """What is below one directory. A context manager. Paths are bytes, as git names them."""

    def __init__(self, root: Path) -> None:
        self._root = os.open(root, _ENTER)
        self._at: tuple[bytes, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()
        os.close(self._root)

    def spot(self, path: bytes, *, make: bool = False) -> Spot | None:
        """Where a path is, or None if its folder is none (any more); `make` makes what lacks.

        Raises OSError where a folder may not be entered.
        """
        above, _, name = path.rpartition(b"/")
        if not above:
            return Spot(self._root, name)
        if self._at is None or self._at[0] != above:
            self._leave()
            entered = self._enter(above.split(b"/"), make=make)
            if entered is None:
                return None
            self._at = (above, entered)
        return Spot(self._at[1], name)

    def _enter(self, parts: list[bytes], *, make: bool) -> int | None:
        at = os.dup(self._root)
        for part in parts:
            try:
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, dir_fd=at)
                below = os.open(part, _ENTER, dir_fd=at)
            except (FileNotFoundError, NotADirectoryError):  # a link is no directory here
                return None
            finally:
                os.close(at)
            at = below
        return at

    def _leave(self) -> None:
        if self._at is not None:
            os.close(self._at[1])
            self._at = None
