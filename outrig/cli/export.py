"""`outrig export`: a session as a file for others: an asciicast, or a page for the browser."""

from __future__ import annotations

import contextlib
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from outrig import __version__
from outrig.cli import opening, report
from outrig.cli.opening import GlobalConfig, SessionDir, SessionQuery, SessionRoot
from outrig.core import cast
from outrig.core.terminal import one_line
from outrig.errors import UsageError, WorkspaceError
from outrig.record.cast import Recording
from outrig.store.export import written

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from outrig.core.session import Session
    from outrig.store.finding import Found

STDOUT = Path("-")


def export(  # noqa: PLR0917 - one parameter per option, as typer wants them
    session: SessionQuery = None,
    cast_file: Annotated[
        Path | None,
        typer.Option("--cast", metavar="FILE", help="Write an asciicast (version 2); - is stdout."),
    ] = None,
    html_file: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", help="Write a page with everything in it; - is stdout."
        ),
    ] = None,
    raw: Annotated[
        bool,
        typer.Option(
            "--raw", help="Leave in the asciicast what could command the terminal it is played on."
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    session_dir: SessionDir = None,
    session_root: SessionRoot = None,
    global_config: GlobalConfig = None,
) -> int:
    """Write a session into a file for others.

    outrig export @last --cast session.cast --html session.html

    An asciicast is for asciinema and other players, `outrig replay --cast` among them; a page
    opens in any browser, offline.
    """
    if cast_file is None and html_file is None:
        raise UsageError(
            "export needs a file to write", hint="outrig export @last --cast FILE, or --html FILE"
        )
    found = opening.session(session, session_dir, session_root, global_config)
    report.missing(found.session)
    if cast_file:
        with _opened(cast_file, force) as text:
            _write_cast(found, text, raw=raw)
    if html_file:
        with _opened(html_file, force) as text:
            _write_page(found, text)
    return 0


@contextlib.contextmanager
def _opened(path: Path, force: bool) -> Iterator[TextIO]:
    if path == STDOUT:
        yield sys.stdout
        sys.stdout.flush()
        return
    with written(path, force=force) as text:
        yield text
    report.notice(one_line(f"wrote {path}"))


def _write_cast(found: Found, text: TextIO, *, raw: bool) -> None:
    with Recording(found.directory, raw=raw) as recording:
        text.write(cast.header_line(_header(found.session, recording)))
        text.writelines(map(cast.event_line, recording.events()))


def _write_page(found: Found, text: TextIO) -> None:
    from outrig.record.page import page

    now = datetime.now(UTC)
    diff = _diff(found)
    text.writelines(page(found.session, found.directory, at=now, version=__version__, diff=diff))


def _diff(found: Found) -> Iterator[bytes] | None:
    """What it changed, where its workspace was recorded; a page is made all the same without."""
    from outrig.runner.diff import difference

    if not found.session.workspace.get("start"):
        return None
    try:
        changes = difference(found.session, found.directory).changes
    except WorkspaceError as error:
        report.notice(one_line(f"the page does not show what it changed: {error.message}"))
        return None
    return changes.stream("-p", "-M", "--no-color")


def _header(session: Session, recording: Recording) -> cast.Header:
    started = session.started_at
    seconds = int(started.timestamp()) if started else None
    return cast.Header(
        width=recording.columns,
        height=recording.rows,
        timestamp=seconds if recording.started is None else recording.started // 1_000_000,
        title=one_line(session.name or session.id),
        command=one_line(shlex.join(session.command)),
    )
