"""Resume: a session goes on in what an earlier one left, as a new session linked to it.

The new one owns the workspace and HOME from then on; the earlier one keeps what it was:

| what                             | the earlier session        | the new one                     |
|----------------------------------|----------------------------|---------------------------------|
| tree, layer, scratch, .git, HOME | has them no more           | has them                        |
| its commits, its snapshots       | keeps its own              | a copy to begin with            |
| pin of the base                  | its own, until discard     | its own, until discard          |
| volume                           | went with its container    | its own                         |
| diff, patch, undo, accept,       | tell and take what it did  | tell and take what both did     |
| branch, archive                  |                            |                                 |
| discard                          | the new one lives on       | the earlier one keeps its work  |
| resume                           | refused: resume the new    | goes on from there              |

1. The earlier one is ended, open and nobody's, and stays ours until the new one runs.
2. Its commits are brought home, each record names the other, then HOME and workspace move, each
   with one rename. Who of two is first has them; whoever dies in between leaves each in one of the
   two, and a resume of the new one takes from both.
3. A start that fails gives them back.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outrig.core import environment, outcome
from outrig.core.frozen import replace
from outrig.core.layer import Layer, Source
from outrig.core.mounts import parse_volume
from outrig.core.session import with_fields, with_workspace
from outrig.errors import OutrigError, SessionBusyError, StoreError, WorkspaceError, reason
from outrig.runner import reach
from outrig.runner import work as works
from outrig.runner.order import draw_up
from outrig.store import config, finding, places, toml, trust
from outrig.store.layers import Layers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from outrig.core.request import Request
    from outrig.core.session import Session
    from outrig.core.streams import Terminal
    from outrig.runner.order import Order, Sources
    from outrig.store.creation import Held
    from outrig.store.finding import Found

HOME, WORKSPACE = "home", "workspace"
_PARTS = (WORKSPACE, HOME)
_TREES: Mapping[str, str] = {"worktree": "tree", "copy": "tree", "overlay": "upper"}
_FOUND = ("base", "branch", "session_branch")  # of the record's workspace: as when it all began


class NotResumableError(OutrigError):
    """The session has nothing with which another one could go on."""

    kind = "not-resumable"


# ---------------------------------------------------------------- the order


def draw_up_again(
    found: Found, request: Request, env_flags: Sequence[str], where: Sources, terminal: Terminal
) -> Order:
    """What the session was asked for, and what is given anew. Raises what run would raise.

    Configuration is what it was, but for images: one of a repository's may have changed since.
    """
    session = found.session
    reach.ours(session)
    refuse(found)
    home = works.home_of(session, where.env)
    values = _configured(found)
    values["workspace"]["mounts"] = _mounts(session, request.volumes)
    names = _environment(session, values, request.agent, where.env)
    order = draw_up(
        replace(request, resumed=session.id, again=_has_spoken(found, request.agent)),
        (*names, *env_flags),
        replace(where, cwd=_start(session), layers=_layers(found, values, where.env)),
        terminal,
    )
    place = replace(
        order.plan.workspace,
        head=works.text(session, "base"),
        branch=works.text(session, "branch"),
    )
    if home is None:  # what became a repository since then was none to the session
        place = replace(place, repository=False, git_dir=None, common_dir=None)
    plan = replace(order.plan, workspace=place, env_literal=_literal(session, env_flags))
    warnings = (*order.warnings, *_forgotten(session, env_flags))
    return replace(order, plan=plan, resumed=found, warnings=warnings)


def refuse(found: Found) -> None:
    """Raise what says why nothing can go on from here, before anything is made."""
    session = found.session
    if not session.ended:
        raise SessionBusyError(
            f"session {session.id} is running", hint=f"outrig attach {session.id}"
        )
    state = outcome.state(session)
    if state != "open":
        hints = {
            "archived": f"outrig branch {session.id} NAME; outrig run --workspace worktree "
            "--from NAME",
            "accepted": "outrig run",
            "evaluating": f"outrig discard {session.id}",
        }
        raise outcome.OutcomeError(
            f"session {session.id} is {state}, and does not go on", hint=hints[state]
        )
    place = session.fields.get("resolving")
    if isinstance(place, str) and Path(place).is_dir():
        raise NotResumableError(
            f"session {session.id} is being taken over: a conflict is laid out in {place}",
            hint=f"outrig accept {session.id}; or git worktree remove --force {place}",
        )
    lacking = [name for name in _needed(session) if _holder(found, name) is None]
    if lacking:
        raise _gone(found)


def _has_spoken(found: Found, agent: str | None) -> bool:
    """Whether this agent has run in the HOME that the session has."""
    return agent is not None and any(one.agent_name == agent for one in _chain(found))


def _needed(session: Session) -> Iterator[str]:
    """What must be there: the parts, and in the workspace what the mode cannot do without."""
    yield HOME
    mode = session.workspace.get("mode")
    tree = _TREES.get(mode) if isinstance(mode, str) else None
    if tree is not None:
        yield f"{WORKSPACE}/{tree}"
    elif session.workspace.get("git") == "shadow" and session.workspace.get("common_dir"):
        yield WORKSPACE


def _holder(found: Found, name: str) -> Path | None:
    """The session's directory that has it: its own, or that of the one that it goes on with.

    Somebody may have died while it moved.
    """
    before = _before(found)
    for one in (found, before):
        if one is not None and (one.directory / name).is_dir():
            return one.directory
    return None


def _before(found: Found) -> Found | None:
    """The session that this one goes on with, where it is still listed, and says the same."""
    earlier = found.session.text("resumed_from")
    if not earlier or found.store is None or not found.store.exists(earlier):
        return None
    try:
        before = finding.open_session(found.store, earlier)
    except OutrigError:
        return None
    return before if before.session.text("resumed_by") == found.session.id else None


def _chain(found: Found) -> Iterator[Session]:
    seen: set[str] = set()
    one: Found | None = found
    while one is not None and one.session.id not in seen:
        seen.add(one.session.id)
        yield one.session
        one = _before(one)


def _gone(found: Found) -> NotResumableError:
    session = found.session
    later = session.text("resumed_by")
    if later and found.store is not None and found.store.exists(later):
        return NotResumableError(
            f"session {session.id} goes on as {later}", hint=f"outrig resume {later}"
        )
    return NotResumableError(
        f"session {session.id} has no workspace to go on in"
        + (": it never started" if session.status == "failed" and later == "" else ""),
        hint=f"outrig diff {session.id}; outrig run",
    )


def _start(session: Session) -> Path:
    """Where its user stood, if that is still there."""
    root = Path(works.text(session, "path") or "/nowhere")
    stood = Path(session.text("working_dir") or root)
    return stood if stood.is_dir() and stood.resolve().is_relative_to(root) else root


def _environment(
    session: Session, values: Mapping[str, Any], agent: str | None, env: Mapping[str, str]
) -> Iterator[str]:
    """The names whose values come from here again: neither configuration nor `-e` said them.

    What a secret set is none of them: its key would be there to be read, and past the broker.
    """
    own = values.get("agents", {}).get(agent, {}).get("env", {})
    secret = session.fields.get("secrets")
    set_ = secret.get("variables", ()) if isinstance(secret, dict) else ()
    known = {*values.get("env", {}), *own, *_texts(session, "env_literal"), *set_}
    return (name for name in _texts(session, "env_names") if name not in known and name in env)


def _literal(session: Session, env_flags: Sequence[str]) -> tuple[str, ...]:
    """Names whose values only command lines knew: this one's, and those of the sessions before."""
    said = environment.literal(env_flags)
    return tuple(sorted({*said, *_texts(session, "env_literal")}))


def _forgotten(session: Session, env_flags: Sequence[str]) -> Iterator[str]:
    again = {flag.partition("=")[0] for flag in env_flags}
    for name in _texts(session, "env_literal"):
        if name not in again:
            yield f"-e {name}=... was given to {session.id}, and is kept nowhere: give it again"


def _texts(session: Session, key: str) -> tuple[str, ...]:
    listed = session.fields.get(key)
    return tuple(one for one in listed if isinstance(one, str)) if isinstance(listed, list) else ()


def _configured(found: Found) -> dict[str, Any]:
    """Its effective configuration, which nobody but outrig wrote."""
    file = found.directory / places.CONFIG
    data = config.read(file, must_exist=True) or b""
    values: dict[str, Any] = dict(toml.parse(data, str(file)))
    values.pop("images", None)
    values.pop("session-root", None)
    if endpoint := found.session.text("engine"):
        values["engine"] = endpoint
    workspace = values.get("workspace", {})
    values["workspace"] = {**workspace, "path": works.text(found.session, "path")}
    return values


def _layers(found: Found, values: Mapping[str, Any], env: Mapping[str, str]) -> Layers:
    layer = Layer(
        source=Source.GLOBAL,
        values=values,
        where={},
        base=str(_start(found.session)),
        file=str(found.directory / places.CONFIG),
    )
    seals = trust.kept_seals(places.state(env), works.text(found.session, "path") or "/")
    return Layers(layers=(layer,), repo_root=None, files=(), seals=seals)


def _mounts(session: Session, volumes: Sequence[str]) -> list[dict[str, str]]:
    """Those that it had, where no new one takes the place."""
    taken = {parse_volume(volume).target for volume in volumes}
    listed = session.fields.get("mounts")
    had = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    named = ({key: str(one.get(key)) for key in ("host", "container", "mode")} for one in had)
    return [one for one in named if one["container"] not in taken]


# ---------------------------------------------------------------- the start


@contextlib.contextmanager
def reserved(order: Order) -> Iterator[None]:
    """Nobody else resumes, discards or takes over the earlier session while this one starts."""
    found = order.resumed
    if found is None:
        yield
        return
    try:
        with works.held(found) as session:
            refuse(found._replace(session=session))
            yield
    except SessionBusyError as error:
        raise SessionBusyError(
            f"session {found.session.id} is in use: another command goes on with it, takes it "
            "over or removes it",
            hint="outrig ls",
        ) from error


def adopt(order: Order, held: Held, undo: contextlib.ExitStack) -> None:
    """Workspace and HOME are the new session's; `undo` gives them back.

    Raises WorkspaceError, with nothing moved.
    """
    found = order.resumed
    if found is None:
        return
    works.keep(found.session, found.directory, order.host_env)
    store = held.store
    held.update(_adopted(found.session, Path(held.directory)))
    store.update(found.session.id, lambda one: with_fields(one, resumed_by=held.id))
    undo.callback(_let_go, held, found.session.id)
    for name in _PARTS:
        holder = _holder(found, name)
        if holder is not None:
            _move(holder / name, Path(held.directory) / name)
            undo.callback(_move_back, Path(held.directory) / name, found.directory / name)


def _adopted(earlier: Session, directory: Path) -> Callable[[Session], Session]:
    """What the new record says of a workspace that is as the earlier one's was."""
    mode = earlier.workspace.get("mode")
    name = _TREES.get(mode) if isinstance(mode, str) else None
    place = {name: str(directory / WORKSPACE / name)} if name else {}
    facts = {key: earlier.workspace.get(key) for key in _FOUND}
    return lambda session: with_workspace(session, **facts, **place)


def _let_go(held: Held, earlier: str) -> None:
    """It has not gone on after all."""
    with contextlib.suppress(StoreError):
        held.store.update(earlier, lambda one: with_fields(one, resumed_by=None))


def _move(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError as error:
        raise WorkspaceError(
            f"{source} cannot become {target}: {reason(error)}",
            hint="without --session-dir, or with one on the same file system",
        ) from error


def _move_back(source: Path, target: Path) -> None:
    """What cannot go back stays with the new session, which can be resumed then."""
    with contextlib.suppress(OSError):
        source.rename(target)
