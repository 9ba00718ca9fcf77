"""The front door: which commands there are, and main(), which runs a command line.

Only the command that was asked for is loaded: `outrig ls` must not pay for `run`. The table is
the order of `outrig --help`.
"""

from __future__ import annotations

import functools
import importlib
import os
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from outrig import __version__
from outrig.cli import report
from outrig.errors import OutrigError

if TYPE_CHECKING:
    from collections.abc import Callable


class Door(NamedTuple):
    """Where a command lives, and its first sentence, so that --help need not load it."""

    name: str
    module: str
    function: str
    summary: str
    alias: str | None = None
    group: bool = False


DOORS = (
    Door(
        "run",
        "outrig.cli.run",
        "run",
        "Run a command or an agent in a container and record it.",
    ),
    Door("ls", "outrig.cli.ls", "ls", "List sessions, the newest first.", alias="ps"),
    Door(
        "show",
        "outrig.cli.show",
        "show",
        "Show everything that is recorded of a session.",
        alias="inspect",
    ),
    Door("logs", "outrig.cli.logs", "logs", "Print what a session said."),
    Door("replay", "outrig.cli.replay", "replay", "Play a session again, as it was seen."),
    Door("export", "outrig.cli.export", "export", "Write a session into a file for others."),
    Door("diff", "outrig.cli.diff", "diff", "Show what a session changed in its workspace."),
    Door(
        "patch",
        "outrig.cli.diff",
        "patch",
        "Print what a session changed as a patch, for `git apply`.",
    ),
    Door("undo", "outrig.cli.undo", "undo", "Put back what a session changed in your tree."),
    Door("attach", "outrig.cli.attach", "attach", "Look at a session that runs, and type into it."),
    Door("exec", "outrig.cli.exec", "exec_", "Run a command in a session that runs."),
    Door("shell", "outrig.cli.exec", "shell", "Open a shell in a session that runs."),
    Door("wait", "outrig.cli.wait", "wait", "Wait until sessions have ended."),
    Door("stop", "outrig.cli.stop", "stop", "End sessions: TERM, and after a grace period KILL."),
    Door("kill", "outrig.cli.stop", "kill", "End sessions at once: KILL."),
    Door(
        "pause", "outrig.cli.pause", "pause", "Let sessions stand still; their time limits do too."
    ),
    Door("unpause", "outrig.cli.pause", "unpause", "Let paused sessions go on."),
    Door(
        "accept",
        "outrig.cli.accept",
        "accept",
        "Take a session's work over, onto the branch that it began on.",
    ),
    Door("branch", "outrig.cli.branch", "branch", "Give a session's result a branch of its own."),
    Door("archive", "outrig.cli.archive", "archive", "Keep a session's result and free the rest."),
    Door(
        "discard",
        "outrig.cli.discard",
        "discard",
        "Remove sessions and what outrig wrote for them.",
        alias="rm",
    ),
    Door("events", "outrig.cli.events", "events", "Show what happened to sessions, in order."),
    Door(
        "clean",
        "outrig.cli.clean",
        "clean",
        "Remove old sessions, and containers whose session is gone.",
    ),
    Door("build", "outrig.cli.build", "build", "Build images, those they stand on first."),
    Door("images", "outrig.cli.images", "images", "List configured and built images."),
    Door("config", "outrig.cli.config", "app", "Show and check the configuration.", group=True),
    Door(
        "trust",
        "outrig.cli.trust",
        "trust",
        "Approve what this repository's config asks for.",
    ),
    Door(
        "doctor",
        "outrig.cli.doctor",
        "doctor",
        "Check everything that outrig needs, and say what helps.",
    ),
)
# Options end at the first word of the command, which keeps its own options.
TAKE_COMMANDS = ("run", "exec")
SETTINGS = {"help_option_names": ["-h", "--help"]}
RUN_SETTINGS = {**SETTINGS, "allow_interspersed_args": False}

EPILOG = "Start with: outrig doctor, then outrig run -- COMMAND; then outrig ls."


def main(argv: list[str]) -> int:
    """Run one command line and return its exit code."""
    command = _canonical(argv[0]) if argv else None
    completing = "_OUTRIG_COMPLETE" in os.environ
    app = build_app(command) if command or completing else overview()

    def act() -> Any:
        return app(args=argv or ["--help"], prog_name="outrig", standalone_mode=False)

    return report.guarded(command, argv, act)


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


def _canonical(word: str) -> str | None:
    for door in DOORS:
        if word in (door.name, door.alias):
            return door.name
    return None


def _register(app: typer.Typer, door: Door) -> None:
    target = getattr(importlib.import_module(door.module), door.function)
    if door.group:
        app.add_typer(target, name=door.name)
        return
    settings = RUN_SETTINGS if door.name in TAKE_COMMANDS else SETTINGS
    acting = _remember_json(target)
    app.command(door.name, context_settings=settings)(acting)
    if door.alias:
        app.command(door.alias, context_settings=settings, hidden=True)(acting)


def _remember_json(command: Callable[..., Any]) -> Callable[..., Any]:
    """A failure is reported as JSON if the command was asked for JSON."""

    @functools.wraps(command)
    def acting(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except OutrigError as error:
            error.as_json = bool(kwargs.get("as_json", False))
            raise

    return acting


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
