"""`outrig network`: what a session reached and was refused, rules from that, and leave for more."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from outrig.cli import opening, output, report
from outrig.cli.opening import AsJson, GlobalConfig, SessionDir, SessionQuery, SessionRoot
from outrig.core.terminal import one_line
from outrig.errors import UsageError

if TYPE_CHECKING:
    from outrig.core.connections import Reached
    from outrig.store.finding import Found

app = typer.Typer(
    help="Show what sessions reached, and allow more.",
    epilog="Start with: outrig network show @last",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.command(epilog="Example: outrig network show @last. Rules of it: outrig network learn @last")
def show(
    session: SessionQuery = None,
    as_json: AsJson = False,
    session_dir: SessionDir = None,
    session_root: SessionRoot = None,
    global_config: GlobalConfig = None,
) -> None:
    """Show what a session reached and what it was refused, by rule, with bytes."""
    from outrig.core.connections import advice, rows
    from outrig.core.table import table
    from outrig.store import network

    found = opening.session(session, session_dir, session_root, global_config)
    if as_json:
        output.as_json(list(network.lines(found.directory)))
        return
    reached = _reached(found)
    if reached:
        output.text(table([[one_line(word) for word in row] for row in rows(reached)]))
    for words in advice(reached):
        report.notice(words)


@app.command(
    epilog="Example: outrig network learn @last. What it was made of: outrig network show @last"
)
def learn(
    session: SessionQuery = None,
    session_dir: SessionDir = None,
    session_root: SessionRoot = None,
    global_config: GlobalConfig = None,
) -> None:
    """Print the rules that allow what a session reached, as configuration."""
    from outrig.core.connections import rules
    from outrig.core.keys import literal

    found = opening.session(session, session_dir, session_root, global_config)
    learned = rules(_reached(found))
    allow = "".join(f"    {literal(rule)},\n" for rule in learned)
    output.text(f'[network]\nmode = "filter"\nallow = [\n{allow}]\n')


@app.command(epilog="Example: outrig network allow @last git.example.org:443 --for 5m")
def allow(
    session: Annotated[str, typer.Argument(metavar="SESSION", help="One that runs.")],
    rule: Annotated[
        str, typer.Argument(metavar="HOST[:PORT]", help="Or *.suffix, an address, a CIDR.")
    ],
    lasting: Annotated[
        str | None, typer.Option("--for", metavar="5m", help="Only so long; else to its end.")
    ] = None,
    session_root: SessionRoot = None,
    global_config: GlobalConfig = None,
) -> None:
    """Let a session that runs in filter or audit reach one more place; the record says who did."""
    from outrig.core.quantity import duration
    from outrig.runner.allow import allow as allowing

    found = opening.session(session, None, session_root, global_config)
    try:
        seconds = None if lasting is None else duration(lasting)
    except ValueError as error:
        raise UsageError(f"--for: {error}") from error
    if seconds == 0:
        raise UsageError("--for: no time at all", hint="--for 5m")
    allowing(found, rule, seconds=seconds, by=_author())
    how_long = f" for {lasting}" if lasting else ""
    report.notice(one_line(f"{found.session.id} may reach {rule}{how_long}"))


def _reached(found: Found) -> list[Reached]:
    """What was told; a notice where nothing is."""
    from outrig.core.connections import summed
    from outrig.core.network import GATED
    from outrig.store import network

    said = found.session.fields.get("network")
    mode = said.get("mode") if isinstance(said, dict) else said
    reached = summed(network.lines(found.directory))
    if mode not in GATED:
        report.notice(one_line(f"network {mode}: only filter and audit are told of"))
    elif not reached:
        report.notice("nothing was reached or refused until now")
    return reached


def _author() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
