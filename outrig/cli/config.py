"""`outrig config`: what is configured, by whom, whether it is valid, and what could be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outrig.cli import here, output, report
from outrig.errors import OutrigError

if TYPE_CHECKING:
    from outrig.core.cascade import Resolved
    from outrig.store.layers import Layers

app = typer.Typer(
    help="Show and check the configuration.",
    epilog="Start with: outrig config show --origin",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Read FILE in place of the repo's config."),
]
GlobalFile = Annotated[
    Path | None,
    typer.Option("--global-config", metavar="FILE", help="Read FILE in place of the global one."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command(
    epilog="Example: outrig config show --origin. What could be set: outrig config example"
)
def show(
    origin: Annotated[bool, typer.Option("--origin", help="Say who set each key.")] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
    global_config: GlobalFile = None,
) -> None:
    """Print the effective configuration as TOML, or each key with its origin."""
    from outrig.core.cascade import as_table
    from outrig.store import toml

    try:
        resolved = _resolved(_layers(config, global_config))
    except OutrigError as error:
        error.as_json = as_json
        raise
    if as_json:
        shown = _origins(resolved) if origin else as_table(resolved.config)
        output.as_json(shown)
    elif origin:
        output.document("".join(_origin_lines(resolved)))
    else:
        output.document(toml.text(as_table(resolved.config)))


@app.command(epilog="Example: outrig config path. What they say: outrig config show --origin")
def path(config: ConfigFile = None, global_config: GlobalFile = None) -> None:
    """Print the files that are looked at, the later one wins, and whether they are there."""
    files = _layers(config, global_config).files
    width = max(len(str(file.path)) for file in files)
    for file in files:
        output.document(f"{file.source.name.lower():<6}  {file.path!s:<{width}}  {file.state}\n")


@app.command(
    epilog="Example: outrig config check --config new.toml. The keys: outrig config example"
)
def check(config: ConfigFile = None, global_config: GlobalFile = None) -> None:
    """Say what is wrong with the configuration; exit 1 if it cannot be used."""
    from outrig.core.reference import resolve

    layers = _layers(config, global_config)
    resolved = _resolved(layers)
    resolve(resolved.config.env, os.environ, "env")
    read = [str(file.path) for file in layers.files if file.state == "read"]
    output.document(
        "".join(f"ok  {name}\n" for name in read) or "ok  no config file, all defaults\n"
    )


@app.command(epilog="Example: outrig config schema > outrig.schema.json")
def schema() -> None:
    """Print the JSON Schema of a config file, for editors. For people: outrig config example."""
    from outrig.core.schema import json_schema

    output.as_json(json_schema())


@app.command(epilog="Example: outrig config example > ~/.config/outrig/config.toml")
def example() -> None:
    """Print a config file with every key, its default and who may set it, commented out."""
    from outrig.core import schema

    output.text(schema.example())


def _layers(config: Path | None, global_config: Path | None) -> Layers:
    from outrig.store import layers, places

    return layers.read(
        env=os.environ,
        cwd=here.directory(),
        home=places.home(os.environ),
        config_file=config,
        global_config=global_config,
    )


def _resolved(layers: Layers) -> Resolved:
    """The configuration without flags; warnings go to stderr."""
    from outrig.core.cascade import resolve
    from outrig.store import places

    resolved = resolve(layers.layers, home=str(places.home(os.environ)))
    for warning in resolved.warnings:
        report.notice(warning)
    return resolved


def _origins(resolved: Resolved) -> dict[str, dict[str, Any]]:
    from outrig.core import cascade, keys, value

    shown = {}
    for at, field, holds in cascade.settings(resolved.config):
        name = keys.dotted(at)
        plain = holds if holds is None or field.is_table else value.written(field, holds)
        shown[name] = {"value": plain, "origin": resolved.origin.get(name, cascade.DEFAULT)}
    return shown


def _origin_lines(resolved: Resolved) -> list[str]:
    """`key = value   # origin`; an unset key says in words what that means."""
    from outrig.core import keys

    words = {
        keys.dotted(at): f"({field.about.get('default_words') or 'unset'})"
        for at, field in keys.every()
    }
    settings = {
        f"{name} = {words[name] if said['value'] is None else keys.literal(said['value'])}": said
        for name, said in _origins(resolved).items()
    }
    width = min(60, max(map(len, settings)))
    return [f"{text:<{width}}   # {said['origin']}\n" for text, said in settings.items()]
