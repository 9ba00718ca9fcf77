"""A file that a user asked for, anywhere on the disk: whole or not at all, and nothing lost for it.

It is written beside its final name and put there when it is complete. Without `force` it takes
the name only if nobody has it, by a link, so that no race can overwrite anything. A link at the
name is replaced, never followed.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from outrig.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO


@contextlib.contextmanager
def written(path: Path, *, force: bool) -> Iterator[TextIO]:
    """A text to write into. Raises StoreError when the name is taken or the disk refuses."""
    target = path.absolute()
    if not force:
        _refuse_existing(target)
    beside = target.with_name(f".outrig-{os.getpid()}-{os.urandom(4).hex()}.tmp")
    try:
        # x: never through a link; the mode is the user's own umask, as for any file they make
        with (
            beside.open("x", encoding="utf-8", errors="replace", newline="\n") as text,
            _removed_in_the_end(beside),
        ):
            yield text
            text.flush()
            os.fsync(text.fileno())
            _put(beside, target, force=force)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from error


def _refuse_existing(target: Path) -> None:
    if os.path.lexists(target):
        raise StoreError(f"{target} exists already", hint="another name, or --force to replace it")


@contextlib.contextmanager
def _removed_in_the_end(beside: Path) -> Iterator[None]:
    try:
        yield
    finally:
        beside.unlink(missing_ok=True)


def _put(beside: Path, target: Path, *, force: bool) -> None:
    if force:
        os.rename(beside, target)
        return
    try:
        os.link(beside, target, follow_symlinks=False)
    except FileExistsError:
        _refuse_existing(target)
    except OSError:  # a file system without hard links: the look before has to do
        _refuse_existing(target)
        os.rename(beside, target)
