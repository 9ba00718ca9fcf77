"""`outrig clean`: old sessions, and what is left of others; shown first, and asked once."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from outrig.cli import here, opening, output, report
from outrig.cli.opening import GlobalConfig, SessionRoot
from outrig.core.terminal import one_line
from outrig.errors import OutrigError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from outrig.core.clean import Wish
    from outrig.runner.clean import Piece
    from outrig.runner.images import Workshop


def clean(  # noqa: PLR0917 - one parameter per option, as typer wants them
    older_than: Annotated[
        str | None,
        typer.Option(
            "--older-than", metavar="30d", help="Ended that long ago; 30d without --keep."
        ),
    ] = None,
    keep: Annotated[
        int | None, typer.Option("--keep", min=0, metavar="N", help="Keep the newest N that ended.")
    ] = None,
    status: Annotated[
        list[str] | None, typer.Option("--status", help="Only those that ended like this.")
    ] = None,
    images: Annotated[
        bool, typer.Option("--images", help="Also images that nothing refers to any more.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
    session_root: SessionRoot = None,
    global_config: GlobalConfig = None,
) -> int:
    """Remove old sessions, and containers whose session is gone.

    What runs is never touched. Exit 1, with names, if something is still there afterwards.

    outrig clean --older-than 14d --dry-run

    One session goes with `outrig discard`.
    """
    from outrig.runner.clean import Broom, sweep

    wish = _wish(older_than, keep, status or ())
    store = opening.store(session_root, global_config)
    opening.settle(store)
    broom = Broom(store, opening.engine, report.notice, [_endpoint(global_config)])
    shop = _workshop(global_config) if images else None
    pieces = broom.look(wish, now=datetime.now(UTC), workshop=shop)
    if not pieces:
        report.notice("nothing to clean")
        return 0
    output.text("".join(f"{_words(piece)}\n" for piece in pieces))
    if dry_run:
        return 0
    if not yes:
        _ask(pieces)
    left = [(piece, why) for piece, why in sweep(pieces) if why is not None]
    for piece, why in left:
        report.notice(one_line(f"{piece.kind} {piece.name} is still there: {why}"))
    return int(bool(left))


def _wish(older_than: str | None, keep: int | None, statuses: Sequence[str]) -> Wish:
    from outrig.core import quantity
    from outrig.core.clean import Wish
    from outrig.core.session import TERMINAL

    for status in statuses:
        if status not in TERMINAL:
            raise UsageError(
                f'--status "{status}" is not how a session ends',
                hint=f"one of: {', '.join(TERMINAL)}",
            )
    age = None
    if older_than is not None:
        try:
            age = timedelta(seconds=quantity.duration(older_than))
        except (ValueError, OverflowError) as error:
            raise UsageError(
                f'--older-than "{older_than}" is no span of time', hint="--older-than 30d"
            ) from error
    return Wish(age=age, keep=keep, statuses=tuple(statuses))


def _endpoint(global_config: Path | None) -> str | None:
    """The engine that the user's own configuration names, if it can be read."""
    from outrig.core import cascade
    from outrig.store import layers, places

    home = places.home(os.environ)
    try:
        found = layers.read(
            env=os.environ, cwd=home, home=home, config_file=None, global_config=global_config
        )
        return cascade.resolve(found.layers, home=str(home)).config.engine
    except OutrigError as error:
        report.notice(one_line(f"{error.message}; looking on the usual engine"))
        return None


def _workshop(global_config: Path | None) -> Callable[[], Workshop]:
    def look() -> Workshop:
        from outrig.runner.images import workshop

        return workshop(
            env=os.environ, cwd=here.directory(), config=None, global_config=global_config
        )

    return look


def _words(piece: Piece) -> str:
    from outrig.core.listing import moment, title

    session = piece.session
    if session is None:
        return f"{piece.kind}  {one_line(piece.name)}"
    facts = (session.status, moment(session.ended_at, None), title(session))
    return "  ".join(map(one_line, (piece.kind, session.id, *facts)))


def _ask(pieces: Sequence[Piece]) -> None:
    """Once for all. Raises UsageError where nobody can answer."""
    if not sys.stdin.isatty():
        raise UsageError(
            "clean asks before it removes, and stdin is no terminal",
            hint="to remove without being asked: outrig clean -y",
        )
    sys.stderr.write(f"Remove {'all of this' if len(pieces) > 1 else 'this'}? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise OutrigError("nothing was removed")
