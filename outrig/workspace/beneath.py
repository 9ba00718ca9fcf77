"""Opening what is beneath a directory without ever following a link.

Everything here may be an agent's work: each component of a path is opened from the handle of the
one before it, a FIFO never blocks, and what is read whole has a size cap.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from outrig.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

LARGEST_TEXT = 1024 * 1024  # bytes of a Dockerfile or .dockerignore

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


def directory(path: Path) -> int:
    """A handle of a directory whose path has no links (any more)."""
    try:
        return os.open(path, _READ | os.O_DIRECTORY)
    except OSError as error:
        raise BuildError(f"cannot read the build context {path}: {error.strerror}") from error


def open_at(folder: int, path: str, flags: int) -> int:
    """A descriptor of `path` below `folder`, no component of which is a link."""
    at = os.dup(folder)
    parts = path.split("/") if path else ["."]
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        try:
            below = os.open(part, _READ | (flags if last else os.O_DIRECTORY), dir_fd=at)
        except OSError as error:
            raise BuildError(
                f"cannot read {path or '.'} of the build context: {error.strerror}",
                hint=leave_out(path),
            ) from error
        finally:
            os.close(at)
        at = below
    return at


def read_text(folder: int, name: str) -> bytes | None:
    """A small regular file, None where there is none."""
    try:
        descriptor = os.open(name, _READ | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        text = file.read(LARGEST_TEXT + 1)
    if len(text) > LARGEST_TEXT:
        raise BuildError(f"{name} is larger than {LARGEST_TEXT} bytes")
    return text


def read_file(path: Path) -> bytes:
    """A small regular file by its path, which has no links (any more)."""
    folder = directory(path.parent)
    try:
        text = read_text(folder, path.name)
    finally:
        os.close(folder)
    if text is None:
        raise BuildError(f"{path} cannot be read, or is no regular file")
    return text


def leave_out(path: str) -> str:
    """The command that keeps a path out of the context."""
    import shlex  # noqa: PLC0415 - only for a failure

    return f"echo {shlex.quote(path)} >> .dockerignore"
