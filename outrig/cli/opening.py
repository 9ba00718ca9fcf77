"""How commands that look back open the store: the options they share, and what these mean."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outrig.cli import here, report
from outrig.cli.completion import complete_session
from outrig.core.terminal import one_line
from outrig.errors import UsageError
from outrig.store import config, places
from outrig.store.sessions import SessionStore

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from outrig.core.config import Config as CoreConfig
    from outrig.core.session import Session
    from outrig.engine import Engine
    from outrig.store.finding import Found
    from outrig.store.sessions import Heard

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SessionRoot = Annotated[
    Path | None, typer.Option("--session-root", readable=False, help="Where sessions are listed.")
]
SessionDir = Annotated[
    Path | None,
    typer.Option("--session-dir", help="The directory of a session, in place of its name."),
]
Config = Annotated[
    Path | None, typer.Option("--config", help="Use this file in place of the repository's.")
]
GlobalConfig = Annotated[
    Path | None,
    typer.Option("--global-config", help="Use this file in place of your own config."),
]
SessionQuery = Annotated[
    str | None,
    typer.Argument(
        metavar="[SESSION]",
        autocompletion=complete_session,
        help="Id, name, unique part of an id, or @last, @last~1; @last if left out.",
    ),
]

SessionQueries = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SESSION...",
        autocompletion=complete_session,
        help="Ids, names, unique parts of an id, or @last, @last~1.",
    ),
]


def store(session_root: Path | None, global_config: Path | None = None) -> SessionStore:
    """The sessions of --session-root > OUTRIG_SESSION_ROOT > global config > the usual place.

    They are the same from any directory, so also from one that is gone.
    """
    try:
        cwd = here.directory()
    except UsageError:
        cwd = Path("/")
    root = config.session_root(
        flag=session_root, env=os.environ, cwd=cwd, global_config=global_config
    )
    return SessionStore(root, heard=None if session_root else _heard(global_config))


def _heard(global_config: Path | None) -> Heard:
    """The user's hooks, for a command that changes something: usually none does.

    With --session-root the global config is not opened, so there are none.
    """

    def tell(event: Mapping[str, Any], session: Session) -> None:
        from outrig.runner import hooks

        hooks.of_user(os.environ, global_config)(event, session)

    return tell


def own_config(global_config: Path | None, *, skip_global: bool) -> CoreConfig:
    """The user's own configuration, whatever repository this is."""
    from outrig.core import cascade
    from outrig.store import layers

    home = places.home(os.environ)
    read = layers.read(
        env=os.environ,
        cwd=home,
        home=home,
        config_file=None,
        global_config=global_config,
        skip_global=skip_global,
    )
    return cascade.resolve(read.layers, home=str(home)).config


def session(
    query: str | None,
    session_dir: Path | None,
    session_root: Path | None,
    global_config: Path | None = None,
) -> Found:
    """The one session that is meant. With --session-dir no config is opened."""
    from outrig.store import finding

    if session_dir is None:
        opened = store(session_root, global_config)
        return settled(finding.open_session(opened, "@last" if query is None else query))
    if query is not None:
        raise UsageError("a session and --session-dir: give one of them")
    return settled(finding.open_directory(session_dir))


def sessions(
    queries: Sequence[str],
    session_dir: Path | None,
    session_root: Path | None,
    global_config: Path | None = None,
) -> list[Found]:
    """Those that are meant, in the order given. With --session-dir no config is opened."""
    from outrig.store import finding

    if bool(queries) == (session_dir is not None):
        raise UsageError("name the sessions, or one directory with --session-dir", hint="outrig ls")
    if session_dir is not None:
        return [settled(finding.open_directory(session_dir))]
    opened = store(session_root, global_config)
    founds = [finding.open_session(opened, query) for query in queries]
    settle(opened, [found.session.id for found in founds])
    return [_again(found) for found in founds]


def settled(found: Found) -> Found:
    """The session as it is, once what nobody looked after has been put right."""
    if found.store is None:
        return found
    unknown = settle(found.store, [found.session.id])
    return _again(found)._replace(known=found.session.id not in unknown)


def settle(store: SessionStore, sessions: Iterable[str] | None = None) -> Collection[str]:
    """Put right what nobody looks after, of these sessions or of all; usually there is nothing.

    An engine is asked only if there is. Returns those of which nobody can tell what became of
    them, and says so.
    """
    waiting = store.unattended(sessions)
    if not waiting:
        return ()
    from outrig.runner import reconcile

    found = reconcile.settle(store, waiting, connect=engine)
    for one, error in found.failed.items():
        _told(one_line(f"session {one} cannot be finished: {error.message}"))
    for message in dict.fromkeys(error.message for error in found.unknown.values()):
        those = [one for one, error in found.unknown.items() if error.message == message]
        which = those[0] if len(those) == 1 else f"{len(those)} sessions"
        _told(one_line(f"cannot tell what became of {which}: {message}"))
    return found.unknown.keys()


@functools.cache
def _told(words: str) -> None:
    """Once: a command that looks again, at the end of what it does, finds the same."""
    report.notice(words)


def _again(found: Found) -> Found:
    """Its record as it is on the disk now; unchanged if somebody discards it meanwhile."""
    from outrig.store.file import UnreadableError
    from outrig.store.sessions import read_record

    if found.session.ended:
        return found
    try:
        return found._replace(session=read_record(found.directory))
    except UnreadableError:
        return found


@functools.cache
def engine(endpoint: str | None) -> Engine:
    """The engine that a record names: one line to it, however many sessions are on it."""
    from outrig.engine import connect

    env = os.environ
    return connect(
        endpoint,
        env=env,
        home=places.home(env),
        cache=places.cache(env),
        slots=places.slots(env),
    )


def skip(session: str, why: str) -> None:
    """Name an entry that cannot be listed; it never breaks a command."""
    report.notice(one_line(f"skipping {session}: {why}"))
