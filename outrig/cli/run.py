"""`outrig run`: its options, and what they ask for. What is then done is in `cli/session.py`.

Annotations are real objects here (no `from __future__ import annotations`): typer would compile
each of a hundred texts twice, 5 ms at every run.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from outrig.cli import session as session_
from outrig.cli.completion import (
    complete_agent,
    complete_image,
    complete_kind,
    complete_network,
    complete_session,
)
from outrig.cli.opening import here
from outrig.cli.result import Result
from outrig.core.layer import Layer, flag_layer
from outrig.core.plan import Request
from outrig.core.relations import KINDS, relations
from outrig.errors import UsageError
from outrig.runner.order import Sources

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
    workspace: Annotated[
        str | None,
        typer.Option(
            "--workspace",
            metavar="bind|bind-ro|worktree|overlay|copy",
            help="What it works on: your tree, or one of its own.",
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="REF", help="Begin the worktree here and not at HEAD."),
    ] = None,
    with_changes: Annotated[
        bool,
        typer.Option("--with-changes", help="Take your uncommitted changes into the worktree."),
    ] = False,
    checkpoint: Annotated[
        str | None,
        typer.Option("--checkpoint", metavar="5m", help="Record the tree this often."),
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
    issue: Annotated[
        str | None,
        typer.Option("--issue", help="What it works on; a second unfinished one is refused."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Although another one works on the same issue.")
    ] = False,
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            metavar="|".join(KINDS),
            autocompletion=complete_kind,
            help="main, or with --parent subagent.",
        ),
    ] = None,
    parent: Annotated[
        str | None,
        typer.Option(
            "--parent", autocompletion=complete_session, help="The session that it belongs to."
        ),
    ] = None,
    group: Annotated[
        str | None, typer.Option("--group", help="A word that several sessions share.")
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
    idle_timeout: Annotated[
        str | None,
        typer.Option("--idle-timeout", help="End it when it says and does nothing so long: 15m."),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            "--network",
            metavar="none|open",
            autocompletion=complete_network,
            help="What it may reach.",
        ),
    ] = None,
    read_only: Annotated[
        bool,
        typer.Option("--read-only", help="It writes only its workspace, HOME, /tmp and /run."),
    ] = False,
    cap_add: Annotated[
        list[str] | None,
        typer.Option("--cap-add", metavar="CAPABILITY", help="Give it a capability of the kernel."),
    ] = None,
    entrypoint: Annotated[
        str | None, typer.Option("--entrypoint", help='Replaces the image\'s own; "" clears it.')
    ] = None,
    detach: Annotated[
        bool, typer.Option("-d", "--detach", help="Print the id and return once it runs.")
    ] = False,
    detach_keys: Annotated[
        str | None,
        typer.Option("--detach-keys", help='Let go of it in a terminal: "ctrl-p,ctrl-q".'),
    ] = None,
    notify: Annotated[
        bool,
        typer.Option("--notify", help="Ring the terminal's bell, or the desktop's, at its end."),
    ] = False,
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
        Path | None,
        typer.Option("--session-root", readable=False, help="Where sessions are listed."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Use this file in place of the repository's.")
    ] = None,
    global_config: Annotated[
        Path | None, typer.Option("--global-config", help="Use this file in place of your own.")
    ] = None,
    trust_hash: Annotated[
        str | None,
        typer.Option(
            "--trust-hash", metavar="HASH", help="Trust the repository's config if it has this."
        ),
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
    destination = Result(result)
    with session_.handing_out(destination, as_json=as_json):
        cwd = here()
        asked = session_.Asked(
            request=Request(
                words=tuple(words or ()),
                agent=agent,
                prompt=_prompt(prompt, prompt_file),
                image=image,
                volumes=tuple(volume or ()),
                workdir=workdir,
                name=name,
                labels=_labels(label or ()),
                relations=relations(
                    kind=kind,
                    parent=session_.parent_id(parent, session_root, global_config),
                    group=group,
                    issue=issue,
                    force=force,
                ),
                tty=_one_of(tty, no_tty),
                interactive=interactive,
                no_stdin=no_stdin,
                capture=as_json,
                detach=detach,
                notify=notify,
                start=start,
                with_changes=with_changes,
            ),
            env=tuple(env or ()),
            sources=Sources(
                env=os.environ,
                cwd=cwd,
                flags=_flags(
                    cwd,
                    {
                        "workspace.mode": workspace,
                        "workspace.checkpoint": checkpoint,
                        "run.user": user,
                        "run.entrypoint": entrypoint,
                        "run.detach-keys": detach_keys,
                        "limits.memory": memory,
                        "limits.cpus": cpus,
                        "limits.pids": pids,
                        "limits.wall": timeout,
                        "limits.idle": idle_timeout,
                        "network.mode": network,
                        "security.read-only": "true" if read_only else None,
                        "security.capabilities": tuple(cap_add) if cap_add else None,
                        "session-root": str(session_root) if session_root else None,
                    },
                ),
                config=config,
                global_config=global_config,
                trust_hash=trust_hash,
                skip_global=session_root is not None,
            ),
            session_dir=session_dir,
            as_json=as_json,
            verbose=verbose,
        )
        if dry_run:
            return session_.print_plan(asked)
        return session_.run(asked, destination)


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


def _flags(cwd: Path, given: Mapping[str, str | tuple[str, ...] | None]) -> Layer:
    return flag_layer({key: value for key, value in given.items() if value is not None}, str(cwd))
