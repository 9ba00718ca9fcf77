"""`outrig logs`: what a session said, both streams in the order in which they came."""

from __future__ import annotations

import collections
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from outrig.cli import opening, output, report
from outrig.cli.opening import GlobalConfig, SessionDir, SessionQuery, SessionRoot
from outrig.core.table import table
from outrig.core.terminal import Sanitizer, one_line
from outrig.errors import UsageError
from outrig.record import selection
from outrig.record.reading import Logs, listed
from outrig.runner import reach
from outrig.store.places import LOGS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from outrig.record.reading import Chunk
    from outrig.store.finding import Found

TERMINAL = "terminal.log"
STDOUT = ("stdout.log", TERMINAL)
STDERR = ("stderr.log",)


class Asked(NamedTuple):
    only: Collection[str] | None
    since: datetime | None
    tail: int | None
    follow: bool
    raw: bool


def logs(  # noqa: PLR0917 - one parameter per option, as typer wants them
    session: SessionQuery = None,
    stdout: Annotated[bool, typer.Option("--stdout", help="Only what it wrote to stdout.")] = False,
    stderr: Annotated[bool, typer.Option("--stderr", help="Only what it wrote to stderr.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="List the log files.")] = False,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on until the session ends.")
    ] = False,
    tail: Annotated[
        int | None, typer.Option("--tail", min=0, metavar="N", help="The last N lines.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="2h|DATE", help="What came since then.")
    ] = None,
    timestamps: Annotated[
        bool, typer.Option("--timestamps", help="When each line began, in front of it.")
    ] = False,
    sidecar: Annotated[
        str | None,
        typer.Option("--sidecar", metavar="NAME", help="What this sidecar of it said instead."),
    ] = None,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="The exact bytes, even to a terminal, which they can command."),
    ] = False,
    session_dir: SessionDir = None,
    session_root: SessionRoot = None,
    global_config: GlobalConfig = None,
) -> int:
    """Print what a session said.

    Exact bytes to a file or pipe, harmless text to a terminal. What a session with a terminal
    painted is made readable text; -f and --raw give its bytes.

    outrig logs -f --tail 20

    Its record is in `outrig show`.
    """
    found = opening.session(session, session_dir, session_root, global_config)
    if listing:
        output.text(_list(found))
        return 0
    if sidecar is not None:
        if stdout or stderr or since or timestamps:
            raise UsageError("a sidecar's log knows neither times nor streams")
        from outrig.cli import sidecar_log

        alive = _alive(found) if follow else lambda: False
        return _printed(sidecar_log.words(found, sidecar, tail=tail, alive=alive), raw=raw)
    report.missing(found.session)
    asked = Asked(
        only=_files(stdout, stderr), since=_moment(since), tail=tail, follow=follow, raw=raw
    )
    chunks = _readable(found, asked) if _is_painted(found, asked) else _chunks(found, asked)
    stamped = _stamped(chunks) if timestamps else (chunk.data for chunk in chunks)
    return _printed(stamped, raw=raw)


def _printed(parts: Iterable[bytes], *, raw: bool) -> int:
    try:
        _print(parts, raw=raw)
    except KeyboardInterrupt:
        return report.EXIT_INTERRUPTED
    return 0


def _files(stdout: bool, stderr: bool) -> tuple[str, ...] | None:
    if stdout == stderr:
        return None
    return STDOUT if stdout else STDERR


def _moment(since: str | None) -> datetime | None:
    if since is None:
        return None
    from outrig.cli import when

    return when.since(since, datetime.now(UTC))


def _chunks(found: Found, asked: Asked) -> Iterator[Chunk]:
    """For --tail the lines are counted first; what comes in between is simply more."""
    skipped = 0
    if asked.tail is not None:
        with Logs(found.directory, only=asked.only) as counted:
            lines = selection.line_count(_since(counted.merged(), asked))
        skipped = max(0, lines - asked.tail)
    with Logs(found.directory, only=asked.only) as opened:
        merged = opened.follow(_alive(found)) if asked.follow else opened.merged()
        yield from selection.without_first(_since(merged, asked), skipped)


def _is_painted(found: Found, asked: Asked) -> bool:
    """Whether it had a terminal, whose bytes make sense only to a terminal."""
    if asked.raw or asked.follow or (asked.only and TERMINAL not in asked.only):
        return False
    return TERMINAL in dict(listed(str(found.directory / LOGS)))


def _readable(found: Found, asked: Asked) -> Iterable[Chunk]:
    from outrig.record.transcript import transcript  # and with it pyte, for these sessions only

    lines = _since(transcript(found.directory), asked)
    return lines if asked.tail is None else collections.deque(lines, maxlen=asked.tail)


def _since(chunks: Iterator[Chunk], asked: Asked) -> Iterator[Chunk]:
    return selection.since(chunks, asked.since) if asked.since else chunks


def _alive(found: Found) -> Callable[[], bool]:
    """It has not ended, and somebody attends it, if need be because we ask for it."""
    from outrig.runner.keeper import Keeper

    def alive() -> bool:
        session = reach.current(found)
        if session.missing and not told:
            told.append(session.missing)
            report.missing(session)
        return not session.ended and (keeper.look_after() or _settled(found))

    keeper = Keeper(found, report.notice)
    told = [found.session.missing] if found.session.missing else []  # said before the first byte
    return alive


def _settled(found: Found) -> bool:
    """Nobody can attend it: then what was said last comes from its end."""
    opening.settled(found)
    return False


def _stamped(chunks: Iterable[Chunk]) -> Iterator[bytes]:
    from outrig.cli import when

    return selection.stamped(chunks, when.stamp)


def _print(parts: Iterable[bytes], *, raw: bool) -> None:
    """Raw to files and pipes; what a terminal gets cannot command it, unless it was asked for."""
    shown = _sanitized(parts) if os.isatty(sys.stdout.fileno()) and not raw else parts
    for part in shown:
        output.exact(part)


def _sanitized(parts: Iterable[bytes]) -> Iterator[bytes]:
    sanitizer = Sanitizer()
    for part in parts:
        yield sanitizer.feed(part).encode()
    yield sanitizer.close().encode()


def _list(found: Found) -> str:
    files = listed(str(found.directory / LOGS))
    return table([("SIZE", "FILE"), *((str(size), one_line(name)) for name, size in files)])
