"""What was probably meant by a name that is not known."""

from __future__ import annotations

from outrig.core import keys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from outrig.core.keys import Path


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like `name`, if one does."""
    from difflib import get_close_matches  # noqa: PLC0415 - 3 ms that only a typing error costs

    return next(iter(get_close_matches(name, list(known), n=1, cutoff=0.6)), None)


def meant(path: Path, siblings: Iterable[str]) -> str | None:
    """The dotted key that an unknown path was meant to be: a neighbour, or the same word elsewhere.

    The second is what happens to a key that was written below the wrong [header].
    """
    name = str(path[-1])
    close = nearest(name, siblings)
    if close:
        return keys.dotted((*path[:-1], close))
    every = [known for known, _ in keys.every()]
    same = next((known for known in every if known[-1] == name), None)
    if same is None and len(path) == 1:
        close = nearest(name, (str(known[-1]) for known in every))
        same = next((known for known in every if known[-1] == close), None)
    return keys.dotted(same) if same else None


def meant_variable(name: str) -> str | None:
    """The OUTRIG_ variable that an unknown one was meant to be."""
    known = [path for path, field in keys.every() if field.shape != "named" and not field.is_table]
    names = [keys.variable(path).removeprefix(keys.VARIABLE) for path in known]
    close = nearest(name.removeprefix(keys.VARIABLE).upper(), names)
    return f"{keys.VARIABLE}{close}" if close else None
