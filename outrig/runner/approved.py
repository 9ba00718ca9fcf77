"""What a configuration names in the workspace, where a session may have written it since.

| named there by                                      | counts                                |
|-----------------------------------------------------|---------------------------------------|
| `security.seccomp`, a word of a secret's `command:` | only byte for byte as it was approved |
| `file:` of a secret, `host-paths`                   | unless links lead out of there        |

That holds whoever names it: also for the user's own config, and for a session that goes on.
What lies outside of the workspace is the user's own, and was written by nobody else.
"""

from __future__ import annotations

import os
from pathlib import Path

from outrig.core import approval
from outrig.core.trust import is_inside
from outrig.errors import ConfigError
from outrig.store import config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from outrig.core.secrets import Secret

_HINT = "put it beside your own config, or let a repository config name it: outrig trust"


def refuse_changed(given: Iterable[Secret], root: Path, seals: Mapping[str, str]) -> None:
    """Raise ConfigError for a secret whose value a session could have had a hand in."""
    for one in given:
        kind, _, rest = one.source.partition(":")
        key = f"secrets.{one.name}.from"
        if kind == "file":
            refuse_escape(key, rest, root)
        for path in approval.words(one.source):
            if _is_in(path, root) and os.path.lexists(path):
                _sealed(key, path, seals)


def refuse_escape(key: str, path: str, root: Path) -> None:
    """Raise ConfigError where what lies in the workspace leads out of it."""
    real = os.path.realpath(path)
    if _is_in(path, root) and not is_inside(real, os.path.realpath(root)):
        raise ConfigError(
            f"{key}: {path} leads to {real}, outside of the workspace {root}",
            hint="a session could have made it do so: name the file itself in your own config",
        )


def profile(path: str | None, root: Path, seals: Mapping[str, str]) -> str | None:
    """A seccomp profile, looked at before the engine gets it. Raises ConfigError."""
    if path is None:
        return None
    import json  # noqa: PLC0415 - rare

    if _is_in(path, root):
        data = _sealed("security.seccomp", path, seals)
    else:
        data = config.read(Path(path), must_exist=True) or b""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("defaultAction"), str):
        raise ConfigError(
            f"security.seccomp: {path} is no seccomp profile",
            hint="a JSON object with a defaultAction, as docker's own profile",
        )
    if found["defaultAction"] == "SCMP_ACT_ALLOW" and not found.get("syscalls"):
        raise ConfigError(f"security.seccomp: {path} allows everything, as no session may")
    return json.dumps(found)


def _is_in(path: str, root: Path) -> bool:
    """By its name, or by where the directory that it is in really is."""
    above = os.path.realpath(os.path.dirname(path))  # noqa: PTH120 - as text
    top = os.path.realpath(root)
    return is_inside(os.path.normpath(path), str(root)) or is_inside(above, top)


def _sealed(key: str, path: str, seals: Mapping[str, str]) -> bytes:
    """What it holds, which is what was approved."""
    data = config.read(Path(os.path.realpath(path)), must_exist=True) or b""
    if seals.get(path) != approval.seal(data):
        raise ConfigError(
            f"{key}: {path} lies in the workspace, where a session could have written it, and is "
            "not what was approved",
            hint=_HINT,
        )
    return data
