"""Who commits inside a session, and how line ends are kept: as the user's own git would do.

Asked of git itself, for its includes and XDG places are its own business, but of its global
configuration only and from the root directory: nothing that a repository says is looked at. Where
there is no such file, git is not started to say so.
"""

from __future__ import annotations

import contextlib
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence
    from typing import Self

_PASSED = ("HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL")
_ARGV = (
    *("git", "config", "--global", "--includes", "-z"),
    *("--get-regexp", r"^(user\.(name|email)|core\.(autocrlf|eol|safecrlf|excludesfile))$"),
)


class Question:
    """Asked when it is made, answered when somebody wants to know: git runs meanwhile.

    A context manager, so that git is waited for even when nobody wants to know any more.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        clean = {name: env[name] for name in _PASSED if name in env}
        clean |= {"PATH": env.get("PATH", os.defpath), "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
        self._git = _started(clean) if any(map(os.path.exists, _files(clean))) else None
        self._known: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._git is not None:
            self._git.communicate()

    def identity(self) -> dict[str, str]:
        """GIT_AUTHOR_* and GIT_COMMITTER_*; empty where the user has no identity."""
        configured = self._configured()
        found: dict[str, str] = {}
        for role in ("AUTHOR", "COMMITTER"):
            for field in ("NAME", "EMAIL"):
                value = self._env.get(f"GIT_{role}_{field}") or configured.get(
                    f"user.{field.lower()}"
                )
                if value:
                    found[f"GIT_{role}_{field}"] = value
        return found

    def settings(self) -> dict[str, str]:
        """core.* of the user's own config that says what `git status` finds."""
        return {name: text for name, text in self._configured().items() if name[:5] == "core."}

    def _configured(self) -> dict[str, str]:
        if self._git is None:
            return self._known
        said, _ = self._git.communicate()
        self._git = None
        pairs = (entry.partition("\n") for entry in said.decode("utf-8", "replace").split("\0"))
        self._known = {name: value or "true" for name, _, value in pairs if name}
        return self._known


def _files(env: Mapping[str, str]) -> Sequence[str]:
    """Where git looks for its global configuration."""
    if "GIT_CONFIG_GLOBAL" in env:
        return (env["GIT_CONFIG_GLOBAL"],)
    home = env.get("HOME", "")
    return (f"{home}/.gitconfig", f"{env.get('XDG_CONFIG_HOME') or f'{home}/.config'}/git/config")


def _started(env: Mapping[str, str]) -> subprocess.Popen[bytes] | None:
    import subprocess  # noqa: PLC0415 - 3 ms

    with contextlib.suppress(FileNotFoundError):  # no git, no identity
        return subprocess.Popen(
            _ARGV,
            env=env,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    return None


def identity(env: Mapping[str, str]) -> dict[str, str]:
    """Ask and wait for the answer."""
    with Question(env) as question:
        return question.identity()
