"""`outrig secrets`: which secrets sessions get, where from, and whether they can be had.

A value is never printed, nor any part of it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outrig.cli import here, output
from outrig.cli.opening import AsJson, Config, GlobalConfig
from outrig.core import secrets
from outrig.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from outrig.core.secrets import Secret

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
    found = [_fields(one, agents) for one, agents in _configured(config, global_config)]
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
    configured = {one.name: one for one, _ in _configured(config, global_config)}
    for name in names or ():
        if name not in configured:
            raise UsageError(f"no secret {name}", hint="outrig secrets list")
    found = {name: _trouble(configured[name]) for name in names or configured}
    if as_json:
        output.as_json(
            [{"name": name, "ok": why is None, "why": why} for name, why in found.items()]
        )
    else:
        _print(("NAME", "CAN BE HAD"), [(name, why or "yes") for name, why in found.items()])
    return 1 if any(found.values()) else 0


def _trouble(secret: Secret) -> str | None:
    from outrig.store.secrets import value

    try:
        value(secret, os.environ)
    except ConfigError as error:
        return error.message.removeprefix(f"secret {secret.name}: ")
    return None


def _configured(
    config: Path | None, global_config: Path | None
) -> Iterator[tuple[Secret, tuple[str, ...]]]:
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
    for name, entry in sorted(resolve(read.layers, home=str(home)).config.secrets.items()):
        yield secrets.secret(name, entry), entry.agents


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
