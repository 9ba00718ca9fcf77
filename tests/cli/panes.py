"""A terminal that is not ours: a pane of tmux, what it shows, and what is switched on of it."""

from __future__ import annotations

import os
import shlex
import subprocess
import termios
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from outrig.core.cast import OUTPUT, parse_event, parse_header, size
from outrig.record.cast import Recording
from outrig.record.screen import Screen
from tests.cli.conftest import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from outrig.core.cast import Event

FLAGS = ("alternate_on", "cursor_flag", "mouse_any_flag", "keypad_flag", "keypad_cursor_flag")
STATE = " ".join(f"#{{{flag}}}" for flag in FLAGS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pane:
    name: str
    env: Mapping[str, str]

    def tmux(self, *args: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self.name, "-f", "/dev/null", *args],
            env=self.env,
            capture_output=True,
            check=False,
        )
        return done.stdout.decode()

    def start(self, *command: str, rows: int = 24, columns: int = 80) -> None:
        """Run a command in it, and leave what it showed standing."""
        words = f"{shlex.join(command)}; printf '[%s]' $?; exec sleep 1000"
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), words)

    def shell(self, rows: int = 24, columns: int = 80) -> None:
        """A shell with job control, that leaves the terminal's modes alone."""
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), "PS1='$ ' dash -i")
        self.until_row("$")

    def enter(self, *command: str) -> None:
        """Have the shell run it."""
        self.type("clear; " + shlex.join(command), "Enter")

    def rows(self) -> list[str]:
        return without_end(self.tmux("capture-pane", "-p").split("\n"))

    def until(self, words: str) -> list[str]:
        return self.until_rows(lambda rows: any(words in row for row in rows), repr(words))

    def until_row(self, row: str) -> list[str]:
        """The last one, as a whole."""
        return self.until_rows(lambda rows: rows[-1:] == [row], f"the last row {row!r}")

    def until_rows(self, wanted: Callable[[list[str]], bool], what: str) -> list[str]:
        def look() -> list[str] | None:
            rows = self.rows()
            return rows if wanted(rows) else None

        try:
            return until(look, f"{what} on the terminal")
        except BaseException as error:
            error.add_note("\n".join(["it shows:", *self.rows()]))
            raise

    def type(self, *keys: str) -> None:
        self.tmux("send-keys", *keys)

    def resize(self, rows: int, columns: int) -> None:
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def state(self) -> tuple[str, list[Any]]:
        """What is switched on of it, and the modes of its keyboard."""
        *_, path = self.tmux("display-message", "-p", "#{pane_tty}").split()
        descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
        try:
            modes = termios.tcgetattr(descriptor)
        finally:
            os.close(descriptor)
        return self.tmux("display-message", "-p", STATE).strip(), modes


def without_end(rows: list[str]) -> list[str]:
    rows = [row.rstrip() for row in rows]
    while rows and not rows[-1]:
        rows.pop()
    return rows


def recorded(session: Path) -> list[str]:
    """What stood on the screen in the end, as we see it."""
    with Recording(session) as recording:
        return _last(Screen(recording.rows, recording.columns), recording.events())


def exported(cast: Path) -> list[str]:
    """The same of an asciicast."""
    with cast.open(encoding="utf-8") as lines:
        header = parse_header(next(lines))
        return _last(Screen(header.height, header.width), map(parse_event, lines))


def _last(seen: Screen, events: Iterable[Event]) -> list[str]:
    for event in events:
        if event.code == OUTPUT:
            seen.show(event.data)
        elif resized := size(event):
            seen.resize(*resized)
    return without_end([seen.line(y).text(seen.columns) for y in range(seen.lines)])
