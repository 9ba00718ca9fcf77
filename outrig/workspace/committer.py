"""Who commits inside a session: the name and e-mail that the user's own git would use.

Asked of git itself, for its includes and XDG places are its own business, but of its global
configuration only and from the root directory: nothing that a repository says is looked at.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_PASSED = ("HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL")


def identity(env: Mapping[str, str]) -> dict[str, str]:
    """GIT_AUTHOR_* and GIT_COMMITTER_* for a session; empty where the user has no identity."""
    configured = _configured(env)
    found: dict[str, str] = {}
    for role in ("AUTHOR", "COMMITTER"):
        for field in ("NAME", "EMAIL"):
            value = env.get(f"GIT_{role}_{field}") or configured.get(f"user.{field.lower()}")
            if value:
                found[f"GIT_{role}_{field}"] = value
    return found


def _configured(env: Mapping[str, str]) -> dict[str, str]:
    import subprocess  # noqa: PLC0415 - 15 ms that `outrig ls` never pays

    clean = {name: env[name] for name in _PASSED if name in env}
    clean |= {"PATH": env.get("PATH", os.defpath), "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
    argv = (
        "git",
        "config",
        "--global",
        "--includes",
        "-z",
        "--get-regexp",
        r"^user\.(name|email)$",
    )
    try:
        done = subprocess.run(
            argv, env=clean, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    except FileNotFoundError:
        return {}
    pairs = (entry.partition("\n") for entry in done.stdout.decode("utf-8", "replace").split("\0"))
    return {name: value for name, _, value in pairs if name}
