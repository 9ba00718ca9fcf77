"""draft(): what was asked for, the configuration and what was found become a RunPlan.

Pure, so `--dry-run` can print what it decides and a test can compare it.
"""

from __future__ import annotations

from posixpath import isabs, join, normpath, relpath

from outrig.core import (
    command,
    identity,
    limits,
    mounts,
    naming,
    network,
    repository,
    secrets,
    security,
    sidecars,
    streams,
    workspace,
)
from outrig.core.plan import HOST_IMAGE, ImagePlan, RunPlan
from outrig.core.words import refuse_bytes
from outrig.errors import MountError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from outrig.core.cascade import Resolved
    from outrig.core.config import AgentConfig, Config, MountConfig
    from outrig.core.plan import Place
    from outrig.core.request import Request
    from outrig.core.secrets import Secret
    from outrig.core.streams import Terminal
    from outrig.core.workspace import Isolation


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
    agent_name = command.chosen_agent(request, config)
    agent = config.agents[agent_name] if agent_name else None
    argv = command.command(request, agent_name, agent)
    tty = streams.tty(request, agent, terminal)
    reach = _network(request, resolved, agent)
    beside = sidecars.chosen(config.sidecars, request.sidecars, reach.mode)
    _check_name(request.name)
    who = identity.decide(config.run.user, caller=caller, owner=place.owner, rootless=False)
    target = config.workspace.target
    mounts.refuse_target(target, "workspace target")
    isolation = _isolation(request, config, place)
    plan = RunPlan(
        command=argv,
        agent=agent_name,
        words=request.words if agent else (),
        task=request.prompt,
        resumed=request.resumed,
        image=_image(request, resolved, agent_name, agent),
        entrypoint=command.entrypoint(config, agent),
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
        stdin=streams.stdin(request, agent, terminal, tty=tty),
        size=terminal.size if tty else None,
        name=request.name,
        labels=request.labels,
        relations=request.relations,
        host_paths=config.host_paths,
        notices=(
            *_left_open(place, isolation),
            *secrets.left_out(config.secrets, agent_name, reach.mode),
            *security.risks(config),
            *command.forgotten(request, agent_name, agent),
            *sidecars.notices(config.sidecars, beside, reach.mode),
            *limits.uncounted(config, given, agent_name, resolved.origin),
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
    name = command.chosen_agent(request, config)
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
        doubted=f"{key}.host" in resolved.doubted,
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


def _isolation(request: Request, config: Config, place: Place) -> Isolation:
    return workspace.isolation(
        config.workspace,
        start=request.start,
        with_changes=request.with_changes,
        repository=place.repository,
    )


def _left_open(place: Place, isolation: Isolation) -> tuple[str, ...]:
    git = workspace.notice(isolation, repository=place.repository)
    return (git,) if git else ()
