"""`outrig run`: parse, decide, launch, follow, and exit with the agent's own code."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outrig.cli import report
from outrig.cli.completion import complete_agent, complete_image
from outrig.cli.console import TerminalConsole, terminal
from outrig.core import description, quantity
from outrig.core.ending import EXIT_OWN_FAILURE
from outrig.core.frozen import frozen
from outrig.core.layer import flag_layer
from outrig.core.plan import Request
from outrig.engine import connect
from outrig.errors import OutrigError, UsageError
from outrig.runner.cancel import CancelledError
from outrig.runner.launch import launch
from outrig.runner.order import Sources, draw_up
from outrig.store import file, places, toml
from outrig.store.sessions import SessionStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from outrig.core.layer import Layer
    from outrig.core.session import Session
    from outrig.runner.order import Order

_VOLUME = re.compile(r"[^=:]*[/.~][^:]*:/|[A-Za-z0-9_.-]+:/")

LONGEST_PROMPT = 128 * 1024 - 1  # bytes; the kernel's MAX_ARG_STRLEN counts a NUL at the end


def run(  # noqa: PLR0917 - one parameter per option, and typer wants them here
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[COMMAND [ARG...]]",
            help="The command; after --agent, words appended to its argv.",
        ),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(
            "--image",
            autocompletion=complete_image,
            help="Image: a configured name or a local one.",
        ),
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option(
            "--agent", autocompletion=complete_agent, help="Agent to run: claude, codex, ..."
        ),
    ] = None,
    prompt: Annotated[
        str | None, typer.Option("-p", "--prompt", help="What the agent shall do; - reads stdin.")
    ] = None,
    prompt_file: Annotated[
        Path | None, typer.Option("--prompt-file", help="Read the prompt from a file; - is stdin.")
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(
            "-e",
            "--env",
            metavar="NAME[=VALUE]",
            help="Set a variable, or pass the host's on. Whoever may use the engine can read it.",
        ),
    ] = None,
    volume: Annotated[
        list[str] | None,
        typer.Option(
            "-v", "--volume", metavar="HOST:CONTAINER[:ro|rw]", help="Mount; read-only unless rw."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="A name to find it by.")] = None,
    label: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="KEY=VALUE", help="A label to find it by."),
    ] = None,
    workdir: Annotated[
        str | None,
        typer.Option(
            "-w", "--workdir", help="Start here; relative to the workspace's place inside."
        ),
    ] = None,
    user: Annotated[
        str | None, typer.Option("-u", "--user", metavar="caller|root|UID[:GID]", help="Run as.")
    ] = None,
    memory: Annotated[
        str | None, typer.Option("-m", "--memory", help="Memory, swap included: 512m, 4g.")
    ] = None,
    cpus: Annotated[str | None, typer.Option("--cpus", help="Processors: 1.5.")] = None,
    pids: Annotated[str | None, typer.Option("--pids", help="Processes and threads.")] = None,
    timeout: Annotated[
        str | None, typer.Option("--timeout", help="End it after this wall-clock time: 90m.")
    ] = None,
    network: Annotated[
        str | None, typer.Option("--network", metavar="none|open", help="What it may reach.")
    ] = None,
    entrypoint: Annotated[
        str | None, typer.Option("--entrypoint", help='Replaces the image\'s own; "" clears it.')
    ] = None,
    interactive: Annotated[
        bool,
        typer.Option("-i", "--interactive", help="Feed stdin, also to an agent with a prompt."),
    ] = False,
    tty: Annotated[bool, typer.Option("-t", "--tty", help="Use a terminal.")] = False,
    no_tty: Annotated[bool, typer.Option("-T", "--no-tty", help="Never use a terminal.")] = False,
    no_stdin: Annotated[bool, typer.Option("--no-stdin", help="Give it /dev/null.")] = False,
    session_dir: Annotated[
        Path | None, typer.Option("--session-dir", help="Keep the session in this empty directory.")
    ] = None,
    session_root: Annotated[
        Path | None, typer.Option("--session-root", help="Where sessions are listed.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Use this file in place of the repository's.")
    ] = None,
    global_config: Annotated[
        Path | None, typer.Option("--global-config", help="Use this file in place of your own.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan as TOML, do nothing.")
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Keep the output in the logs, print the final record as JSON."),
    ] = False,
    result: Annotated[
        Path | None,
        typer.Option("--result", help="Write the final record, or the error, to a file."),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Say each step.")] = False,
) -> int:
    """Run a command or an agent in a container and record it.

    The exit code is its own.

    outrig run -- make test

    outrig run --agent claude -p "fix the failing test"

    Look back with `outrig ls` and `outrig logs`.
    """
    _check_result(result)
    with _handing_out(result, as_json=as_json):
        cwd = _cwd()
        asked = Asked(
            request=Request(
                words=tuple(words or ()),
                agent=agent,
                prompt=_prompt(prompt, prompt_file),
                image=image,
                volumes=tuple(volume or ()),
                workdir=workdir,
                name=name,
                labels=_labels(label or ()),
                tty=_one_of(tty, no_tty),
                interactive=interactive,
                no_stdin=no_stdin,
                capture=as_json,
            ),
            env=tuple(env or ()),
            sources=Sources(
                env=os.environ,
                cwd=cwd,
                flags=_flags(
                    cwd,
                    {
                        "run.user": user,
                        "run.entrypoint": entrypoint,
                        "limits.memory": memory,
                        "limits.cpus": cpus,
                        "limits.pids": pids,
                        "limits.wall": timeout,
                        "network.mode": network,
                        "session-root": str(session_root) if session_root else None,
                    },
                ),
                config=config,
                global_config=global_config,
                skip_global=session_root is not None,
            ),
            session_dir=session_dir,
            as_json=as_json,
            verbose=verbose,
        )
        if dry_run:
            return _print_plan(asked)
        return _run(asked, result)


@frozen
class Asked:
    """The command line, parsed."""

    request: Request
    env: tuple[str, ...]
    sources: Sources
    session_dir: Path | None
    as_json: bool
    verbose: bool


# ---------------------------------------------------------------- parse


def _prompt(text: str | None, file: Path | None) -> str | None:
    if text is not None and file is not None:
        raise UsageError("--prompt and --prompt-file both give a prompt")
    if text == "-" or file == Path("-"):
        return _prompt_text(sys.stdin.buffer.read(LONGEST_PROMPT + 1), "stdin")
    if file is not None:
        try:
            return _prompt_text(file.read_bytes(), str(file))
        except OSError as error:
            raise UsageError(f"cannot read --prompt-file {file}: {error.strerror}") from error
    return None if text is None else _prompt_text(os.fsencode(text), "--prompt")


def _prompt_text(data: bytes, where: str) -> str:
    if not data.strip():
        raise UsageError(f"the prompt from {where} is empty")
    if b"\0" in data:
        raise UsageError(f"the prompt from {where} holds a NUL byte, and an argument cannot")
    if len(data) > LONGEST_PROMPT:
        raise UsageError(
            f"the prompt from {where} is longer than {LONGEST_PROMPT} bytes, "
            "and the kernel takes no longer argument",
            hint="put it into a file in the workspace and tell the agent to read that",
        )
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"the prompt from {where} is not UTF-8") from error


def _labels(given: Sequence[str]) -> dict[str, str]:
    labels = {}
    for label in given:
        key, equals, value = label.partition("=")
        if not key or not equals:
            raise UsageError(f'--label "{label}" is not KEY=VALUE')
        labels[key] = value
    return labels


def _one_of(tty: bool, no_tty: bool) -> bool | None:
    if tty and no_tty:
        raise UsageError("-t and -T exclude each other")
    return True if tty else False if no_tty else None


def _flags(cwd: Path, given: Mapping[str, str | None]) -> Layer:
    return flag_layer({key: value for key, value in given.items() if value is not None}, str(cwd))


# ---------------------------------------------------------------- act


@contextlib.contextmanager
def _handing_out(result: Path | None, *, as_json: bool) -> Iterator[None]:
    """A failure, or the record that it ended, goes where it was asked for."""
    try:
        yield
    except OutrigError as error:
        record = error.record
        _hand_out(record or {"error": report.as_object(error)}, result, None)
        if as_json and record:
            print_json(record)
        raise


def _run(asked: Asked, result: Path | None) -> int:
    """Launch and follow; hand out the record."""
    try:
        session = _session(asked)
    except CancelledError as stop:
        report.notice(f"ended by signal {stop.number} before the command had started")
        if stop.record:
            _hand_out(stop.record, result, None)
            if asked.as_json:
                print_json(stop.record)
        return 128 + stop.number
    _hand_out(session.fields, result, session.id)
    if asked.as_json:
        print_json(session.fields)
    elif os.isatty(2):
        report.notice(_last_words(session))
    return EXIT_OWN_FAILURE if session.exit_code is None else session.exit_code


def _session(asked: Asked) -> Session:
    """From an order to the final record."""
    order = _order(asked)
    for notice in order.plan.notices:
        report.notice(notice)
    store = SessionStore(session_root(order))
    engine = connect(
        order.config.engine,
        env=order.host_env,
        home=order.home,
        cache=places.cache(order.host_env),
        slots=places.slots(order.host_env),
        root=store.known_root_id() or "",
    )
    with TerminalConsole(show_streams=not asked.as_json) as console:
        run = launch(
            order,
            engine=engine,
            store=store,
            session_dir=asked.session_dir,
            cancel=console,
            show=report.notice,
        )
        if asked.verbose:
            report.notice(f"session {run.held.id} runs in container {run.container.name}")
        with contextlib.closing(run.held), console.feeding(order.plan.stdin):
            from outrig.runner.follow import follow  # loaded while the engine was starting

            return follow(run, console)


def _order(asked: Asked) -> Order:
    first = asked.request.words[0] if asked.request.words else ""
    if _VOLUME.match(first) and not asked.request.agent:
        raise UsageError(
            f'"{first}" looks like a volume, and would be run as a command',
            hint=f"to mount it: outrig run -v {first} -- COMMAND",
        )
    order = draw_up(asked.request, asked.env, asked.sources, terminal())
    for warning in order.warnings:
        report.notice(warning)
    return order


def session_root(order: Order) -> Path:
    configured = order.config.session_root
    return Path(configured) if configured else places.default_session_root(order.host_env)


# ---------------------------------------------------------------- show


def _print_plan(asked: Asked) -> int:
    order = _order(asked)
    table = description.as_table(order.plan, order.config.images)
    if asked.as_json:
        print_json(table)
    else:
        sys.stdout.write(toml.text(table))
    return 0


def print_json(value: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _cwd() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise UsageError("the working directory does not exist any more", hint="cd /") from error


def _check_result(result: Path | None) -> None:
    """Before anything runs: a result that cannot be written would be found out hours later."""
    if result is not None and not os.access(result.absolute().parent, os.W_OK):
        raise UsageError(f"--result {result}: its directory does not exist or is not writable")


def _hand_out(value: Mapping[str, Any], result: Path | None, session: str | None) -> None:
    """Write --result whole, by a rename; a failure here must not change the run's exit code."""
    if result is None:
        return
    try:
        file.write_object(str(result.absolute()), value)
    except OSError as error:
        where = f"; the record is kept: outrig show {session}" if session else ""
        report.notice(f"cannot write --result {result}: {error.strerror}{where}")


def _last_words(session: Session) -> str:
    seconds = 0.0
    if session.started_at and session.ended_at:
        seconds = (session.ended_at - session.started_at).total_seconds()
    code = "" if session.status == "completed" else f" ({session.reason}, exit {session.exit_code})"
    return (
        f"{session.id} {session.status}{code} after {quantity.duration_text(round(seconds, 1))}; "
        f"next: outrig logs {session.id}"
    )
