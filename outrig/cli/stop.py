"""`outrig stop` and `outrig kill`: end sessions that run somewhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from outrig.cli import opening, output, report
from outrig.cli.opening import GlobalConfig, SessionDir, SessionQueries, SessionRoot
from outrig.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from outrig.store.finding import Found

All = Annotated[bool, typer.Option("--all", "-a", help="Every session that runs.")]


def stop(  # noqa: PLR0917 - one parameter per option, as typer wants them
    sessions: SessionQueries = None,
    grace: Annotated[
        str | None,
        typer.Option(
            "--grace", "-t", metavar="10s", help="How long until it is killed; its own run.grace."
        ),
    ] = None,
    everything: All = False,
    session_dir: SessionDir = None,
    session_root: SessionRoot = None,
    global_config: GlobalConfig = None,
) -> int:
    """End sessions: TERM, and after a grace period KILL.

    outrig stop --grace 30s @last

    `outrig kill` does not wait; `outrig wait` only waits.
    """
    seconds = None if grace is None else _seconds(grace)
    founds = _founds(sessions or [], session_dir, session_root, global_config, all_=everything)
    return _end(founds, "stop", seconds)


def kill(
    sessions: SessionQueries = None,
    everything: All = False,
    session_dir: SessionDir = None,
    session_root: SessionRoot = None,
    global_config: GlobalConfig = None,
) -> int:
    """End sessions at once: KILL.

    outrig kill @last

    `outrig stop` gives them time to end by themselves.
    """
    founds = _founds(sessions or [], session_dir, session_root, global_config, all_=everything)
    return _end(founds, "kill", None)


def _seconds(grace: str) -> float:
    from outrig.core import quantity

    try:
        return quantity.duration(grace)
    except ValueError as error:
        raise UsageError(f"--grace: {error}") from error


def _founds(
    queries: Sequence[str],
    session_dir: Path | None,
    session_root: Path | None,
    global_config: Path | None,
    *,
    all_: bool,
) -> list[Found]:
    """Each once, in the order given."""
    from outrig.store.finding import open_session

    if not all_:
        founds = opening.sessions(queries, session_dir, session_root, global_config)
        return list({found.session.id: found for found in founds}.values())
    if queries or session_dir is not None:
        raise UsageError("--all means every session: name none", hint="outrig ls")
    store = opening.store(session_root, global_config)
    running = [session for session in store.unfinished() if session.ours]
    if not running:
        report.notice("no session runs")
    return [open_session(store, session.id) for session in running]


def _end(founds: Sequence[Found], kind: Literal["stop", "kill"], grace: float | None) -> int:
    from outrig.runner import stop as stopping

    several = [stopping.Stopping(found, kind=kind, grace=grace) for found in founds]
    stopping.stop(several, opening.engine)
    for one in several:
        if one.error:
            report.fail(kind, one.error, as_json=False)
        elif one.had_ended:
            report.notice(f"{one.session.id} has ended already: {one.session.status}")
        else:
            output.text(f"{one.session.id}\n")
    return 1 if any(one.error for one in several) else 0
