"""`outrig show`: one record, readable or as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from outrig.cli import opening, output
from outrig.cli.opening import AsJson, GlobalConfig, SessionDir, SessionQuery, SessionRoot
from outrig.core.listing import moment, span, status
from outrig.core.moment import parse_time
from outrig.core.table import table
from outrig.core.tamper import noted, words
from outrig.core.terminal import one_line, safe
from outrig.core.usage import sizes, told

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from outrig.core.session import Session
    from outrig.store.finding import Found

FIRST = ("id", "name", "status", "reason", "exit_code", "agent_exit_code")
SIZED = ("limits", "security")
TIMES = ("started_at", "ended_at", "paused_at")


def show(
    session: SessionQuery = None,
    as_json: AsJson = False,
    session_dir: SessionDir = None,
    session_root: SessionRoot = None,
    global_config: GlobalConfig = None,
) -> int:
    """Show everything that is recorded of a session.

    outrig show @last

    What it said is in `outrig logs`; the list of all is `outrig ls`.
    """
    found = opening.session(session, session_dir, session_root, global_config)
    if as_json:
        output.as_json(dict(found.session.fields))
    else:
        output.text(_readable(found))
    return 0


def _readable(found: Found) -> str:
    session = found.session
    rows = [(name, one_line(words)) for name, words in _facts(found)]
    shown = table(rows)
    task = session.text("task")
    return f"{shown}\n{safe(task)}\n" if "\n" in task else shown


def _facts(found: Found) -> Iterator[tuple[str, str]]:
    """What people look for first, then every other field of the record in its own order."""
    session = found.session
    attended = session.ended or found.attended
    special = {"status": status(session, attended=attended, known=found.known)}
    for name in FIRST:
        value = special.get(name, session.fields.get(name))
        if value is not None:
            yield _label(name), _words(value)
    yield "duration", span(session, datetime.now(UTC))
    yield "files", str(found.directory)
    for name, value in session.fields.items():
        if name in FIRST or value is None or value in ([], {}, ""):
            continue
        if name in TIMES and parse_time(value):
            yield _label(name), moment(parse_time(value), None)
        elif name == "usage":
            yield from (("usage" if at == 0 else "", line) for at, line in enumerate(told(session)))
        elif name in SIZED and isinstance(value, dict):
            yield from _spread(_label(name), sizes(value))
        elif name == "workspace":
            yield from _workspace(session)
        else:
            yield from _spread(_label(name), value)


def _workspace(session: Session) -> Iterator[tuple[str, str]]:
    """What was left that could act on this machine later takes a line each."""
    others = {name: value for name, value in session.workspace.items() if name != "tamper"}
    yield from _spread("workspace", others)
    for number, trace in enumerate(noted(session)):
        yield "tamper" if number == 0 else "", words(trace)


def _spread(label: str, value: Any) -> Iterator[tuple[str, str]]:
    """A table or a list of tables takes a line per entry, so that long records stay readable."""
    if isinstance(value, dict):
        for number, (name, inner) in enumerate(value.items()):
            yield label if number == 0 else "", f"{name}: {_words(inner)}"
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for number, entry in enumerate(value):
            yield label if number == 0 else "", _words(entry)
    else:
        yield label, _words(value)


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return _joined(value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


def _joined(words: Sequence[Any]) -> str:
    """A list on one line; what would not survive a shell is quoted, so that argv stays argv."""
    import shlex

    return " ".join(shlex.quote(_words(word)) for word in words)


def _label(name: str) -> str:
    return name.replace("_", " ")
