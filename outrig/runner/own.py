"""What a session's workspace has of its own: the directory `<session>/workspace` and what is in it.

Made when it is wanted, given to the session's user, mounted from there, and cleared as a whole.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from outrig.core.engine import Mount
from outrig.core.mounts import inside
from outrig.errors import OutrigError, WorkspaceError, reason
from outrig.workspace.ownership import hand_over

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from outrig.core.identity import Identity

DIRECTORY = "workspace"


class Own:
    """`again`: the session that this one goes on with has made all of it."""

    def __init__(self, session: Path, who: Identity, *, again: bool) -> None:
        self._session = session
        self._who = who
        self.again = again
        self.path = Path(session) / DIRECTORY

    def make(self, name: str = "") -> Path:
        self.path.mkdir(mode=0o700, exist_ok=True)
        if name:
            (self.path / name).mkdir(mode=0o755, exist_ok=self.again)
        return self.path / name

    def hand_over(self, name: str) -> None:
        """What the session's user has already is never walked through again."""
        if not self.again:
            hand_over(self.path / name, self._who.uid, self._who.gid)

    def mount(self, name: str, target: str) -> Mount:
        return Mount(source=str(self.path / name), target=target, writable=True)

    def empty(self, kind: str) -> str:
        """Something with nothing in it, to be mounted over what is not to be seen."""
        place = self.make() / f"empty-{kind}"
        if kind == "file":
            place.touch(mode=0o444)
        else:
            place.mkdir(mode=0o555, exist_ok=True)
        return str(place)

    @contextlib.contextmanager
    def room_for(self, tree: Path) -> Iterator[None]:
        """What could not be made whole is taken away at once: it may have filled the disk."""
        try:
            yield
        except OSError as error:
            self.clear()
            raise WorkspaceError(f"{tree} cannot be made: {reason(error)}") from error
        except OutrigError:
            self.clear()
            raise

    def clear(self) -> None:
        """Best effort: what stays goes with the session."""
        from outrig.store import tree as trees  # noqa: PLC0415 - only what failed is cleared

        with contextlib.suppress(OSError):
            above = os.open(self._session, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                trees.remove(DIRECTORY, above)
            finally:
                os.close(above)


def points(tree: Path, target: str, wanted: Iterable[tuple[str, bool]]) -> None:
    """What is mounted in a tree of ours finds its place: the engine would make it, as root.

    `wanted` are paths in the container, of directories (True) or files; `target` is the tree's.
    """
    from outrig.workspace.folders import Folders  # noqa: PLC0415 - only for trees of ours

    with Folders(tree) as folders:
        for path, directory in wanted:
            if path == target or not inside(path, (target,)):
                continue
            spot = folders.spot(os.fsencode(os.path.relpath(path, target)), make=True)
            if spot is None:
                raise WorkspaceError(f"{path} leads through a link in the workspace")
            with contextlib.suppress(FileExistsError):
                if directory:
                    os.mkdir(spot.name, 0o755, dir_fd=spot.folder)
                else:
                    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                    os.close(os.open(spot.name, flags, 0o644, dir_fd=spot.folder))
