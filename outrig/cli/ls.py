"""`outrig ls`: what ran and what runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outrig.cli import opening, output
from outrig.cli.completion import complete_agent
from outrig.cli.opening import AsJson, GlobalConfig, SessionRoot
from outrig.core.listing import HEADER, STATUSES, Wanted, row, select
from outrig.core.table import table
from outrig.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from outrig.core.session import Session
    from outrig.store.sessions import SessionStore

USUALLY = 20


def ls(  # noqa: PLR0917 - one parameter per option, as typer wants them
    number: Annotated[
        int | None,
        typer.Option(
            "-n",
            min=0,
            metavar="N",
            help=f"The newest N; without it {USUALLY} and all that have not ended.",
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("-a", "--all", help="All of them.")] = False,
    status: Annotated[
        list[str] | None, typer.Option("--status", help=f"One of {', '.join(STATUSES)}.")
    ] = None,
    agent: Annotated[
        list[str] | None,
        typer.Option("--agent", autocompletion=complete_agent, help="Of an agent."),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label", metavar="KEY[=VALUE]", help="With this label, and every other one."
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="2h|DATE", help="Started since then.")
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Ids only.")] = False,
    as_json: AsJson = False,
    session_root: SessionRoot = None,
    global_config: GlobalConfig = None,
) -> int:
    """List sessions, the newest first.

    outrig ls --status failed --since 2d

    Look closer with `outrig show` and `outrig logs`; remove with `outrig discard`.
    """
    if everything and number is not None:
        raise UsageError("-n and --all exclude each other")
    wanted = _wanted(status or [], agent or [], label or [], since)
    store = opening.store(session_root, global_config)
    unknown = opening.settle(store)
    if everything or number is not None:
        sessions = select(store.every(opening.skip), wanted, most=number)
    else:
        sessions = _newest_and_unfinished(store, wanted)
    if quiet:
        output.text("".join(f"{session.id}\n" for session in sessions))
    elif as_json:
        output.as_json([_fields(store, session, unknown) for session in sessions])
    else:
        output.text(_shown(store, sessions, unknown))
    return 0


def _wanted(
    statuses: Sequence[str], agents: Sequence[str], labels: Sequence[str], since: str | None
) -> Wanted:
    for status in statuses:
        if status not in STATUSES:
            raise UsageError(
                f'--status "{status}" is no status', hint=f"one of: {', '.join(STATUSES)}"
            )
    moment = None
    if since is not None:
        from outrig.cli import when

        moment = when.since(since, datetime.now(UTC))
    return Wanted(
        statuses=tuple(statuses), agents=tuple(agents), labels=tuple(labels), since=moment
    )


def _newest_and_unfinished(store: SessionStore, wanted: Wanted) -> list[Session]:
    """Whatever is unfinished and not among the newest is older than them."""
    newest = select(store.every(opening.skip), wanted, most=USUALLY)
    listed = {session.id for session in newest}
    older = [
        session
        for session in store.unfinished()
        if session.id not in listed and wanted.takes(session)
    ]
    return newest + older


def _fields(store: SessionStore, session: Session, unknown: Collection[str]) -> dict[str, Any]:
    """The record; whether anybody looks after it is no part of it, and matters until it ends."""
    if session.ended or not session.ours:
        return dict(session.fields)
    found = {**session.fields, "attended": store.attended(session.id)}
    return {**found, "unknown": True} if session.id in unknown else found


def _shown(store: SessionStore, sessions: Sequence[Session], unknown: Collection[str]) -> str:
    now = datetime.now(UTC)
    rows: list[tuple[str, ...]] = [HEADER]
    for session in sessions:
        attended = session.ended or store.attended(session.id)
        target = store.target(session.id)
        words = str(target) if target else None
        known = session.id not in unknown
        rows.append(row(session, now=now, zone=None, attended=attended, target=words, known=known))
    return table(rows, width=output.width())
