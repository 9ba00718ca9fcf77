"""Real repositories for tests, and everything in one as it is, byte by byte."""

from __future__ import annotations

import os
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from outrig.workspace.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Iterator

WHO = {
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "C",
    "GIT_COMMITTER_EMAIL": "c@example.org",
    "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z",
    "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z",
}


@dataclass(frozen=True)
class Tree:
    """A checkout, and git in it as its user runs it."""

    path: Path

    @property
    def git_dir(self) -> Path:
        return self.path / ".git"

    @property
    def repository(self) -> Repository:
        return Repository(git_dir=self.git_dir, env=os.environ)

    def git(self, *argv: str | Path, stdin: str = "") -> str:
        done = subprocess.run(
            ["git", *map(str, argv)],
            cwd=self.path,
            input=stdin,
            env={**os.environ, **WHO},
            capture_output=True,
            check=False,
            text=True,
        )
        assert done.returncode == 0, (argv, done.stderr)
        return done.stdout.rstrip("\n")

    def write(self, **files: str | bytes | None) -> None:
        """`a__b` is a/b, and `a_b` a.b; None removes."""
        for name, text in files.items():
            path = self.path / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink()
            else:
                path.write_bytes(text if isinstance(text, bytes) else text.encode())

    def commit(self, message: str = "x", **files: str | bytes | None) -> str:
        self.write(**files)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def status(self) -> list[str]:
        return self.git("status", "--porcelain", "-uall").splitlines()

    def text(self, name: str, at: str = "HEAD") -> str:
        return self.git("show", f"{at}:{name}")


def made(path: Path) -> Tree:
    path.mkdir(parents=True)
    tree = Tree(path)
    tree.git("init", "-q", "-b", "main")
    return tree


def everything(*tops: Path) -> dict[str, object]:
    """What there is, with modes, contents and times of change; a directory's times left out."""
    return dict(_everything(tops))


def _everything(tops: tuple[Path, ...]) -> Iterator[tuple[str, object]]:
    for top in tops:
        for directory, folders, names in os.walk(top):
            for name in (*folders, *names):
                path = Path(directory, name)
                state = path.lstat()
                if stat.S_ISDIR(state.st_mode):
                    yield str(path), state.st_mode
                elif stat.S_ISLNK(state.st_mode):
                    yield str(path), (state.st_mtime_ns, path.readlink())
                elif not stat.S_ISREG(state.st_mode):
                    yield str(path), state.st_mode
                else:
                    yield str(path), (state.st_mode, state.st_mtime_ns, path.read_bytes())
