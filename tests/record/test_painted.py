"""What a session left on its terminal is shown again, and wiped off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from outrig.record import painted
from outrig.record.painted import wiped

if TYPE_CHECKING:
    from pathlib import Path

ALTERNATE = b"\x1b[?1049h"
HIDDEN = b"\x1b[?25l"


@pytest.fixture
def terminal(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs/terminal.log"


def test_a_screen_is_painted_and_wiped(terminal: Path, tmp_path: Path):
    terminal.write_bytes(ALTERNATE + HIDDEN + b"\x1b[2;3Hhello")
    assert painted.painted(tmp_path) == ALTERNATE + HIDDEN + b"\x1b[2;3Hhello"
    undone = wiped(tmp_path)
    assert b"\x1b[?1049l" in undone
    assert b"\x1b[?25h" in undone


def test_what_would_command_the_terminal_is_not_painted(terminal: Path, tmp_path: Path):
    terminal.write_bytes(b"a\x1b]52;c;aGk=\x07b\x1b[6nc")
    assert painted.painted(tmp_path) == b"abc"


def test_plain_text_leaves_nothing_to_wipe(terminal: Path, tmp_path: Path):
    terminal.write_bytes(b"hello\r\n")
    assert wiped(tmp_path) == b""


def test_a_long_recording_is_looked_at_from_its_end(terminal: Path, tmp_path: Path):
    terminal.write_bytes(b"x" * (painted.MOST + 5) + b"end")
    assert painted.painted(tmp_path) == b"x" * (painted.MOST - 3) + b"end"


def test_no_recording_and_no_link_is_followed(tmp_path: Path, terminal: Path):
    assert painted.painted(tmp_path) == b""
    (tmp_path / "keys").write_bytes(b"secret")
    terminal.symlink_to(tmp_path / "keys")
    assert painted.painted(tmp_path) == b""
