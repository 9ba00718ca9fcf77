"""`outrig undo`: put back what a session changed in the workspace, after showing it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from outrig.cli import opening, output, report
from outrig.cli.opening import GlobalConfig, SessionDir, SessionQuery, SessionRoot
from outrig.core.terminal import one_line
from outrig.errors import OutrigError, UsageError

if TYPE_CHECKING:
    from outrig.runner.undo import Undo
    from outrig.workspace.changes import Change


def undo(  # noqa: PLR0917 - one parameter per option, as typer wants them
    session: SessionQuery = None,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be put back.")
    ] = False,
    redo: Annotated[
        bool, typer.Option("--redo", help="Bring back what an undo took away.")
    ] = False,
    session_dir: SessionDir = None,
    session_root: SessionRoot = None,
    global_config: GlobalConfig = None,
) -> int:
    """Put back what a session changed in your tree.

    outrig undo @last --dry-run

    Nothing is touched where you changed the same files since. Commits are not taken back: this is
    about files. `outrig undo --redo` brings the session's changes back; `outrig diff` shows them.
    """
    from outrig.runner.undo import look

    found = opening.session(session, session_dir, session_root, global_config)
    wanted = look(found.session, found.directory, redo=redo)
    _refuse_conflicts(wanted)
    if not wanted.plan.steps:
        report.notice("nothing to put back")
        return 0
    for step in wanted.plan.steps:
        output.text(f"{_letter(step)} {_name(step.path)}\n")
    if dry_run:
        return 0
    if not yes:
        _ask(len(wanted.plan.steps))
    wanted.carry_out()
    return 0


def _refuse_conflicts(wanted: Undo) -> None:
    conflicts = wanted.plan.conflicts
    if not conflicts:
        return
    for path in conflicts:
        report.say_line(_name(path))
    which = "this file was" if len(conflicts) == 1 else f"these {len(conflicts)} files were"
    raise OutrigError(
        f"{which} changed since, so nothing was touched",
        hint="outrig patch SESSION PATH... | git apply -R --3way, for the rest of them",
    )


def _letter(step: Change) -> str:
    """What happens to the path: it comes back (A), goes (D), or is changed (M)."""
    return step.status if step.status in "AD" else "M"


def _name(path: bytes) -> str:
    return one_line(os.fsdecode(path))


def _ask(count: int) -> None:
    """Raises UsageError where nobody can answer."""
    if not sys.stdin.isatty():
        raise UsageError(
            "undo asks before it writes, and stdin is no terminal",
            hint="to do it without being asked: outrig undo -y",
        )
    sys.stderr.write(f"Put back {'these files' if count > 1 else 'this file'}? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise OutrigError("nothing was touched")
