"""`outrig trust`: what a repository's config asks for beyond what any repository may, and a yes.

What is shown was written by others, so nothing of it reaches the terminal raw.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outrig.cli import here, output, report
from outrig.cli.opening import AsJson, Config, GlobalConfig
from outrig.core.terminal import one_line
from outrig.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from outrig.core.approval import Approval, Subject
    from outrig.core.repository import LeftOut


def trust(  # noqa: PLR0917 - one parameter per option, as typer wants them
    show: Annotated[
        bool, typer.Option("--show", help="Only show what it asks for, and its hash.")
    ] = False,
    revoke: Annotated[bool, typer.Option("--revoke", help="Take the approval back.")] = False,
    every: Annotated[
        bool, typer.Option("--list", help="List everything that you have approved.")
    ] = False,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
    config: Config = None,
    global_config: GlobalConfig = None,
) -> int:
    """Approve what this repository's config asks for.

    Without it a repository may only tighten. One changed byte, also in a Dockerfile that it
    names, asks again.

    outrig trust --show

    In CI: `outrig run --trust-hash HASH`. What is in effect: `outrig config show --origin`.
    """
    if show + revoke + every > 1:
        raise UsageError("--show, --revoke and --list: give one of them")
    if every:
        return _list(as_json=as_json)
    found, wishes = _look(config, global_config)
    if revoke:
        return _revoke(found)
    before = _before(found)
    if as_json:
        output.as_json(_fields(found, wishes, before))
    else:
        output.text(_shown(found, wishes, before))
    return 0 if show or _is_approved(found, before) else _approve(found, yes=yes)


def _look(config: Path | None, global_config: Path | None) -> tuple[Subject, Sequence[LeftOut]]:
    """The repository's files, and what would be left out of them without an approval."""
    from outrig.core import cascade
    from outrig.core.frozen import replace
    from outrig.store import layers, places

    home = places.home(os.environ)
    read = layers.read(
        env=os.environ,
        cwd=here.directory(),
        home=home,
        config_file=config,
        global_config=global_config,
    )
    if read.subject is None:
        raise ConfigError("there is no repository config here", hint="outrig config path")
    doubted = [replace(layer, approved=False) for layer in read.layers]
    return read.subject, cascade.resolve(doubted, home=str(home)).left_out


def _before(found: Subject) -> Approval | None:
    from outrig.store import places
    from outrig.store import trust as approvals

    return approvals.read(places.state(os.environ), found.place)


def _is_approved(found: Subject, before: Approval | None) -> bool:
    from outrig.core.approval import digest

    return before is not None and before.digest == digest(found.files)


# ---------------------------------------------------------------- act


def _approve(found: Subject, *, yes: bool) -> int:
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("nobody can be asked here", hint="outrig trust --yes, once you looked")
        sys.stderr.write("Approve exactly this? [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            report.notice("not approved")
            return 1
    from outrig.store import places
    from outrig.store import trust as approvals

    made = approvals.approve(places.state(os.environ), found, at=datetime.now(UTC))
    report.notice(one_line(f"approved {found.place} as {made.digest}"))
    return 0


def _revoke(found: Subject) -> int:
    from outrig.store import places
    from outrig.store import trust as approvals

    gone = approvals.revoke(places.state(os.environ), found.place)
    said = "no longer approved" if gone else "was not approved"
    report.notice(one_line(f"{found.place}: {said}"))
    return 0


def _list(*, as_json: bool) -> int:
    from outrig.core.table import table
    from outrig.store import places
    from outrig.store import trust as approvals

    known = list(approvals.every(places.state(os.environ)))
    if as_json:
        output.as_json([{"place": one.place, "at": one.at, "hash": one.digest} for one in known])
    elif known:
        rows = [("PLACE", "APPROVED", "HASH")]
        rows += [(one_line(one.place), one_line(one.at), one_line(one.digest)) for one in known]
        output.text(table(rows))
    return 0


# ---------------------------------------------------------------- show


def _state(found: Subject, before: Approval | None) -> str:
    if before is None:
        return "not approved"
    return "approved" if _is_approved(found, before) else "changed since it was approved"


def _fields(
    found: Subject, wishes: Sequence[LeftOut], before: Approval | None
) -> Mapping[str, Any]:
    from outrig.core.approval import digest

    return {
        "place": found.place,
        "state": _state(found, before),
        "approved_at": before.at if before else None,
        "hash": digest(found.files),
        "files": sorted(found.files),
        "asks_for": [{"key": one.key, "why": one.why} for one in wishes if one.helps],
    }


def _shown(found: Subject, wishes: Sequence[LeftOut], before: Approval | None) -> str:
    from outrig.core.approval import difference, digest
    from outrig.store import trust as approvals

    since = f" ({before.at})" if before else ""
    lines = [
        f"repository  {found.place}",
        f"state       {_state(found, before)}{since}",
        f"hash        {digest(found.files)}",
        f"files       {', '.join(sorted(found.files))}",
    ]
    asked = [one for one in wishes if one.helps]
    lines.append("it asks for" if asked else "it asks for nothing that needs an approval")
    lines += [line for one in asked for line in (f"  {one.key}", f"      {one.why}")]
    if not _is_approved(found, before):
        lines.append("what has changed" if before else "what it says")
        changed = difference(before.files if before else {}, approvals.texts(found))
        lines += [f"  {line}" for line in changed]
    return "".join(f"{_visible(line)}\n" for line in lines)


def _visible(line: str) -> str:
    """Nothing is left out of what is approved: what a terminal would obey is written out."""
    return "".join(
        char if char.isprintable() or char == "\t" else char.encode("unicode_escape").decode()
        for char in line
    )
