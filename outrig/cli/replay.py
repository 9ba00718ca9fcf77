"""`outrig replay`: a session once more, at its own pace or faster."""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from outrig.cli import opening, report
from outrig.cli.opening import GlobalConfig, SessionDir, SessionQuery, SessionRoot
from outrig.cli.player import EndedError, Player
from outrig.core import cast, quantity
from outrig.errors import StoreError, UsageError
from outrig.record.cast import Recording

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

    from outrig.core.cast import Event, Header
    from outrig.record.window import Window

LONGEST_LINE = 64 * 1024 * 1024  # characters of an asciicast's line


def replay(  # noqa: PLR0917 - one parameter per option, as typer wants them
    session: SessionQuery = None,
    speed: Annotated[
        float, typer.Option("--speed", metavar="N", help="So many times as fast.")
    ] = 1.0,
    idle_limit: Annotated[
        str | None,
        typer.Option("--idle-limit", metavar="1s", help="Wait no longer than this in one place."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--cast", metavar="FILE", help="Play this asciicast in place of a session."),
    ] = None,
    session_dir: SessionDir = None,
    session_root: SessionRoot = None,
    global_config: GlobalConfig = None,
) -> int:
    """Play a session again, as it was seen.

    Space pauses, q ends. What could command the terminal (titles, clipboard, questions to it) is
    left out, and the terminal is put back to rest afterwards.

    outrig replay --speed 2 --idle-limit 1s @last

    Its text at once is in `outrig logs`; a file for other players comes from `outrig export`.
    """
    pace = _Pace(speed, idle_limit)
    if file is None:
        found = opening.session(session, session_dir, session_root, global_config)
        with Recording(found.directory, newline="\n") as recording:
            _announce(recording.rows, recording.columns)
            painting = bool(found.session.fields.get("tty"))
            window = _window(recording.rows, recording.columns) if painting else None
            return _play(pace, recording.events(), window)
    if session is not None or session_dir is not None:
        raise UsageError("a session and --cast: give one of them")
    lines, header = _opened(file)
    with lines:
        _announce(header.height, header.width)
        return _play(pace, _events(lines, file), _window(header.height, header.width))


class _Pace:
    def __init__(self, speed: float, idle_limit: str | None) -> None:
        if not (math.isfinite(speed) and speed > 0):
            raise UsageError(f"--speed {speed:g}: a number above 0")
        try:
            self.idle_limit = None if idle_limit is None else quantity.duration(idle_limit)
        except ValueError as error:
            raise UsageError(f"--idle-limit: {error}") from error
        self.speed = speed

    def of(self, events: Iterable[Event]) -> Iterator[Event]:
        return cast.paced(events, speed=self.speed, idle_limit=self.idle_limit)


def _window(rows: int, columns: int) -> Window | None:
    """For a terminal, which may be too small for what was painted, or become so."""
    if not os.isatty(1):
        return None
    from outrig.record.window import Window  # and with it pyte

    return Window(rows, columns, lambda: os.get_terminal_size(1))


def _play(pace: _Pace, events: Iterable[Event], window: Window | None) -> int:
    try:
        with Player(window) as player:
            player.play(pace.of(events))
    except EndedError as ended:
        return ended.code
    return 0


def _announce(rows: int, columns: int) -> None:
    """What shows is not all there is."""
    try:
        here = os.get_terminal_size(1)
    except OSError:
        return
    if here.columns < columns or here.lines < rows:
        report.notice(
            f"recorded on {columns}x{rows}, and this terminal has {here.columns}x{here.lines}: "
            "of a full screen the part around the cursor shows"
        )


def _opened(file: Path) -> tuple[TextIO, Header]:
    """The asciicast, its header read."""
    with contextlib.ExitStack() as undo:
        try:
            lines = undo.enter_context(file.open(encoding="utf-8", errors="replace", newline="\n"))
            header = cast.parse_header(lines.readline(LONGEST_LINE))
        except (OSError, ValueError) as error:
            raise StoreError(f"cannot play {file}: {_words(error)}") from error
        undo.pop_all()
    return lines, header


def _events(lines: TextIO, file: Path) -> Iterator[Event]:
    try:
        while line := lines.readline(LONGEST_LINE):
            if line.strip():
                yield cast.parse_event(line)
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot play {file}: {_words(error)}") from error


def _words(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
