"""Archive: a session's result is kept as one ref in the user's repository, and the rest is freed.

The result is what `accept` would bring: its commits, and one of what it left uncommitted. It is
refs/outrig/archive/ID, noted as a pin, so that discard takes it away. Where there is no git, the
snapshots are the result and stay. Then the session's tree, its .git and its HOME go; record and
logs stay. reopen() lets it be accepted after all: all that accept needs is in the ref.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from outrig.core import outcome
from outrig.core.frozen import frozen
from outrig.core.session import with_resource
from outrig.errors import OutrigError, StoreError, reason
from outrig.runner import pins
from outrig.runner import work as works
from outrig.runner.delivery import bring
from outrig.runner.eviction import evict
from outrig.store import tree
from outrig.workspace.snapshots import DIRECTORY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from outrig.core.session import Session
    from outrig.engine import Engine
    from outrig.runner.work import Work
    from outrig.store.finding import Found
    from outrig.workspace.landing import Checkout
    from outrig.workspace.merge import Signature

    Connect = Callable[[str | None], Engine]

PIN = "pin"
_KEEP = "refs/outrig/keep"
_BULK = ("workspace", "home")
_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@frozen
class Archived:
    """A session that is; `ref` and `commit` are None where there is no git, or was no work."""

    session: Session
    ref: str | None
    commit: str | None


def archive(
    found: Found, *, signature: Signature, env: Mapping[str, str], connect: Connect
) -> Archived:
    """Keep the result and free the rest. Raises what says why not; then nothing has changed.

    `connect` opens the engine that must help to remove what another uid made.
    """
    with works.held(found) as ended:
        done = outcome.state(ended) == "archived"
        session = ended if done else _kept(found, ended, signature, env)
        pins.forget_resolution(session, found.directory)
        _free(found, session, connect)
        commit = outcome.commit(session)
        return Archived(session=session, ref=outcome.into(session), commit=commit)


def reopen(found: Found) -> Session:
    """It is open again; its result stays where it is kept."""
    with works.held(found):
        return works.moved(found, "open")


def _kept(found: Found, session: Session, signature: Signature, env: Mapping[str, str]) -> Session:
    outcome.refuse(session, "archived")
    home = works.home_of(session, env)
    if home is None:
        return works.moved(found, "archived")
    with works.gathered(session, found.directory, home, env) as work:
        commit = work.result(works.message(session), signature)
        if commit is None:
            return works.moved(found, "archived")
        ref = f"{works.ARCHIVE}/{session.id}"
        _note(found, ref)
        _set(home, work, ref, commit)
    return works.moved(found, "archived", commit=commit, into=ref)


def _note(found: Found, ref: str) -> None:
    """Before it is made, so that discard knows of it."""
    assert found.store is not None
    attempt = f"archive-{found.session.id}"
    found.store.update(
        found.session.id,
        lambda session: with_resource(session, kind=PIN, role="archive", ref=ref, attempt=attempt),
    )


def _set(home: Checkout, work: Work, ref: str, commit: str) -> None:
    """The ref holds all that the pin of the session's beginning did, and more."""
    bring(work, home, commit, None)
    home.repository.run("update-ref", ref, commit)
    home.repository.run("update-ref", "-d", f"{_KEEP}/{ref.rpartition('/')[2]}")


def _free(found: Found, session: Session, connect: Connect) -> None:
    """Raises StoreError for what cannot be removed; another archive goes on with it."""
    names = (*_BULK, *([DIRECTORY] if outcome.into(session) else []))
    try:
        _remove(found, names)
    except PermissionError:
        engine = connect(session.text("engine") or None)
        evict(engine, session, found.directory)
        try:
            _remove(found, names)
        except OSError as error:
            raise _refused(session, error) from error
    except OSError as error:
        raise _refused(session, error) from error


def _remove(found: Found, names: tuple[str, ...]) -> None:
    directory = os.open(os.path.realpath(found.directory), _ENTER)
    try:
        for name in os.listdir(directory):  # noqa: PTH208 - by handle
            if name in names or tree.is_hoisted(name):
                tree.remove(name, directory)
    finally:
        os.close(directory)


def _refused(session: Session, error: OSError) -> OutrigError:
    return StoreError(
        f"{session.id} is archived, and not all of the rest could be removed: {reason(error)}",
        hint=f"outrig archive {session.id}",
    )
