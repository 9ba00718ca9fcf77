"""`outrig diff` and `outrig patch`: what a session changed, for people, scripts and `git apply`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from outrig.cli import here, opening, output, report
from outrig.cli.opening import AsJson, GlobalConfig, SessionDir, SessionQuery, SessionRoot
from outrig.core.terminal import Sanitizer, one_line
from outrig.errors import UsageError
from outrig.runner.diff import below, difference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from outrig.store.finding import Found
    from outrig.workspace.changes import Change, Changes

Paths = Annotated[
    list[str] | None,
    typer.Argument(metavar="[PATH]...", help="Only what is below these, of the workspace."),
]
Checkpoint = Annotated[
    int | None, typer.Option("--checkpoint", min=1, metavar="N", help="As of the Nth checkpoint.")
]


def diff(  # noqa: PLR0917 - one parameter per option, as typer wants them
    session: SessionQuery = None,
    paths: Paths = None,
    stat: Annotated[bool, typer.Option("--stat", help="How much changed in each file.")] = False,
    name_only: Annotated[
        bool, typer.Option("--name-only", help="Only the names of changed files.")
    ] = False,
    as_json: AsJson = False,
    checkpoint: Checkpoint = None,
    session_dir: SessionDir = None,
    session_root: SessionRoot = None,
    global_config: GlobalConfig = None,
) -> int:
    """Show what a session changed in its workspace.

    outrig diff @last --stat

    Of one that still runs: what it has changed so far. `outrig patch` prints what `git apply`
    takes, `outrig undo` takes the changes back.
    """
    if stat + name_only + as_json > 1:
        raise UsageError("--stat, --name-only and --json: give one of them")
    found, words = _found(session, paths, session_dir, session_root, global_config)
    changes = _changes(found, words, checkpoint)
    if as_json:
        output.as_json([_as_object(one) for one in changes.listed()])
    elif name_only:
        _show(changes, "--name-only", "--no-renames")
    elif stat:
        _show(changes, f"--stat={output.width() or 80}", "-M", "--summary")
    else:
        _show(changes, "-p", "-M")
    return 0


def patch(  # noqa: PLR0917 - one parameter per option, as typer wants them
    session: SessionQuery = None,
    paths: Paths = None,
    checkpoint: Checkpoint = None,
    session_dir: SessionDir = None,
    session_root: SessionRoot = None,
    global_config: GlobalConfig = None,
) -> int:
    """Print what a session changed as a patch, for `git apply`.

    outrig patch @last | git apply --index

    Binary files, modes, renames and symlinks are in it. To look at it: `outrig diff`.
    """
    from outrig.workspace.changes import PATCH

    found, words = _found(session, paths, session_dir, session_root, global_config)
    pieces = _changes(found, words, checkpoint).stream(*PATCH)
    if sys.stdout.isatty():
        for piece in _harmless(pieces):
            output.text(piece)
        return 0
    for data in pieces:
        output.exact(data)
    return 0


def _found(
    session: str | None,
    paths: list[str] | None,
    session_dir: Path | None,
    session_root: Path | None,
    global_config: Path | None,
) -> tuple[Found, list[str]]:
    """With --session-dir the first word is a path too."""
    words = list(paths or [])
    if session_dir is not None and session is not None:
        words.insert(0, session)
        session = None
    return opening.session(session, session_dir, session_root, global_config), words


def _changes(found: Found, words: list[str], checkpoint: int | None) -> Changes:
    paths = below(found.session, words, here.directory() if words else Path("/"))
    said = difference(found.session, found.directory, paths, checkpoint=checkpoint)
    if said.notice:
        report.notice(one_line(said.notice))
    return said.changes


def _show(changes: Changes, *options: str) -> None:
    if not sys.stdout.isatty():
        for data in changes.stream("--no-color", *options):
            output.exact(data)
        return
    from outrig.cli import pager

    colour = "--no-color" if os.environ.get("NO_COLOR") else "--color=always"
    pager.show(_harmless(changes.stream(colour, *options)))


def _harmless(pieces: Iterable[bytes]) -> Iterator[str]:
    sanitizer = Sanitizer()
    yield from map(sanitizer.feed, pieces)
    yield sanitizer.close()


def _as_object(change: Change) -> dict[str, Any]:
    """A path that is not UTF-8 has its bytes as lone surrogates, as in Python's file names."""
    renamed = change.old_path != change.path
    return {
        "status": change.status,
        "path": os.fsdecode(change.path),
        "old_path": os.fsdecode(change.old_path) if renamed else None,
        "old_mode": None if change.status == "A" else change.old_mode,
        "new_mode": None if change.status == "D" else change.new_mode,
        "binary": change.added is None,
        "added": change.added,
        "deleted": change.deleted,
    }
