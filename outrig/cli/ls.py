"""`outrig ls`: what ran and what runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outrig.cli import here, opening, output
from outrig.cli.completion import complete_agent, complete_kind, complete_session, complete_status
from outrig.cli.opening import AsJson, GlobalConfig, SessionRoot
from outrig.core.listing import HEADER, STATUSES, Wanted, row, select
from outrig.core.relations import KINDS, check_kind
from outrig.core.table import table
from outrig.errors import UsageError
from outrig.store import finding

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
            "--limit",
            min=0,
            metavar="N",
            help=f"The newest N; without it {USUALLY} and all that have not ended.",
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("-a", "--all", help="All of them.")] = False,
    status: Annotated[
        list[str] | None,
        typer.Option(
            "--status", autocompletion=complete_status, help=f"One of {', '.join(STATUSES)}."
        ),
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
    issue: Annotated[str | None, typer.Option("--issue", help="On this issue.")] = None,
    project: Annotated[
        str | None,
        typer.Option(
            "--project", metavar="NAME|DIR", help="Of this repository, by name or directory."
        ),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", autocompletion=complete_kind, help=f"One of {', '.join(KINDS)}."),
    ] = None,
    parent: Annotated[
        str | None,
        typer.Option("--parent", autocompletion=complete_session, help="Started by this session."),
    ] = None,
    group: Annotated[str | None, typer.Option("--group", help="Of this group.")] = None,
    active: Annotated[
        str | None,
        typer.Option("--active", metavar="30m", help="Started, said something or ended since."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="2h|DATE", help="Started since then.")
    ] = None,
    archived: Annotated[
        bool, typer.Option("--archived", help="Archived ones, which else only --all lists.")
    ] = False,
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
    store = opening.store(session_root, global_config)
    wanted = Wanted(
        statuses=tuple(map(_status, status or ())),
        agents=tuple(agent or ()),
        labels=tuple(label or ()),
        kinds=tuple(map(_kind, kind or ())),
        project=None if project is None else here.project(project),
        parent=None if parent is None else finding.find(store, parent),
        group=group,
        issue=issue,
        since=_moment(since),
        archived=True if archived else None if everything else False,
    )
    unknown = opening.settle(store)
    sessions = _listed(store, wanted, _moment(active), most=number, everything=everything)
    if quiet:
        output.text("".join(f"{session.id}\n" for session in sessions))
    elif as_json:
        output.as_json([_fields(store, session, unknown) for session in sessions])
    else:
        output.text(_shown(store, sessions, unknown))
    return 0


def _status(word: str) -> str:
    if word not in STATUSES:
        raise UsageError(f'--status "{word}" is no status', hint=f"one of: {', '.join(STATUSES)}")
    return word


def _kind(word: str) -> str:
    check_kind(word)
    return word


def _moment(words: str | None) -> datetime | None:
    if words is None:
        return None
    from outrig.cli import when

    return when.since(words, datetime.now(UTC))


def _listed(
    store: SessionStore,
    wanted: Wanted,
    active: datetime | None,
    *,
    most: int | None,
    everything: bool,
) -> list[Session]:
    """The newest; unless their number was given, also whatever is unfinished, however old."""
    every = store.every(opening.skip)
    if active is not None:
        every = (session for session in every if store.last_heard(session) >= active)
    usual = most is None and active is None and not everything
    newest = select(every, wanted, most=USUALLY if usual else most)
    if not usual:
        return newest
    listed = {session.id for session in newest}
    unfinished = store.unfinished()
    return newest + [one for one in unfinished if one.id not in listed and wanted.takes(one)]


def _fields(store: SessionStore, session: Session, unknown: Collection[str]) -> dict[str, Any]:
    """The record; whether anybody looks after it is no part of it, and matters until it ends."""
    if session.ended or not session.ours:
        return dict(session.fields)
    found = {**session.fields, "attended": store.attended(session.id)}
    return {**found, "unknown": True} if session.id in unknown else found


def _shown(store: SessionStore, sessions: Sequence[Session], unknown: Collection[str]) -> str:
    """Those of this project first; the others below a line of their own."""
    project = here.current()
    ours: list[Session] = []
    others: list[Session] = []
    for session in sessions:
        (ours if project and session.text("project") == project else others).append(session)
    now = datetime.now(UTC)
    rows = [_row(store, session, now, unknown) for session in (*ours, *others)]
    lines = table([HEADER, *rows], width=output.width()).splitlines(keepends=True)
    if ours and others:
        lines.insert(1 + len(ours), "other projects\n")
    return "".join(lines)


def _row(
    store: SessionStore, session: Session, now: datetime, unknown: Collection[str]
) -> tuple[str, ...]:
    attended = session.ended or store.attended(session.id)
    target = store.target(session.id)
    return row(
        session,
        now=now,
        zone=None,
        attended=attended,
        target=str(target) if target else None,
        known=session.id not in unknown,
    )
