"""`outrig accept`: take a session's work over, onto a branch of yours."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outrig.cli import here, opening, output, report
from outrig.cli.completion import complete_session
from outrig.cli.opening import AsJson, GlobalConfig, SessionDir, SessionRoot
from outrig.core.listing import number
from outrig.core.terminal import one_line
from outrig.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from outrig.runner.accepted import Accepted
    from outrig.workspace.merge import How
    from outrig.workspace.repository import Change

SUBMODULE = "160000"  # the mode of a link to another repository's commit
_MOST = 20  # paths named of a list
Session = Annotated[
    str | None,
    typer.Argument(
        metavar="SESSION",
        autocompletion=complete_session,
        help="Id, name, unique part of an id, or @last.",
    ),
]


def accept(  # noqa: PLR0917 - one parameter per option, as typer wants them
    session: Session = None,
    into: Annotated[
        str | None,
        typer.Option("--into", metavar="BRANCH", help="Not the branch that it began on."),
    ] = None,
    merge: Annotated[
        bool, typer.Option("--merge", help="Always a merge commit, not only where it must be.")
    ] = False,
    squash: Annotated[bool, typer.Option("--squash", help="One commit.")] = False,
    ff: Annotated[bool, typer.Option("--ff", help="Only if the branch has nothing new.")] = False,
    message: Annotated[
        str | None,
        typer.Option("-m", "--message", help="What the commits say that outrig makes."),
    ] = None,
    path: Annotated[
        list[str] | None,
        typer.Option("--path", metavar="PATH", help="Only this, in one commit; may be repeated."),
    ] = None,
    resolve: Annotated[
        bool, typer.Option("--resolve", help="Lay a conflict out in a working tree of its own.")
    ] = False,
    place: Annotated[
        Path | None,
        typer.Option("--in", metavar="DIR", help="Where; in the session's directory if left out."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would arrive, or why not; do nothing.")
    ] = False,
    as_json: AsJson = False,
    session_dir: SessionDir = None,
    session_root: SessionRoot = None,
    global_config: GlobalConfig = None,
) -> int:
    """Take a session's work over, onto the branch that it began on.

    Commits and what was left uncommitted arrive, whole or not at all.

    outrig accept @last

    Look at it first with `outrig diff`; `outrig discard` throws it away.
    """
    from outrig.runner import accept as accepting
    from outrig.runner import work
    from outrig.runner.accepted import Wish
    from outrig.workspace.landing import OverlapError
    from outrig.workspace.merge import ConflictError

    found = opening.session(_named(session, session_dir), session_dir, session_root, global_config)
    wish = Wish(
        into=into,
        how=_how(merge=merge, squash=squash, ff=ff),
        message=message,
        paths=tuple(map(_path, path or ())),
        dry_run=dry_run,
        resolve=_place(place, found.directory, wanted=resolve),
    )
    config = opening.own_config(global_config, skip_global=session_root is not None).git
    signature = work.signature(config, os.environ)
    try:
        done = accepting.accept(found, wish, signature=signature, env=os.environ)
    except (ConflictError, OverlapError) as error:
        if not as_json:
            say_paths(error)
        raise
    if as_json:
        output.as_json(as_object(done, dry_run=dry_run))
    else:
        _say(done, dry_run=dry_run)
    return 0


def say_paths(error: Any) -> None:
    """What is in conflict, or in the way, a line each."""
    overlaps = getattr(error, "overlaps", ())
    rows = [f"{_shown(one.path)} ({one.why})" for one in overlaps]
    _list(rows or [_shown(one) for one in error.paths])


def as_object(done: Accepted, *, dry_run: bool) -> dict[str, Any]:
    return {
        "id": done.session.id,
        "into": done.into,
        "commit": done.commit,
        "commits": done.commits,
        "paths": [_shown(one.path) for one in done.changes],
        "checked_out": done.here,
        "uncommitted": done.uncommitted,
        "already": done.already,
        "open": done.open,
        "dry_run": dry_run,
    }


def _say(done: Accepted, *, dry_run: bool) -> None:
    _list([f"{_letter(one.old, one.new)} {_shown(one.path)}{_link(one)}" for one in done.changes])
    report.notice(one_line(_summary(done, dry_run=dry_run)))
    later = done.session.text("resumed_by")
    if later:
        report.notice(f"it went on as {later}, which has more: outrig accept {later}")
    if done.left:
        report.notice(one_line(done.left))
    if done.open:
        report.notice(f"{done.session.id} holds more than that, and stays open")
    if not dry_run:
        output.text(f"{done.commit or done.into}\n")


def _summary(done: Accepted, *, dry_run: bool) -> str:
    paths = number(len(done.changes), "path")
    if done.already:
        said = f"{done.into} has it all already"
    elif done.commit is None:
        said = f"{paths} {'would change' if dry_run else 'changed'} in {done.into}"
    else:
        verb = "would arrive" if dry_run else "arrived"
        said = f"{number(done.commits, 'commit')} {verb} on {done.into}: {paths}"
    if done.uncommitted:
        stay = "stays" if done.uncommitted == 1 else "stay"
        said += f"; {number(done.uncommitted, 'path')} {stay} uncommitted in your tree"
    return said


def _letter(old: object, new: object) -> str:
    return "A" if old is None else "D" if new is None else "M"


def _link(change: Change) -> str:
    """What the snapshots do not show: a commit of another repository in the place of files."""
    if change.new is None or change.new[0] != SUBMODULE:
        return ""
    return f" (a submodule, at {change.new[1][:12]})"


def _list(rows: Iterable[str]) -> None:
    rows = list(rows)
    for row in rows[:_MOST]:
        report.say_line(f"  {one_line(row)}")
    if len(rows) > _MOST:
        report.say_line(f"  ... and {len(rows) - _MOST} more")


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")


def _named(session: str | None, session_dir: Path | None) -> str | None:
    """What changes something names its session."""
    if session is None and session_dir is None:
        raise UsageError("name the session", hint="outrig ls; then: outrig accept ID, or @last")
    return session


def _how(*, merge: bool, squash: bool, ff: bool) -> How:
    if merge + squash + ff > 1:
        raise UsageError("--merge, --squash and --ff exclude each other")
    return "merge" if merge else "squash" if squash else "ff" if ff else "auto"


def _path(given: str) -> bytes:
    path = os.fsencode(os.path.normpath(given))
    if path.startswith((b"/", b"../")) or path in (b"..", b"."):
        raise UsageError(f"--path {given}: a path below the top of the workspace is meant")
    return path


def _place(given: Path | None, directory: Path, *, wanted: bool) -> Path | None:
    if given is not None and not wanted:
        raise UsageError("--in says where --resolve shall lay it out", hint="add --resolve")
    if not wanted:
        return None
    return here.directory() / given if given else directory.resolve() / "workspace" / "resolve"
