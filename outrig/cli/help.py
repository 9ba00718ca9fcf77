"""`outrig help TOPIC`: the pages of outrig/docs, read in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from outrig.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCS = Path(__file__).parents[1] / "docs"


def complete_topic(incomplete: str) -> list[str]:
    return [name for name in topics() if name.startswith(incomplete)]


def help_(
    topic: Annotated[
        str | None,
        typer.Argument(metavar="[TOPIC]", autocompletion=complete_topic, help="Which page."),
    ] = None,
) -> int:
    """Read about a topic, such as security.

    outrig help security

    Of a single command: `outrig run --help`.
    """
    from outrig.cli import output, pager

    if topic is None:
        output.text("".join(f"{name:<10}  {title}\n" for name, title in topics().items()))
    else:
        pager.show([page(topic)])
    return 0


def topics() -> Mapping[str, str]:
    """The names of the pages and their titles."""
    found = {}
    for file in sorted(DOCS.glob("*.md")):
        with file.open(encoding="utf-8") as text:
            found[file.stem] = text.readline().lstrip("# ").rstrip()
    return found


def page(topic: str) -> str:
    """Raises UsageError for one that there is not."""
    known = topics()
    if topic not in known:
        from outrig.cli.doors import DOORS
        from outrig.core.suggestion import nearest

        command = next((door.name for door in DOORS if topic in (door.name, door.alias)), None)
        close = nearest(topic, known)
        hint = f"outrig {command} --help" if command else f"outrig help {close or ''}".strip()
        raise UsageError(f"no page on {topic}; there are {', '.join(known)}", hint=hint)
    return (DOCS / f"{topic}.md").read_text(encoding="utf-8")
