"""RunPlan: everything that is decided before anything happens; draft() decides it.

A plan can be printed (`--dry-run`), stored in the record and compared in a test. It holds the
names of environment variables, never their values, so that nothing made from it can leak them.
What only an engine can decide (a rootless engine's user, 80 % of its memory, whether the host
image has the agent's program) is decided at launch and says so.
"""

from __future__ import annotations

from posixpath import isabs, join, normpath, relpath
from typing import TYPE_CHECKING, Literal

from outrig.core import (
    identity,
    mounts,
    naming,
    network,
    repository,
    secrets,
    security,
    sidecars,
    workspace,
)
from outrig.core.agents import PROMPT, agent_argv
from outrig.core.frozen import frozen, given
from outrig.core.relations import Relations, Work
from outrig.core.words import refuse_bytes
from outrig.errors import MountError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from outrig.core.cascade import Resolved
    from outrig.core.config import AgentConfig, Config, MountConfig
    from outrig.core.secrets import Secret
    from outrig.core.security import Security
    from outrig.core.sidecars import Sidecar
    from outrig.core.workspace import Isolation

Stdin = Literal["null", "pipe", "terminal", "held"]  # held: open, for whoever attaches
HOST_IMAGE = "host"


@frozen
class Request:
    """What the command line asked for beyond configuration keys."""

    words: tuple[str, ...] = ()
    agent: str | None = None
    prompt: str | None = None
    image: str | None = None
    volumes: tuple[str, ...] = ()
    workdir: str | None = None
    name: str | None = None
    labels: Mapping[str, str] = given(factory=dict)
    relations: Relations = Relations()
    tty: bool | None = None  # -t, -T, or neither
    interactive: bool = False  # -i
    no_stdin: bool = False
    capture: bool = False  # --json: streams go to the logs only
    detach: bool = False  # -d: nobody looks, and a supervisor follows
    no_redact: bool = False  # secrets are kept and shown as they were said
    notify: bool = False  # say on the user's desktop or terminal that it has ended
    start: str | None = None  # --from REF
    with_changes: bool = False
    allow: tuple[str, ...] = ()  # network rules, beside those of the configuration
    deny: tuple[str, ...] = ()
    sidecars: tuple[str, ...] = ()  # NAME or NAME=IMAGE
    resumed: str | None = None  # the session that this one goes on with
    again: bool = False  # the agent has spoken in it, and takes that up


@frozen
class Terminal:
    """What the three standard streams of this process are."""

    stdin: Literal["terminal", "data", "other"] = "other"  # data: a pipe or a regular file
    all_terminals: bool = False
    size: tuple[int, int] | None = None  # rows, columns


@frozen
class Place:
    """Where the session works: what was found on the disk, symlinks resolved.

    `git_dir` holds HEAD and index, `common_dir` objects and refs: the same but for a linked
    worktree. Both are None where the root is not the top of a checkout.
    """

    root: str
    start: str  # the directory the user stands in
    owner: identity.Person
    repository: bool = False
    head: str | None = None
    branch: str | None = None
    git_dir: str | None = None
    common_dir: str | None = None

    @property
    def project(self) -> str:
        """The repository's common directory; without one, the directory itself."""
        return f"{self.root}/.git" if self.repository else self.root


@frozen
class ImagePlan:
    """Which image, not yet whether it is there.

    host: the empty image filled with this machine's /usr. configured: an entry of [images].
    local: a reference that must be present and is never pulled. `otherwise` is the configured
    image for an agent whose program the host image lacks.
    """

    kind: Literal["host", "configured", "local"]
    name: str
    otherwise: str | None = None


@frozen
class RunPlan:
    command: tuple[str, ...]
    agent: str | None
    words: tuple[str, ...]  # appended to the agent's own
    task: str | None
    resumed: str | None
    image: ImagePlan
    entrypoint: tuple[str, ...] | None  # None: the image's own; (): none
    workspace: Place
    isolation: Isolation
    target: str
    working_dir: str
    mounts: tuple[mounts.MountSpec, ...]
    env_names: tuple[str, ...]
    env_literal: tuple[str, ...]  # of these, values that are known to nobody but the command line
    home: Mapping[str, str]  # files laid into HOME
    user: str
    caller: identity.Person
    network: network.NetworkPlan
    memory: int | None
    memory_at_most_usual: bool  # a repository said so, and 80 % of the machine is still a bound
    cpus: float | None
    pids: int
    wall: float | None  # seconds
    idle: float | None  # seconds
    log_bytes: int
    disk: int | None  # bytes
    model_requests: int | None
    model_tokens: int | None
    security: Security
    grace: float  # seconds
    detach_keys: str
    notify: bool
    tty: bool
    stdin: Stdin
    size: tuple[int, int] | None
    name: str | None
    labels: Mapping[str, str]
    relations: Relations
    host_paths: tuple[str, ...]
    notices: tuple[str, ...]
    origins: Mapping[str, str]
    secrets: tuple[Secret, ...] = ()
    redact: bool = True
    sidecars: tuple[Sidecar, ...] = ()

    @property
    def spoken(self) -> tuple[str, ...]:
        """What the user is told beforehand; of the network last, when all its rules are known."""
        reach = network.announcement(self.network, self.agent)
        return (*self.notices, *([reach] if reach else []))

    @property
    def alone(self) -> Work | None:
        """The work on which no other session may be unfinished."""
        said = self.relations
        if said.issue is None or said.force:
            return None
        return Work(issue=said.issue, project=self.workspace.project)


def draft(
    request: Request,
    resolved: Resolved,
    *,
    place: Place,
    caller: identity.Person,
    terminal: Terminal,
    env_names: Sequence[str],
    env_literal: Sequence[str] = (),
    given: Sequence[Secret] = (),
) -> RunPlan:
    """Decide a run. Raises UsageError or MountError for what makes no sense or is refused."""
    config = resolved.config
    agent_name = chosen_agent(request, config)
    agent = config.agents[agent_name] if agent_name else None
    command = _command(request, agent_name, agent)
    tty = _tty(request, agent, terminal)
    reach = _network(request, resolved, agent)
    beside = sidecars.chosen(config.sidecars, request.sidecars, reach.mode)
    _check_name(request.name)
    who = identity.decide(config.run.user, caller=caller, owner=place.owner, rootless=False)
    target = config.workspace.target
    mounts.refuse_target(target, "workspace target")
    isolation = workspace.isolation(
        config.workspace,
        start=request.start,
        with_changes=request.with_changes,
        repository=place.repository,
    )
    plan = RunPlan(
        command=command,
        agent=agent_name,
        words=request.words if agent else (),
        task=request.prompt,
        resumed=request.resumed,
        image=_image(request, resolved, agent_name, agent),
        entrypoint=_entrypoint(config, agent),
        workspace=place,
        isolation=isolation,
        target=normpath(target),
        working_dir=_working_dir(request, place, target),
        mounts=_mounts(request, resolved, who.home, isolation),
        env_names=tuple(sorted(env_names)),
        env_literal=tuple(sorted(env_literal)),
        home=agent.home if agent else {},
        user=config.run.user,
        caller=caller,
        network=reach,
        memory=config.limits.memory,
        memory_at_most_usual="limits.memory" in resolved.narrowed,
        cpus=config.limits.cpus,
        pids=config.limits.pids,
        wall=config.limits.wall,
        idle=config.limits.idle,
        log_bytes=config.limits.log_bytes,
        disk=config.limits.disk,
        model_requests=config.limits.model_requests,
        model_tokens=config.limits.model_tokens,
        security=security.decide(config),
        grace=config.run.grace,
        detach_keys=config.run.detach_keys,
        notify=request.notify,
        tty=tty,
        stdin=_stdin(request, agent, terminal, tty=tty),
        size=terminal.size if tty else None,
        name=request.name,
        labels=request.labels,
        relations=request.relations,
        host_paths=config.host_paths,
        notices=(
            *_notices(place, isolation),
            *secrets.left_out(config.secrets, agent_name, reach.mode),
            *security.risks(config),
            *_forgotten(request, agent_name, agent),
            *sidecars.notices(config.sidecars, beside, reach.mode),
        ),
        origins=resolved.origin,
        secrets=tuple(given),
        redact=not request.no_redact,
        sidecars=beside,
    )
    _refuse_bytes(plan)
    return plan


def secrets_of(
    request: Request, resolved: Resolved, host: Mapping[str, str], flags: Mapping[str, str]
) -> tuple[Secret, ...]:
    """The session's secrets; `flags` are variables that the command line sets.

    An agent that is pointed at another host by words of its own gets its key as it asks for it.
    """
    config = resolved.config
    name = chosen_agent(request, config)
    agent = config.agents[name] if name else None
    mode = _network(request, resolved, agent).mode
    given = secrets.given(config.secrets, name, mode)
    if agent is None:
        return given
    elsewhere = any("://" in word for word in request.words)
    return (
        *given,
        *secrets.implied(
            agent,
            host,
            given=given,
            named=config.secrets,
            said={**config.env, **agent.env, **flags},
            broker=mode in network.GATED and not elsewhere,
        ),
    )


def chosen_agent(request: Request, config: Config) -> str | None:
    """The agent that runs, or None for a plain command.

    Raises UsageError when the agent is not configured or nothing says what to run.
    """
    name = request.agent
    if name is None and request.words:
        if request.prompt is not None:
            raise UsageError(
                "a prompt goes to an agent, and a command was given",
                hint="add --agent NAME: the words are then appended to the agent's own command",
            )
        return None
    name = name or config.default_agent
    known = ", ".join(sorted(config.agents))
    if name is None:
        raise UsageError(
            "nothing to run: no command, no --agent, and no default-agent",
            hint=f"outrig run -- COMMAND, or outrig run --agent NAME -p PROMPT; agents: {known}",
        )
    if name not in config.agents:
        raise UsageError(f'no agent "{name}"', hint=f"agents: {known}; add one as [agents.{name}]")
    return name


def _command(request: Request, name: str | None, agent: AgentConfig | None) -> tuple[str, ...]:
    if agent is None:
        return request.words
    prompt = request.prompt
    argv, key = agent.interactive, "interactive"
    if prompt is not None:
        again = request.again and agent.resume
        argv, key = (agent.resume, "resume") if again else (agent.command, "command")
    if not argv:
        raise UsageError(
            f'agent "{name}" has no `{key}`',
            hint=f"set it in [agents.{name}], or give a prompt with -p",
        )
    if prompt is not None and not any(PROMPT in word for word in argv):
        raise UsageError(
            f'agent "{name}" has no {PROMPT} in its `{key}`, so the prompt would be lost',
            hint=f"put {PROMPT} where it belongs in [agents.{name}] {key}",
        )
    return agent_argv(agent, prompt, request.words, again=request.again)


def _tty(request: Request, agent: AgentConfig | None, terminal: Terminal) -> bool:
    if request.tty is False:
        return False
    if request.tty and request.interactive and terminal.stdin == "data" and not request.detach:
        raise UsageError(
            "stdin is not a terminal, and -it needs one", hint="use -i alone for piped input"
        )
    unseen = request.no_stdin or request.capture or request.detach
    usable = terminal.all_terminals and not unseen
    if agent and request.prompt is None and not (request.tty or usable):
        raise UsageError(
            "an agent without a prompt needs a terminal", hint="give it a prompt with -p"
        )
    if request.tty:
        return True
    prompted = agent is not None and request.prompt is not None
    return usable and (not prompted or request.interactive)


def _stdin(request: Request, agent: AgentConfig | None, terminal: Terminal, *, tty: bool) -> Stdin:
    """Data reaches a command; an agent with a prompt waits for ever on an open pipe."""
    if request.no_stdin:
        return "null"
    if request.detach:
        return "held" if request.interactive else "null"
    prompted = agent is not None and request.prompt is not None
    if tty and terminal.stdin == "terminal" and (request.interactive or not prompted):
        return "terminal"
    if request.interactive:
        return "pipe"
    return "pipe" if terminal.stdin == "data" and not prompted and not tty else "null"


def _network(
    request: Request, resolved: Resolved, agent: AgentConfig | None
) -> network.NetworkPlan:
    said = resolved.config.network
    set_by = resolved.origin.get("network.mode", "")
    mode = network.chosen(
        configured=said.mode,
        explicit=set_by.startswith(("--", "OUTRIG_")),
        agent=agent.network if agent else None,
    )
    own = agent.hosts if agent and mode == "filter" else ()
    return network.plan(
        mode,
        allow=(*own, *said.allow),
        by_flag=request.allow,
        deny=(*said.deny, *request.deny),
        egress=said.egress,
        resolvers=said.resolvers,
    )


def _image(
    request: Request, resolved: Resolved, agent_name: str | None, agent: AgentConfig | None
) -> ImagePlan:
    """--image > the agent's image > default-image > host, and the agent's own image behind it."""
    config = resolved.config
    asked = request.image or (agent.image if agent else None) or config.default_image
    repository.refuse_unapproved(asked, resolved.unapproved)
    if asked != HOST_IMAGE:
        return ImagePlan(kind="configured" if asked in config.images else "local", name=asked)
    otherwise = agent_name if agent_name in config.images and not request.image else None
    return ImagePlan(kind="host", name=HOST_IMAGE, otherwise=otherwise)


def _entrypoint(config: Config, agent: AgentConfig | None) -> tuple[str, ...] | None:
    """An image's ENTRYPOINT stays for commands, not for agents."""
    if config.run.entrypoint is None:
        return () if agent else None
    return (config.run.entrypoint,) if config.run.entrypoint else ()


def _working_dir(request: Request, place: Place, target: str) -> str:
    if request.workdir is not None:
        return normpath(
            request.workdir if isabs(request.workdir) else join(target, request.workdir)
        )
    below = relpath(place.start, place.root)
    if below in (".", "..") or below.startswith("../"):
        return normpath(target)
    return join(normpath(target), below)


def _mounts(
    request: Request, resolved: Resolved, home: str, isolation: Isolation
) -> tuple[mounts.MountSpec, ...]:
    config = resolved.config
    configured = [
        _configured_mount(item, f"workspace.mounts[{at}]", resolved)
        for at, item in enumerate(config.workspace.mounts)
    ]
    wanted = (*configured, *map(mounts.parse_volume, request.volumes))
    place = mounts.spec("", config.workspace.target, writable=True, declared="workspace.target")
    own = [place]
    if isolation.mode == "bind-ro":
        own.append(mounts.spec("", workspace.SCRATCH, writable=True, declared="its scratch"))
    mounts.refuse_overlap((*own, *wanted))
    for mount in (*own, *wanted):
        if mounts.holds(mount.target, (home,)):
            raise MountError(
                f"{mount.declared}: {mount.target} in the container holds the session's own HOME",
                hint=f"mount below {home}",
            )
    return wanted


def _configured_mount(item: MountConfig, key: str, resolved: Resolved) -> mounts.MountSpec:
    return mounts.spec(
        item.host,
        item.container,
        writable=item.mode == "rw",
        declared=resolved.origin.get(f"{key}.host", key),
        within=resolved.confined.get(f"{key}.host"),
    )


def _refuse_bytes(plan: RunPlan) -> None:
    refuse_bytes("the command", (*plan.command, *(plan.entrypoint or ())))
    refuse_bytes("the workspace's path", (plan.workspace.root, plan.target))
    refuse_bytes("the working directory", (plan.working_dir,))
    refuse_bytes("the image's name", (plan.image.name,))
    refuse_bytes("host-paths", plan.host_paths)
    for sidecar in plan.sidecars:
        words = (sidecar.image, *sidecar.command, *sidecar.health)
        refuse_bytes(f"sidecar {sidecar.name}: a word", words)
    for mount in plan.mounts:
        refuse_bytes(f"{mount.declared}: a path", (mount.source, mount.target))


def _check_name(name: str | None) -> None:
    if name is not None and not naming.is_name(name):
        raise UsageError(
            f'"{name}" cannot be a session name',
            hint="letters, digits, _ . - and at most 63 of them, not shaped like a session id",
        )


def _notices(place: Place, isolation: Isolation) -> tuple[str, ...]:
    git = workspace.notice(isolation, repository=place.repository)
    return (git,) if git else ()


def _forgotten(request: Request, name: str | None, agent: AgentConfig | None) -> tuple[str, ...]:
    """What a user who goes on with a session would else find out from the agent's questions."""
    if not request.again or agent is None:
        return ()
    if agent.resume if request.prompt is not None else agent.resume_interactive:
        return ()
    return (f"{name} cannot go on with its conversation: it begins a new one",)


def is_utf8(text: str) -> bool:
    """False for what a command line held in another encoding (surrogates stand for its bytes)."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
