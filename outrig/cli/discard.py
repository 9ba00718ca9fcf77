"""`outrig discard`: remove sessions, after naming exactly what goes."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from outrig.cli import opening, output, report
from outrig.cli.completion import complete_session
from outrig.cli.opening import GlobalConfig, SessionDir, SessionRoot
from outrig.core.listing import span, title
from outrig.core.terminal import one_line
from outrig.errors import OutrigError, SessionNotFoundError, StoreError, UsageError
from outrig.runner.discard import Discarder, Doomed, doomed_by_id
from outrig.store import finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from outrig.store.removal import Kept
    from outrig.store.sessions import SessionStore


def discard(  # noqa: PLR0917 - one parameter per option, as typer wants them
    sessions: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SESSION...",
            autocompletion=complete_session,
            help="Ids, names, unique parts of an id; with -y and several, exact ids only.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
    force: Annotated[
        bool,
        typer.Option("-f", "--force", help="Also what still runs, if nobody looks after it."),
    ] = False,
    session_dir: SessionDir = None,
    session_root: SessionRoot = None,
    global_config: GlobalConfig = None,
) -> int:
    """Remove sessions and what outrig wrote for them.

    What you put there is kept.

    outrig discard @last

    Look at them first with `outrig show` and `outrig logs`.
    """
    queries = sessions or []
    doomed = _doomed(queries, session_dir, session_root, global_config, yes=yes)
    discarder = Discarder(connect=opening.engine, notice=report.notice, force=force)
    for one in doomed:
        discarder.check(one)
    if not yes:
        _ask(doomed)
    for one in doomed:
        kept = discarder.discard(one)
        output.text(f"{one.id}\n")
        if kept:
            report.notice(_kept(kept))
    return 0


def _doomed(
    queries: Sequence[str],
    session_dir: Path | None,
    session_root: Path | None,
    global_config: Path | None,
    *,
    yes: bool,
) -> list[Doomed]:
    if bool(queries) == (session_dir is not None):
        raise UsageError("name the sessions, or one directory with --session-dir", hint="outrig ls")
    if session_dir is not None:
        found = finding.open_directory(session_dir)
        return [Doomed(found.session.id, found.session, found.directory, found.store)]
    store = opening.store(session_root, global_config)
    exact_only = yes and len(queries) > 1
    found_ids = [_find(store, query, exact_only=exact_only) for query in queries]
    opening.settle(store, found_ids)
    return [doomed_by_id(store, one) for one in dict.fromkeys(found_ids)]


def _find(store: SessionStore, query: str, *, exact_only: bool) -> str:
    """What cannot be read, or is another tool's, goes only by its exact id."""
    if store.exists(query):
        return query
    if exact_only:
        raise SessionNotFoundError(
            f'"{query}" is not the exact id of a session', hint="several with -y: exact ids only"
        )
    session = store.load(finding.find(store, query))
    if not session.ours:
        raise StoreError(
            f"session {session.id} belongs to another tool", hint=f"outrig discard {session.id}"
        )
    return session.id


def _ask(doomed: Sequence[Doomed]) -> None:
    """Name exactly what goes. Raises UsageError where nobody can answer."""
    if not sys.stdin.isatty():
        raise UsageError(
            "discard asks before it removes, and stdin is no terminal",
            hint="to remove without being asked: outrig discard -y ID",
        )
    for one in doomed:
        report.say_line("  ".join(map(one_line, _words(one))))
    many = f"these {len(doomed)} sessions" if len(doomed) > 1 else "this session"
    sys.stderr.write(f"Remove {many}? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise OutrigError("nothing was removed")


def _words(doomed: Doomed) -> tuple[str, ...]:
    session = doomed.session
    if session is None:
        return doomed.id, "unreadable record", str(doomed.directory)
    facts = (session.id, session.status, span(session, datetime.now(UTC)), session.image)
    containers = (f"container {item['ref']}" for item in session.resources if item.get("ref"))
    return (*facts, title(session), str(doomed.directory), *containers)


def _kept(kept: Kept) -> str:
    return one_line(f"kept what outrig did not write: {kept.path} ({', '.join(kept.names)})")
