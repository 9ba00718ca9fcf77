"""The application as typer knows it: help, completion, and what is wrong with a command line."""

from __future__ import annotations

import importlib
import inspect
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outrig import __version__
from outrig.cli import option, report
from outrig.cli.doors import DOORS
from outrig.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from outrig.cli.doors import Door

# Options end at the first word of the command, which keeps its own options.
TAKE_COMMANDS = ("run", "exec")
SETTINGS = {"help_option_names": ["-h", "--help"]}
RUN_SETTINGS = {**SETTINGS, "allow_interspersed_args": False}

EPILOG = "Start with: outrig doctor, then outrig run -- COMMAND; then outrig ls."
# typer's base of all usage errors, wherever its version keeps it
_MISUSE: Any = typer.BadParameter.__bases__[0]


def run(command: str | None, argv: list[str]) -> Any:
    """Run a command line; `command` is the one that it names.

    Raises UsageError for what typer does not understand, and what the command itself raises.
    """
    completing = "_OUTRIG_COMPLETE" in os.environ
    app = build_app(command) if command or completing else overview()
    try:
        return app(args=argv or ["--help"], prog_name="outrig", standalone_mode=False)
    except _MISUSE as error:
        raise _misuse(command, argv, error) from error
    except typer.Abort:
        raise KeyboardInterrupt from None


def _misuse(command: str | None, argv: list[str], error: Exception) -> UsageError:
    formatter = getattr(error, "format_message", None)
    words = str(formatter() if callable(formatter) else error)
    found = UsageError(words, hint=f"outrig {command} --help" if command else "outrig --help")
    found.as_json = _wants_json(argv)
    return found


def _wants_json(argv: list[str]) -> bool:
    """Whether --json stands among the options, for errors found before they are parsed."""
    options = argv[: argv.index("--")] if "--" in argv else argv
    return "--json" in options


def build_app(command: str | None) -> typer.Typer:
    """The application with one command, or with all of them when none is named."""
    app = _bare()
    for door in DOORS:
        if command is None or door.name == command:
            _register(app, door)
    return app


def overview() -> typer.Typer:
    """The application with the name and first sentence of each command: --help, --version."""
    app = _bare()
    for door in DOORS:
        app.command(door.name, help=door.summary)(_not_loaded)
    return app


def _bare() -> typer.Typer:
    app = typer.Typer(
        name="outrig",
        help="Run any coding agent, or any command, in a container; keep a truthful record of it.",
        epilog=EPILOG,
        rich_markup_mode=None,  # rich costs 35 ms at every --help
        pretty_exceptions_enable=False,
        context_settings=SETTINGS,
    )
    app.callback()(_root)
    return app


def _not_loaded() -> None:
    """Stands for a command in the overview, where none can be called."""


def _register(app: typer.Typer, door: Door) -> None:
    target = getattr(importlib.import_module(door.module), door.function)
    if door.group:
        app.add_typer(target, name=door.name)
        return
    settings = RUN_SETTINGS if door.name in TAKE_COMMANDS else SETTINGS
    acting = for_typer(target)
    app.command(door.name, context_settings=settings)(acting)
    if door.alias:
        app.command(door.alias, context_settings=settings, hidden=True)(acting)


def for_typer(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command, its options as typer wants them."""
    acting = report.remember_json(command)
    signature = inspect.signature(command, eval_str=True)
    parameters = [
        one.replace(annotation=_annotation(one.annotation)) for one in signature.parameters.values()
    ]
    vars(acting)["__signature__"] = signature.replace(parameters=parameters)
    return acting


def _annotation(annotation: Any) -> Any:
    """What cannot be read is said by whoever reads it, so typer need not look."""
    kind, about = option.said(annotation)
    match about:
        case option.Option(names, words, metavar, complete):
            said = typer.Option(
                *names.split(), help=words, metavar=metavar, autocompletion=complete, readable=False
            )
            return Annotated[kind, said]
        case option.Words(metavar, words, complete):
            argument = typer.Argument(metavar=metavar, help=words, autocompletion=complete)
            return Annotated[kind, argument]
        case _:
            return annotation


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"outrig {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass
