"""What a session left on its terminal is shown again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from outrig.record import painted

if TYPE_CHECKING:
    from pathlib import Path

ALTERNATE = b"\x1b[?1049h"
HIDDEN = b"\x1b[?25l"


@pytest.fixture
def terminal(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs/terminal.log"


def test_a_screen_is_painted(terminal: Path, tmp_path: Path):
    terminal.write_bytes(ALTERNATE + HIDDEN + b"\x1b[2;3Hhello")
    assert painted.painted(tmp_path) == ALTERNATE + HIDDEN + b"\x1b[2;3Hhello"


def test_keyboard_and_mouse_speak_as_the_program_left_them(terminal: Path, tmp_path: Path):
    terminal.write_bytes(b"\x1b[?1;1000;2004h\x1b[>1uhello\x1b[?1000l")
    assert painted.painted(tmp_path) == b"hello\x1b[>1u\x1b[?1h\x1b[?2004h"


def test_what_would_command_the_terminal_is_not_painted(terminal: Path, tmp_path: Path):
    terminal.write_bytes(b"a\x1b]52;c;aGk=\x07b\x1b[6nc\x1b]11;red\x07\x1b]8;;http://x\x07")
    assert painted.painted(tmp_path) == b"abc"


def test_a_long_recording_is_painted_from_its_end(terminal: Path, tmp_path: Path):
    terminal.write_bytes(ALTERNATE + b"x" * (painted.PICTURE + 5) + b"end")
    assert painted.painted(tmp_path) == ALTERNATE + b"x" * (painted.PICTURE - 3) + b"end"


def test_no_recording_and_no_link_is_followed(tmp_path: Path, terminal: Path):
    assert painted.painted(tmp_path) == b""
    (tmp_path / "keys").write_bytes(b"secret")
    terminal.symlink_to(tmp_path / "keys")
    assert painted.painted(tmp_path) == b""
