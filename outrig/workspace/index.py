"""The index file of a snapshot: begun as a copy of the user's own, without what hides changes.

A copy has the stat data, so that git need not read 50,000 files to know that they are unchanged.
What it must not keep: gitlinks, and the marks that make git look away (assume-unchanged,
skip-worktree). An index that only the repository itself can read is listed there instead.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from outrig.workspace import waiting
from outrig.workspace.git import Git

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

LARGEST = 1024 * 1024 * 1024  # bytes; the largest known ones have 300 MB
_PLAIN = frozenset((b"H 100644 ", b"H 100755 ", b"H 120000 "))
_GITLINK = b"160000"


def copy(source: str, target: str) -> bool:
    """Copy an index file with its time, by which git tells what may have changed since.

    False where there is none, or where it is no regular file.
    """
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    with os.fdopen(descriptor, "rb") as file:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or state.st_size > LARGEST:
            return False
        Path(target).write_bytes(file.read(state.st_size))  # read() takes what it is told at once
    os.utime(target, ns=(state.st_mtime_ns, state.st_mtime_ns))
    return True


def rebuild(git: Git, source: str, common_dir: str) -> None:
    """Make the index of `git` from the one at `source`, which only its repository can read."""
    assert git.index
    Path(git.index).unlink()
    waiting.refuse(Path(source).parent, Path(common_dir))
    own = Git(git_dir=str(Path(source).parent), path=git.path)
    listed = own("ls-files", "-z", "--stage").split(b"\0")
    update(git, (line for line in listed if line[:6] not in (_GITLINK, b"")))


def odd(entries: Iterable[bytes]) -> list[bytes]:
    """Those of `ls-files -v --stage` that an index of a snapshot must not have."""
    return [line for line in entries if line[:9] not in _PLAIN]


def clear(git: Git, odd: Iterable[bytes]) -> None:
    """Take out gitlinks and marks; entries of a conflict (M) are what a snapshot settles itself."""
    found = [(line[:1], line[2:8], line.partition(b"\t")[2]) for line in odd]
    update(git, (removal(path) for _, mode, path in found if mode == _GITLINK))
    marked = [path for tag, mode, path in found if mode != _GITLINK and tag not in b"HM"]
    if marked:
        named = b"".join(path + b"\0" for path in marked)
        for mark in ("--no-assume-unchanged", "--no-skip-worktree"):
            git("update-index", "-z", mark, "--stdin", stdin=named)


def line(mode: str, blob: str, path: bytes) -> bytes:
    """A line of update() that puts a file in."""
    return f"{mode} {blob}\t".encode() + path


def removal(path: bytes) -> bytes:
    """The line of update() that takes a path out."""
    return b"0 " + b"0" * 40 + b"\t" + path


def update(git: Git, lines: Iterable[bytes]) -> None:
    """Change entries: each is a line(), one of `ls-files --stage`, or a removal()."""
    text = b"".join(line + b"\0" for line in lines)
    if text:
        git("update-index", "-z", "--replace", "--index-info", stdin=text)
