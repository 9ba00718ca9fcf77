"""Git, run so that nothing a tree contains can run: its settings, hooks and monitors stay asleep.

Only one question is asked of it: which files of a directory are tracked, or new and not ignored.
The tree may be an agent's work. A plain `git status` in such a tree ran planted programs (tried):
what could start one is switched off here, name by name, and the tests plant each of them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from outrig.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SECONDS = 120  # a FIFO where git expects a file makes it wait for ever

_LISTING = (
    "git",
    "--no-pager",
    "--literal-pathspecs",
    "-c",
    "core.fsmonitor=false",  # a program of the tree's choice that is asked what has changed
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "protocol.allow=never",  # a partial clone fetches what it lacks, by a program it names
    "ls-files",
    "-z",
    "--cached",
    "--others",
    "--exclude-standard",
)
_QUIET = {
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}


def top_level(directory: Path) -> Path | None:
    """The nearest directory upwards with a `.git` in it, a link not counted."""
    for root in (directory, *directory.parents):
        git = root / ".git"
        if (git.is_dir() or git.is_file()) and not git.is_symlink():
            return root
    return None


def files(directory: Path, top: Path, *, env: Mapping[str, str]) -> tuple[str, ...]:
    """What is tracked, or untracked and not ignored, below `directory` in the checkout `top`.

    Paths are relative to `directory`. One that ends in `/` is a repository in the repository; a
    submodule is a path that is a directory. Raises WorkspaceError when git cannot say.
    """
    # Named and not discovered, git does not ask who owns the repository: it need not trust it.
    where = {"GIT_DIR": str(top / ".git"), "GIT_WORK_TREE": str(top)}
    listed = _run(_LISTING, directory, {**_QUIET, **where, "PATH": env.get("PATH", os.defpath)})
    return tuple(os.fsdecode(path) for path in listed.split(b"\0") if path)


def _run(argv: tuple[str, ...], directory: Path, env: Mapping[str, str]) -> bytes:
    import subprocess  # noqa: PLC0415 - 15 ms that a run on a ready image never pays

    try:
        done = subprocess.run(
            argv,
            cwd=directory,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=SECONDS,
        )
    except FileNotFoundError:
        raise WorkspaceError(
            f"git is needed to know which files of {directory} are part of the checkout",
            hint="sudo apt-get install git",
        ) from None
    except subprocess.TimeoutExpired:
        raise WorkspaceError(f"git does not answer within {SECONDS} s in {directory}") from None
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise WorkspaceError(f"git cannot list the files of {directory}: {said}")
    return done.stdout
