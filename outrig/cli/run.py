"""`outrig run`: its options, and what they ask for. What is then done is in `cli/session.py`.

Annotations are real objects here (no `from __future__ import annotations`): `cli/option.py` reads
them as they are, at every run.
"""

import os
from pathlib import Path

from outrig.cli import given, here, options
from outrig.cli import session as session_
from outrig.cli.completion import (
    complete_agent,
    complete_image,
    complete_kind,
    complete_session,
    complete_sidecar,
)
from outrig.cli.option import Annotated, Option, Words
from outrig.cli.result import Result
from outrig.core.relations import KINDS, relations
from outrig.core.request import Request
from outrig.runner.order import Sources


def run(  # noqa: PLR0917 - one parameter per option
    words: Annotated[
        list[str] | None,
        Words("[COMMAND [ARG...]]", "The command; after --agent, words appended to its argv."),
    ] = None,
    image: Annotated[
        str | None,
        Option("--image", "Image: a configured name or a local one.", complete=complete_image),
    ] = None,
    agent: Annotated[
        str | None,
        Option("--agent", "Agent to run: claude, codex, ...", complete=complete_agent),
    ] = None,
    prompt: options.Prompt = None,
    prompt_file: options.PromptFile = None,
    workspace: Annotated[
        str | None,
        Option(
            "--workspace",
            "What it works on: your tree, or one of its own.",
            metavar="bind|bind-ro|worktree|overlay|copy",
        ),
    ] = None,
    start: Annotated[
        str | None,
        Option("--from", "Begin the worktree here and not at HEAD.", metavar="REF"),
    ] = None,
    with_changes: Annotated[
        bool,
        Option("--with-changes", "Take your uncommitted changes into the worktree."),
    ] = False,
    checkpoint: options.Checkpoint = None,
    env: Annotated[
        list[str] | None,
        Option(
            "-e --env",
            "Set a variable, or pass the host's on. Whoever may use the engine can read it.",
            metavar="NAME[=VALUE]",
        ),
    ] = None,
    volume: Annotated[
        list[str] | None,
        Option("-v --volume", "Mount; read-only unless rw.", metavar="HOST:CONTAINER[:ro|rw]"),
    ] = None,
    name: options.Name = None,
    label: Annotated[
        list[str] | None,
        Option("--label", "A label to find it by.", metavar="KEY=VALUE"),
    ] = None,
    issue: Annotated[
        str | None,
        Option("--issue", "What it works on; a second unfinished one is refused."),
    ] = None,
    force: options.Force = False,
    kind: Annotated[
        str | None,
        Option(
            "--kind",
            "main, or with --parent subagent.",
            metavar="|".join(KINDS),
            complete=complete_kind,
        ),
    ] = None,
    parent: Annotated[
        str | None,
        Option("--parent", "The session that it belongs to.", complete=complete_session),
    ] = None,
    group: options.Group = None,
    workdir: options.Workdir = None,
    user: Annotated[
        str | None, Option("-u --user", "Run as.", metavar="caller|root|UID[:GID]")
    ] = None,
    memory: options.Memory = None,
    cpus: options.Cpus = None,
    pids: options.Pids = None,
    timeout: options.Timeout = None,
    disk: options.Disk = None,
    model_requests: options.ModelRequests = None,
    model_tokens: options.ModelTokens = None,
    idle_timeout: options.IdleTimeout = None,
    network: options.Network = None,
    read_only: Annotated[
        bool,
        Option("--read-only", "It writes only its workspace, HOME, /tmp and /run."),
    ] = False,
    cap_add: Annotated[
        list[str] | None,
        Option("--cap-add", "Give it a capability of the kernel.", metavar="CAPABILITY"),
    ] = None,
    allow: Annotated[
        list[str] | None,
        Option("--allow", "Let it reach this: a host, *.suffix, CIDR.", metavar="HOST[:PORT]"),
    ] = None,
    deny: options.Deny = None,
    sidecar: Annotated[
        list[str] | None,
        Option(
            "--sidecar",
            "A database or cache that it reaches by this name.",
            metavar="NAME[=IMAGE]",
            complete=complete_sidecar,
        ),
    ] = None,
    entrypoint: Annotated[
        str | None, Option("--entrypoint", 'Replaces the image\'s own; "" clears it.')
    ] = None,
    detach: options.Detach = False,
    detach_keys: options.DetachKeys = None,
    notify: options.Notify = False,
    interactive: options.Interactive = False,
    tty: options.Tty = False,
    no_tty: options.NoTty = False,
    no_redact: options.NoRedact = False,
    no_stdin: options.NoStdin = False,
    session_dir: Annotated[
        Path | None, Option("--session-dir", "Keep the session in this empty directory.")
    ] = None,
    session_root: options.SessionRoot = None,
    config: Annotated[
        Path | None, Option("--config", "Use this file in place of the repository's.")
    ] = None,
    global_config: options.GlobalConfig = None,
    trust_hash: Annotated[
        str | None,
        Option("--trust-hash", "Trust the repository's config if it has this.", metavar="HASH"),
    ] = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
    result: options.Result = None,
    verbose: options.Verbose = False,
) -> int:
    """Run a command or an agent in a container and record it.

    The exit code is its own.

    outrig run -- make test

    outrig run --agent claude -p "fix the failing test"

    Look back with `outrig ls` and `outrig logs`.
    """
    destination = Result(result)
    with session_.handing_out(destination, as_json=as_json):
        cwd = here.directory()
        asked = session_.Asked(
            request=Request(
                words=tuple(words or ()),
                agent=agent,
                prompt=given.prompt(prompt, prompt_file),
                image=image,
                volumes=tuple(volume or ()),
                workdir=workdir,
                name=name,
                labels=given.labels(label or ()),
                relations=relations(
                    kind=kind,
                    parent=session_.parent_id(parent, session_root, global_config),
                    group=group,
                    issue=issue,
                    force=force,
                ),
                tty=given.terminal(tty, no_tty),
                interactive=interactive,
                no_stdin=no_stdin,
                no_redact=no_redact,
                capture=as_json,
                detach=detach,
                notify=notify,
                start=start,
                with_changes=with_changes,
                allow=tuple(allow or ()),
                deny=tuple(deny or ()),
                sidecars=tuple(sidecar or ()),
            ),
            env=tuple(env or ()),
            sources=Sources(
                env=os.environ,
                cwd=cwd,
                flags=given.flags(
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
                        "limits.disk": disk,
                        "limits.model-requests": model_requests,
                        "limits.model-tokens": model_tokens,
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
