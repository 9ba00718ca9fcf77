"""`outrig resume`: its options, and what they ask for anew; the rest is as the session had it.

Annotations are real objects here, as in `cli/run.py`.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from outrig.cli import given, here, opening, options
from outrig.cli import session as session_
from outrig.cli.completion import (
    complete_agent,
    complete_image,
    complete_session,
)
from outrig.cli.option import Option, Words
from outrig.cli.result import Result
from outrig.core import network as network_
from outrig.core.plan import HOST_IMAGE
from outrig.core.relations import relations
from outrig.core.request import Request
from outrig.core.session import Session
from outrig.core.sidecars import again
from outrig.errors import UsageError
from outrig.runner.order import Sources


def resume(  # noqa: PLR0917 - one parameter per option
    words: Annotated[
        list[str] | None,
        Words(
            "SESSION [COMMAND [ARG...]]",
            "The session, and what to run in it now; after --agent, words appended to its argv.",
            complete_session,
        ),
    ] = None,
    prompt: options.Prompt = None,
    prompt_file: options.PromptFile = None,
    agent: Annotated[
        str | None, Option("--agent", "Another agent than before.", complete=complete_agent)
    ] = None,
    image: Annotated[
        str | None,
        Option(
            "--image", "Another image: a built-in name or a local one.", complete=complete_image
        ),
    ] = None,
    checkpoint: options.Checkpoint = None,
    env: Annotated[
        list[str] | None,
        Option("-e --env", "Set a variable, or pass the host's on.", metavar="NAME[=VALUE]"),
    ] = None,
    volume: Annotated[
        list[str] | None,
        Option("-v --volume", "One mount more.", metavar="HOST:CONTAINER[:ro|rw]"),
    ] = None,
    name: options.Name = None,
    label: Annotated[
        list[str] | None, Option("--label", "A label more to find it by.", metavar="KEY=VALUE")
    ] = None,
    issue: Annotated[str | None, Option("--issue", "What it works on now.")] = None,
    force: options.Force = False,
    group: options.Group = None,
    workdir: options.Workdir = None,
    memory: options.Memory = None,
    cpus: options.Cpus = None,
    pids: options.Pids = None,
    timeout: options.Timeout = None,
    disk: options.Disk = None,
    model_requests: options.ModelRequests = None,
    model_tokens: options.ModelTokens = None,
    idle_timeout: options.IdleTimeout = None,
    network: options.Network = None,
    allow: Annotated[
        list[str] | None,
        Option("--allow", "Let it reach this too: a host, *.suffix, CIDR.", metavar="HOST[:PORT]"),
    ] = None,
    deny: options.Deny = None,
    detach: options.Detach = False,
    detach_keys: options.DetachKeys = None,
    no_redact: options.NoRedact = False,
    notify: options.Notify = False,
    interactive: options.Interactive = False,
    tty: options.Tty = False,
    no_tty: options.NoTty = False,
    no_stdin: options.NoStdin = False,
    session_dir: Annotated[
        Path | None, Option("--session-dir", "Keep the new session in this empty directory.")
    ] = None,
    session_root: options.SessionRoot = None,
    global_config: options.GlobalConfig = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
    result: options.Result = None,
    verbose: options.Verbose = False,
) -> int:
    """Go on with a session that has ended, as a new one in the same workspace.

    The agent takes its conversation up where it can; without an agent the same command runs
    again. Image, mounts, limits and variables are as before, unless given anew.

    outrig resume @last -p "now add a test"

    outrig resume @last -- make test

    The exit code is its own. `outrig attach` is for a session that still runs.
    """
    destination = Result(result)
    with session_.handing_out(destination, as_json=as_json):
        query, *command = words or [""]
        if not query:
            raise UsageError("the session that shall go on", hint="outrig resume @last")
        found = opening.session(query, None, session_root, global_config)
        root = found.store.root if found.store else session_root
        mode, allowed, denied = _reach(found.session, network)
        cwd = Path("/")  # what was relative then is so now
        flags = {
            "workspace.checkpoint": checkpoint,
            "run.detach-keys": detach_keys,
            "limits.memory": memory,
            "limits.cpus": cpus,
            "limits.pids": pids,
            "limits.wall": timeout,
            "limits.idle": idle_timeout,
            "limits.disk": disk,
            "limits.model-requests": model_requests,
            "limits.model-tokens": model_tokens,
            "network.mode": mode,
            "session-root": str(root) if root else None,
        }
        asked = session_.Asked(
            request=Request(
                words=_words(found.session, agent, command),
                agent=_agent(found.session, agent, command),
                prompt=given.prompt(prompt, prompt_file),
                image=image or _image(found.session),
                volumes=tuple(map(_absolute, volume or ())),
                workdir=workdir or found.session.text("workdir") or None,
                name=name,
                labels={**found.session.labels, **given.labels(label or ())},
                relations=relations(
                    kind=found.session.kind,
                    parent=found.session.id,
                    group=group or found.session.text("group") or None,
                    issue=issue or found.session.text("issue") or None,
                    force=force,
                ),
                tty=given.terminal(tty, no_tty),
                interactive=interactive,
                no_stdin=no_stdin,
                capture=as_json,
                detach=detach,
                notify=notify,
                no_redact=no_redact or found.session.fields.get("redact") is False,
                allow=(*allowed, *(allow or ())),
                deny=(*denied, *(deny or ())),
                sidecars=() if mode == "none" else again(found.session),
            ),
            env=tuple(env or ()),
            sources=Sources(env=os.environ, cwd=cwd, flags=given.flags(cwd, flags)),
            session_dir=session_dir,
            as_json=as_json,
            verbose=verbose,
            resumed=found,
        )
        if dry_run:
            return session_.print_plan(asked)
        return session_.run(asked, destination)


# ---------------------------------------------------------------- as it was


def _agent(session: Session, agent: str | None, command: Sequence[str]) -> str | None:
    """A command in the agent's place runs without it."""
    return agent or (None if command else session.agent_name)


def _words(session: Session, agent: str | None, command: Sequence[str]) -> tuple[str, ...]:
    if command:
        return tuple(command)
    if agent is None and session.agent_name is None:
        return session.command
    same = agent in (None, session.agent_name)
    listed = session.fields.get("agent_words")
    return tuple(map(str, listed)) if same and isinstance(listed, list) else ()


def _image(session: Session) -> str:
    """The very one that it had: what is configured may have changed."""
    host = session.image == HOST_IMAGE
    return HOST_IMAGE if host else session.text("image_tag") or session.image


def _reach(
    session: Session, mode: str | None
) -> tuple[str | None, tuple[str, ...], tuple[str, ...]]:
    """Mode and rules: those that it had, but for another mode."""
    had = network_.of_record(session.fields.get("network"))
    if had is None or mode is not None:
        return mode, (), ()
    return had.mode, had.allow, had.deny


def _absolute(volume: str) -> str:
    """From where the user stands now; everything else is from where they stood then."""
    return volume if volume[:1] in ("/", "~", ":", "") else f"{here.directory()}/{volume}"
