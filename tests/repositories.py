"""Git repositories for tests, made by a plain git, and what a hostile one can plant."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

WHO = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
# Settings that make git start a program; each with the arguments that its value may be put into.
PROGRAMS = (
    "core.fsmonitor",
    "core.pager",
    "core.editor",
    "core.sshCommand",
    "core.askPass",
    "core.alternateRefsCommand",
    "credential.helper",
    "diff.external",
    "gpg.program",
    "filter.x.clean",
    "filter.x.smudge",
    "filter.x.process",
    "diff.x.textconv",
    "diff.x.command",
    "merge.x.driver",
    "uploadpack.packObjectsHook",
)
HOOKS = (
    "applypatch-msg",
    "fsmonitor-watchman",
    "post-checkout",
    "post-commit",
    "post-index-change",
    "pre-commit",
    "reference-transaction",
)


def git(*argv: str | Path, cwd: Path, **how) -> bytes:
    done: subprocess.CompletedProcess[bytes] = subprocess.run(
        ["git", *WHO, *map(str, argv)], cwd=cwd, check=True, capture_output=True, **how
    )
    return done.stdout


def made(top: Path, **files: str) -> Path:
    """A repository with one commit of these files, `__` for a slash."""
    top.mkdir(parents=True, exist_ok=True)
    git("init", "-q", "-b", "main", cwd=top)
    for name, text in (files or {"tracked": "1\n"}).items():
        path = top / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git("add", "-f", ".", cwd=top)
    git("commit", "-q", "-m", "first", cwd=top)
    return top


class Canary:
    """A program that leaves a mark when it runs.

    It calls cat by its path: by name it called itself where another canary is a cat, for ever.
    """

    def __init__(self, top: Path) -> None:
        self.program = top / "canary"
        self.mark = top / "sang"
        self.program.write_text(f'#!/bin/sh\necho "$0 $*" >> {self.mark}\n/bin/cat\n')
        self.program.chmod(0o755)

    def sang(self) -> str:
        return self.mark.read_text() if self.mark.exists() else ""

    def plant(self, repository: Path) -> None:
        """Settings, hooks, attributes and an include that would start it."""
        for key in PROGRAMS:
            git("config", key, self.program, cwd=repository)
        more = self.program.with_name("included")
        more.write_text(f"[core]\n\tfsmonitor = {self.program}\n")
        git("config", "include.path", more, cwd=repository)
        hooks = repository / ".git/hooks"
        hooks.mkdir(exist_ok=True)
        for name in HOOKS:
            (hooks / name).write_bytes(self.program.read_bytes())
            (hooks / name).chmod(0o755)
        (repository / ".gitattributes").write_text("* filter=x diff=x merge=x\n")


def listing(top: Path) -> dict[bytes, tuple[str, bytes]]:
    """Every file and link of a tree but `.git`: kind or executable bit, and content."""
    found: dict[bytes, tuple[str, bytes]] = {}
    for folder, folders, names in os.walk(os.fsencode(top)):
        folders[:] = [name for name in folders if name != b".git"]
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in (*names, *links):
            path = os.path.join(folder, name)
            key = os.path.relpath(path, os.fsencode(top))
            if os.path.islink(path):
                found[key] = ("link", os.readlink(path))
            elif os.path.isfile(path):
                kind = "program" if os.stat(path).st_mode & 0o100 else "file"
                with open(path, "rb") as file:
                    found[key] = (kind, file.read())
    return found
