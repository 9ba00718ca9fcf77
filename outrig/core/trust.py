"""What a repository's config may not do: the agent could have written it.

| trust of the key   | from the repo's config.toml or config.local.toml                          |
|--------------------|---------------------------------------------------------------------------|
| repo               | anything                                                                  |
| repo-inside        | a path inside the repository, in no .git; its links are judged later      |
| repo-no-references | a text, but no ${VAR}                                                     |
| narrower           | at most what system and global config, or the default, already allow      |
| adds               | anything: it is added to what the layers below say, and takes nothing     |
| trusted, global    | nothing                                                                   |

What becomes of what it may not say is in core/repository.py; approved, it may say it. Each
function returns the reason for a refusal, to be put after the place, or None.
"""

from __future__ import annotations

from outrig.core import keys
from outrig.core.reference import reference
from outrig.core.value import written

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from outrig.core.keys import Field, Path

# How much a word allows. A worktree shows no ignored file, and a shadow no .git/config with its
# tokens. What is no word is a number, where more is wider and None is no bound at all.
_WIDTHS: Mapping[str, int] = {
    "none": 0,
    "filter": 1,
    "audit": 2,
    "open": 3,
    "bridge": 4,
    "worktree": 0,
    "bind-ro": 1,
    "overlay": 1,
    "copy": 1,
    "shadow": 0,
    "ro": 1,
    "bind": 2,  # as a mode, and as whose .git it is
}


def refusal(path: Path, field: Field, value: Any, *, root: str, allowed: str) -> str | None:
    """Why a repository may not set this key to this value, whatever the other layers say.

    `allowed` is the file that may set it.
    """
    shown = keys.dotted(path)
    match field.about["trust"]:
        case "repo-inside" if (own := _in_git(value)) is not None:
            return (
                f"{shown} is {keys.literal(own)}, in a .git of the repository; "
                f"that may be set only {ways(path, field, allowed)}"
            )
        case "trusted" | "global":
            return f"{shown} may not be set by a repository, only {ways(path, field, allowed)}"
        case "repo-inside" if (outside := _outside(value, root)) is not None:
            return (
                f"{shown} is {keys.literal(outside)}, outside the repository {root}; "
                f"that may be set only {ways(path, field, allowed)}"
            )
        case "repo-no-references" if (variable := reference(value)) is not None:
            return (
                f"{shown} refers to ${{{variable}}} of this machine's environment; a repository "
                f"may not, that may be set only {ways(path, field, allowed)}"
            )
    return None


def widening(
    path: Path, field: Field, value: Any, *, bound: Any, bound_by: str, allowed: str
) -> str | None:
    """Why a repository may not set a limit so high: `bound` is what the trusted layers say."""
    if not is_wider(value, bound):
        return None
    return (
        f"{keys.dotted(path)} = {keys.literal(written(field, value))} is wider than "
        f"{keys.literal(written(field, bound))} ({bound_by}); a repository may only tighten it, "
        f"more may be set only {ways(path, field, allowed)}"
    )


def is_wider(value: Any, bound: Any) -> bool:
    """Whether `value` allows more than `bound`. None allows what there is: nothing is wider.

    A switch that is on is tighter, and an array is wider by what the other one lacks.
    """
    if bound is None:
        return False
    if value is None:
        return True
    if isinstance(bound, bool):
        return bound and not value
    if isinstance(bound, tuple):
        return not set(value) <= set(bound)
    if isinstance(bound, str):
        return _WIDTHS[value] > _WIDTHS[bound]
    return bool(value > bound)


def ways(path: Path, field: Field, allowed: str) -> str:
    """How a trusted person sets a key: in FILE, by OUTRIG_X or with --flag."""
    found = [f"in {allowed}"]
    top = keys.find(path[:1])
    if top is not None and top.shape != "named":
        listed = next((at for at, part in enumerate(path) if isinstance(part, int)), len(path))
        found.append(f"by {keys.variable(path[:listed])}")
    if field.about.get("flag"):
        found.append(f"with {field.about['flag']}")
    return f"{', '.join(found[:-1])} or {found[-1]}" if found[1:] else found[0]


def is_inside(path: str, root: str) -> bool:
    """Whether a clean absolute path is `root` or below it."""
    return path == root or path.startswith(root.rstrip("/") + "/")


def _in_git(value: Any) -> str | None:
    paths = value if isinstance(value, tuple) else (value,)
    return next((path for path in paths if ".git" in path.split("/")), None)


def _outside(value: Any, root: str) -> str | None:
    paths = value if isinstance(value, tuple) else (value,)
    return next((path for path in paths if not is_inside(path, root)), None)
