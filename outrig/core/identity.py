"""Who the session is inside its container: a pure decision, as a table.

| asked     | caller   | workspace owner | engine    | inside            | on the host         |
|-----------|----------|-----------------|-----------|-------------------|---------------------|
| caller    | not root | any             | rootful   | the caller        | the caller          |
| caller    | root     | not root        | rootful   | the owner         | the owner           |
| caller    | root     | root            | rootful   | 0, and it says so | root, no capability |
| caller    | any      | any             | rootless  | 0                 | the engine's user   |
| root      | any      | any             | rootful   | 0, and it says so | root, some of them  |
| root      | any      | any             | rootless  | 0                 | the engine's user   |
| UID[:GID] | any      | any             | rootful   | as asked, told so | as asked            |
| UID[:GID] | any      | any             | rootless  | as asked          | as the engine maps  |

`root` has the capabilities that apt-get needs (core/security.py); a uid 0 of another row has none
but those of --cap-add. A UID that `caller` would have been as well is nothing to be told.
sudo is a root caller: the owner of the workspace is who the files should belong to, and that
holds for a plain root shell in somebody's checkout as well. On an engine with userns-remap the
container keeps the host's user namespace, or the workspace could not be written.
"""

from __future__ import annotations

import re

from outrig.core.frozen import frozen, replace
from outrig.core.security import ROOT_CAPABILITIES
from outrig.errors import UsageError

ROOT_NOTICE = (
    f"--user root: the session is root with {', '.join(ROOT_CAPABILITIES)}; files it makes in the "
    "workspace belong to root, and a setuid one makes root of every user of this machine"
)
_EXPLICIT = r"(?a)(\d{1,10})(?::(\d{1,10}))?"
_HIGHEST = 2**32 - 2


@frozen
class Person:
    """A uid and gid on this machine, with the login name if there is one."""

    uid: int
    gid: int
    name: str | None = None


@frozen
class Identity:
    """The session's user. `notice` is said aloud when it is root."""

    uid: int
    gid: int
    name: str
    home: str
    notice: str | None = None

    @property
    def user(self) -> str:
        return f"{self.uid}:{self.gid}"


def decide(asked: str, *, caller: Person, owner: Person, rootless: bool) -> Identity:
    """The table above. Raises UsageError when `asked` is none of its words."""
    if asked == "caller":
        if rootless:
            return _identity(Person(uid=0, gid=0, name="root"))
        person = owner if caller.uid == 0 else caller
        why = "you are root and so is the workspace's owner" if person.uid == 0 else None
        return _identity(person, why)
    if asked == "root":
        who = _identity(Person(uid=0, gid=0, name="root"))
        return who if rootless else replace(who, notice=ROOT_NOTICE)
    found = re.fullmatch(_EXPLICIT, asked)
    if not found or max(int(part or 0) for part in found.groups()) > _HIGHEST:
        raise UsageError(f'user "{asked}" is neither caller, root, nor UID[:GID]')
    uid, gid = int(found[1]), int(found[2] or found[1])
    known = next((person for person in (caller, owner) if person.uid == uid), None)
    person = Person(uid=uid, gid=gid, name=known.name if known else None)
    if rootless:
        return _identity(person)
    usual = decide("caller", caller=caller, owner=owner, rootless=False)
    if uid == 0:
        return _identity(person, f"--user {asked}")
    told = f"--user {asked}: files it makes in the workspace belong to uid {uid}, not to uid "
    return replace(_identity(person), notice=None if usual.uid == uid else f"{told}{usual.uid}")


def _identity(person: Person, root_because: str | None = None) -> Identity:
    name = person.name or ("root" if person.uid == 0 else "outrig")
    notice = None
    if root_because:
        notice = (
            f"the session runs as uid 0 without root's capabilities ({root_because}): "
            "files it makes in the workspace belong to root"
        )
    home = "/root" if person.uid == 0 else f"/home/{name}"
    return Identity(uid=person.uid, gid=person.gid, name=name, home=home, notice=notice)
