"""An order for a session: configuration, workspace and environment, looked up and decided.

Everything here only reads. What comes out is launched, or printed by `--dry-run`.
"""

from __future__ import annotations

import os
from pathlib import Path
from posixpath import normpath

from outrig.core import cascade, command, environment, network, reference, secrets
from outrig.core.draft import draft, secrets_of
from outrig.core.frozen import frozen, replace
from outrig.core.identity import Person
from outrig.core.plan import Place
from outrig.errors import WorkspaceError
from outrig.runner import approved
from outrig.store import layers, places
from outrig.workspace import checkout, committer, guarded, sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from outrig.core.cascade import Resolved
    from outrig.core.config import Config
    from outrig.core.engine import Mount
    from outrig.core.layer import Layer
    from outrig.core.network import NetworkPlan
    from outrig.core.plan import RunPlan
    from outrig.core.request import Request
    from outrig.core.streams import Terminal
    from outrig.store.finding import Found
    from outrig.store.layers import Layers


@frozen
class Order:
    """A plan, and what stays beside it: values that are stored nowhere, and places."""

    plan: RunPlan
    config: Config
    confined: Mapping[str, str]
    unapproved: Mapping[str, str]  # images of a repository that nobody approved
    seals: Mapping[str, str]  # of what was approved
    values: Mapping[str, str]  # of the environment that was asked for
    host_env: Mapping[str, str]
    committer: Mapping[str, str]
    git_settings: Mapping[str, str]  # core.* of the user's own git
    home: Path  # the caller's
    beside: Mapping[str, Mapping[str, str]]  # the environments of its sidecars
    seccomp: str | None  # the text of the profile that was asked for
    mounts: tuple[Mount, ...]  # the plan's further ones, resolved
    warnings: tuple[str, ...]
    resumed: Found | None = None  # the session whose workspace and HOME this one goes on with


@frozen
class Sources:
    """Where an order comes from. `env` is this process's environment."""

    env: Mapping[str, str]
    cwd: Path
    flags: Layer
    config: Path | None = None
    global_config: Path | None = None
    trust_hash: str | None = None
    skip_global: bool = False  # --session-root was given: a broken global config does no harm
    layers: Layers | None = None  # in place of what would be read from files and OUTRIG_*


def draw_up(request: Request, env_flags: tuple[str, ...], where: Sources, tty: Terminal) -> Order:
    """Read and decide. Raises UsageError, ConfigError, MountError or WorkspaceError."""
    with committer.Question(where.env) as committing:
        return _drawn_up(request, env_flags, where, tty, committing)


def _drawn_up(
    request: Request,
    env_flags: tuple[str, ...],
    where: Sources,
    tty: Terminal,
    committing: committer.Question,
) -> Order:
    home = places.home(where.env)
    found = where.layers or _read(where, home)
    resolved = cascade.resolve((*found.layers, where.flags), home=str(home))
    agent = command.chosen_agent(request, resolved.config)
    flags, _ = environment.given(env_flags, where.env)
    given = secrets_of(request, resolved, where.env, flags)
    own = {name for one in given for name in secrets.names(one)}
    asked = environment.asked(resolved.config, agent, env_flags, where.env, instead=own)
    drafted = draft(
        request,
        resolved,
        place=_place(resolved, found, where.cwd, home),
        caller=_person(os.getuid(), os.getgid()),
        terminal=tty,
        env_names=tuple({*asked.values, *own}),
        given=given,
        env_literal=environment.literal(env_flags),
    )
    told: list[str] = []
    mounts = _mounts(drafted, home, told.append)
    top = Path(drafted.workspace.root)
    approved.refuse_changed(drafted.secrets, top, found.seals)
    for path in drafted.host_paths:
        approved.refuse_escape("host-paths", path, top)
    kept = {mount.target for mount in mounts}
    wished = (*request.allow, *resolved.config.network.allow)
    reach = _reach(drafted, resolved.config, asked.values, where.env, wished)
    return Order(
        plan=replace(
            drafted,
            network=reach,
            mounts=tuple(one for one in drafted.mounts if one.target in kept),
        ),
        config=_without_left_out(resolved.config, kept),
        confined=resolved.confined,
        unapproved=resolved.unapproved,
        seals=found.seals,
        values=asked.values,
        host_env=where.env,
        committer=committing.identity(),
        git_settings=committing.settings(),
        home=home,
        beside=_beside(drafted, resolved.config, where.env),
        seccomp=approved.profile(resolved.config.security.seccomp, top, found.seals),
        mounts=mounts,
        warnings=(*resolved.warnings, *told, *asked.notices, *_opened(mounts)),
    )


def _read(where: Sources, home: Path) -> Layers:
    return layers.read(
        env=where.env,
        cwd=where.cwd,
        home=home,
        config_file=where.config,
        global_config=where.global_config,
        skip_global=where.skip_global,
        trust_hash=where.trust_hash,
    )


def _mounts(drafted: RunPlan, home: Path, tell: Callable[[str], None]) -> tuple[Mount, ...]:
    """Where they lead on the disk; the place to start is in one of them, or in the workspace."""
    root, isolation = Path(drafted.workspace.root), drafted.isolation
    guard = guarded.Guard(
        root=root, mode=isolation.mode, protect=isolation.protect, exclude=isolation.exclude
    )
    mounts = sources.resolve_mounts(
        drafted.mounts,
        root=root,
        target=drafted.target,
        base=Path(drafted.workspace.start),
        home=home,
        guard=guard,
        tell=tell,
    )
    if not isolation.own_tree:
        sources.refuse_missing(drafted.working_dir, root=root, target=drafted.target, mounts=mounts)
    return mounts


def _without_left_out(config: Config, kept: Collection[str]) -> Config:
    """What is kept of a configuration is what a session that goes on is given again."""
    mounts = tuple(one for one in config.workspace.mounts if normpath(one.container) in kept)
    return replace(config, workspace=replace(config.workspace, mounts=mounts))


def _opened(mounts: Sequence[Mount]) -> Iterator[str]:
    """What somebody mounts who may: a writable .git, which runs programs for whoever uses it."""
    for mount in mounts:
        if mount.writable and guarded.shows_git(Path(mount.source)):
            yield (
                f"-v {mount.source}: the session can write a .git of yours: review its config and "
                "hooks before you run git there"
            )


def _reach(
    drafted: RunPlan,
    config: Config,
    values: Mapping[str, str],
    host: Mapping[str, str],
    wished: Sequence[str],
) -> NetworkPlan:
    """Its rules with what only this machine knows: its registries, and the hosts in variables.

    A variable of the agent's that the user's own environment holds (ANTHROPIC_BASE_URL) says
    where the model is; one that a configuration sets says nothing. Where the broker sends a key
    the session itself has no business, unless `wished` rules say so.
    """
    reach = drafted.network
    if not reach.gated:
        return reach
    agent = config.agents[drafted.agent] if drafted.agent else None
    urls = [
        value
        for name in (agent.env_optional if agent else ())
        if (value := values.get(name, "")) and value == host.get(name) and "://" in value
    ]
    said = [rule for rule in map(network.rule_of_url, urls) if rule]
    found: Sequence[str] = ()
    if network.REGISTRIES in reach.allow:
        from outrig.store import registries  # noqa: PLC0415 - reads a dozen files

        found = registries.hosts(host)
    kept = [rule for rule in reach.allow if rule != network.REGISTRIES]
    allowed = dict.fromkeys((*said, *kept, *found))
    brokered = [url for one in drafted.secrets if one.route for url in one.route.places]
    apart = {rule for rule in map(network.rule_of_url, brokered) if rule not in wished}
    return replace(reach, allow=tuple(rule for rule in allowed if rule not in apart))


def _beside(
    drafted: RunPlan, config: Config, host: Mapping[str, str]
) -> Mapping[str, Mapping[str, str]]:
    """The environments of its sidecars. Raises ConfigError for a variable that is not set."""
    entries = {one.name: config.sidecars.get(one.name) for one in drafted.sidecars}
    return {
        name: reference.resolve(entry.env, host, f"sidecars.{name}.env") if entry else {}
        for name, entry in entries.items()
    }


def _place(resolved: Resolved, found: Layers, cwd: Path, home: Path) -> Place:
    """[workspace] path > the git top level > the repo config's root > the working directory."""
    declared = resolved.config.workspace.path
    confined = resolved.confined.get("workspace.path")
    start = Path(os.path.realpath(cwd))
    git = checkout.look(
        Path(os.path.realpath(declared or start)),
        uid=os.getuid(),
        trusted=declared is not None and confined is None,
    )
    chosen = Path(declared) if declared else git.root if git else found.repo_root or start
    root = sources.resolve_root(chosen, home=home, declared=declared is not None)
    _refuse_escape(root, confined, resolved.config.workspace.protect)
    state = root.stat()
    return Place(
        root=str(root),
        start=str(start),
        owner=_person(state.st_uid, state.st_gid),
        repository=git is not None and git.root == root,
        head=git.head if git else None,
        branch=git.branch if git else None,
        git_dir=str(git.git_dir) if git and git.root == root else None,
        common_dir=str(git.common_dir) if git and git.root == root else None,
    )


def _refuse_escape(root: Path, confined: str | None, protect: Sequence[str]) -> None:
    """A repository's own `[workspace] path` stays inside it, its links resolved too."""
    if confined is None:
        return
    guarded.refuse_root(root, Path(os.path.realpath(confined)), protect)
    if not root.is_relative_to(os.path.realpath(confined)):
        raise WorkspaceError(
            f"[workspace] path of a repository config leads to {root}, outside of {confined}",
            hint="set it in your own config if you trust it",
        )


def _person(uid: int, gid: int) -> Person:
    import pwd  # noqa: PLC0415 - only for a run

    try:
        return Person(uid=uid, gid=gid, name=pwd.getpwuid(uid).pw_name)
    except KeyError:
        return Person(uid=uid, gid=gid)
