"""`outrig secrets`: which secrets sessions get, where from, and whether they can be had.

A value is never printed, nor any part of it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outrig.cli import here, output, report
from outrig.cli.opening import AsJson, Config, GlobalConfig
from outrig.core import secrets
from outrig.core.terminal import one_line
from outrig.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from outrig.core.config import SecretConfig
    from outrig.core.secrets import Secret
    from outrig.store.layers import Layers

app = typer.Typer(
    help="List the secrets that sessions get, and check whether they can be had.",
    epilog="Start with: outrig secrets list",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
HEADER = ("NAME", "AS", "FROM", "FOR", "GOES TO")


@app.command("list", epilog="Example: outrig secrets list. Whether they can be had: check")
def list_(
    as_json: AsJson = False, config: Config = None, global_config: GlobalConfig = None
) -> None:
    """List the configured secrets: names and where they are, never values."""
    entries, _ = _configured(config, global_config)
    found = [_fields(secrets.secret(name, one), one.agents) for name, one in sorted(entries)]
    if as_json:
        output.as_json(found)
    else:
        _print(HEADER, [_row(one) for one in found])


@app.command(epilog="Example: outrig secrets check anthropic")
def check(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME...]")] = None,
    as_json: AsJson = False,
    config: Config = None,
    global_config: GlobalConfig = None,
) -> int:
    """Ask for each secret's value, and say whether it can be had; 1 if one cannot.

    Programs of `command:` and `keyring:` are run for that.
    """
    entries, read = _configured(config, global_config)
    configured = {name: secrets.secret(name, entry) for name, entry in sorted(entries)}
    for name in names or ():
        if name not in configured:
            raise UsageError(f"no secret {name}", hint="outrig secrets list")
    found = {name: _trouble(configured[name], read) for name in names or configured}
    if as_json:
        output.as_json(
            [{"name": name, "ok": why is None, "why": why} for name, why in found.items()]
        )
    else:
        _print(("NAME", "CAN BE HAD"), [(name, why or "yes") for name, why in found.items()])
    return 1 if any(found.values()) else 0


def _trouble(secret: Secret, read: Layers) -> str | None:
    from outrig.runner.approved import refuse_changed
    from outrig.store.secrets import value

    try:
        refuse_changed((secret,), read.repo_root or here.directory(), read.seals)
        value(secret, os.environ)
    except ConfigError as error:
        return error.message.removeprefix(f"secret {secret.name}: ")
    return None


def _configured(
    config: Path | None, global_config: Path | None
) -> tuple[Iterable[tuple[str, SecretConfig]], Layers]:
    """The entries; what a repository says in vain is told."""
    from outrig.core.cascade import resolve
    from outrig.store import layers, places

    home = places.home(os.environ)
    read = layers.read(
        env=os.environ,
        cwd=here.directory(),
        home=home,
        config_file=config,
        global_config=global_config,
    )
    resolved = resolve(read.layers, home=str(home))
    for warning in resolved.warnings:
        report.notice(one_line(warning))
    return resolved.config.secrets.items(), read


def _fields(one: Secret, agents: tuple[str, ...]) -> dict[str, Any]:
    return {
        "name": one.name,
        "as": one.way,
        "from": one.source,
        "agents": list(agents),
        "variable": one.variable,
        "upstream": one.route.upstream if one.route else None,
    }


def _row(found: dict[str, Any]) -> tuple[str, ...]:
    agents = " ".join(found["agents"]) or "every session"
    return found["name"], found["as"], found["from"], agents, found["upstream"] or "-"


def _print(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    from outrig.core.table import table
    from outrig.core.terminal import one_line

    safe = [tuple(map(one_line, row)) for row in rows]
    output.text(table([header, *safe], width=output.width()))
