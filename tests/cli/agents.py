"""Agents that a test configures."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import Home


AGENT = """
[agents.bot]
command = ["sh", "-c", 'echo "asked: $1"; shift; echo "more: $*"', "bot", "{prompt}"]
interactive = ["sh"]
"""


def configure(home: Home, text: str = AGENT) -> None:
    config = home.config / "outrig/config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(text)
