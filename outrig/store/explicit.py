"""An explicit session directory (--session-dir): which ones are taken, and which are refused.

| DIR                                             | answer                                     |
|-------------------------------------------------|--------------------------------------------|
| absent                                          | taken; made, with parents                  |
| an empty directory                              | taken                                      |
| a file, or anything else that is no directory   | refused                                    |
| a directory with an earlier session.json        | refused, naming it                         |
| a directory with anything in it, even .gitkeep  | refused                                    |
| in a directory that the session may write       | refused: the session could forge its record|
| in the session root, or around it               | refused: it would be listed as an entry    |

Everything is looked at before anything is written anywhere.
"""

from __future__ import annotations

import os
from pathlib import Path

from outrig.errors import UsageError
from outrig.store.places import RECORD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_HINT = "give --session-dir a directory that is empty or does not exist"


def checked(wanted: Path, *, root: Path, writable: Iterable[Path] = ()) -> Path:
    """The canonical path of an acceptable directory; writes nothing.

    `writable` are the host directories that the session will be able to write.
    """
    path = Path(os.path.realpath(wanted))
    _refuse_content(path, wanted)
    for place in map(os.path.realpath, writable):
        if path.is_relative_to(place):
            raise UsageError(
                f"--session-dir {wanted} lies in {place}, which the session may write",
                hint="put it beside the workspace, or into the CI's temporary directory",
            )
    canonical_root = os.path.realpath(root)
    if path.is_relative_to(canonical_root) or Path(canonical_root).is_relative_to(path):
        raise UsageError(
            f"--session-dir {wanted} and the session root {root} lie in each other",
            hint="leave --session-dir away to keep the session in the session root",
        )
    return path


def refuse_root(root: Path, writable: Iterable[Path]) -> None:
    """Raise UsageError for a session root in a directory that the session may write, or around."""
    canonical = Path(os.path.realpath(root))
    for place in map(os.path.realpath, writable):
        if Path(place).is_relative_to(canonical):
            raise UsageError(
                f"{place} lies in the session root {root}, and the session could write it: "
                "records and logs belong to outrig alone",
                hint="work in a copy elsewhere, or mount it read-only",
            )
        if canonical.is_relative_to(place):
            raise UsageError(
                f"the session root {root} lies in {place}, which the session may write: "
                "it could forge its own record",
                hint="choose another with --session-root DIR or OUTRIG_SESSION_ROOT",
            )


def _refuse_content(path: Path, wanted: Path) -> None:
    try:
        names = os.listdir(path)
    except FileNotFoundError:
        return
    except NotADirectoryError as error:
        raise UsageError(f"--session-dir {wanted} is not a directory", hint=_HINT) from error
    except OSError as error:
        raise UsageError(f"cannot read --session-dir {wanted}: {error.strerror}") from error
    if RECORD in names:
        raise UsageError(f"--session-dir {wanted} already holds a session", hint=_HINT)
    if names:
        raise UsageError(f"--session-dir {wanted} is not empty: {min(names)}", hint=_HINT)
