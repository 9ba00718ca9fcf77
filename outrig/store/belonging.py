"""Whether a session is ours to change: of this root, this user and this machine.

A session root may lie on a disk that several machines share, or be a copy of another one, and
anybody who may read it can list it; what it says of containers is then true somewhere else.
"""

from __future__ import annotations

import os

from outrig.core.frozen import frozen
from outrig.store import file
from outrig.store.places import RECORD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from outrig.core.session import Session
    from outrig.store.sessions import SessionStore

MACHINE_ID = "/etc/machine-id"


@frozen(kw_only=False)
class Here:
    """The root, as it was named and as it is, and the machine."""

    root: str
    real_root: str
    root_id: str | None
    machine: str


def machine() -> str:
    """What tells this machine from others: its id, else its name."""
    try:
        known = file.read(MACHINE_ID).decode("ascii", "replace").strip()
    except (OSError, file.UnreadableError):
        known = ""
    return known or os.uname().nodename


def here(store: SessionStore) -> Here:
    """What a session has to be of so that it is ours; found out once for all of a root."""
    root = str(store.root)
    return Here(root, os.path.realpath(root), store.known_root_id(), machine())


def another_machine(session: Session, this: str | None = None) -> bool:
    """Whether it was started on another one; what an engine here says proves nothing then."""
    return session.text("machine") not in ("", this or machine())


def elsewhere(session: Session, here: Here) -> bool:
    """Whether somebody else has to look after it."""
    if session.text("root_id") != here.root_id:
        return True
    if another_machine(session, here.machine):
        return True
    return not _is_mine(here, session.id) or _is_copy(here, session)


def _is_mine(here: Here, session: str) -> bool:
    """Root may do all, but a record that root writes is root's from then on."""
    try:
        return os.stat(f"{here.root}/{session}/{RECORD}").st_uid == os.geteuid()
    except OSError:
        return False


def _is_copy(here: Here, session: Session) -> bool:
    """Whether the root that the record names still lists it, and is another one than this."""
    named = session.text("session_root")
    if not named or named == here.real_root:
        return False
    try:
        return os.path.exists(f"{named}/{session.id}") and not os.path.samefile(named, here.root)
    except OSError:
        return False
