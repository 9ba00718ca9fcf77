"""Secrets on their way into a session, and out of what it says.

| way    | how it comes in                                                                        |
|--------|----------------------------------------------------------------------------------------|
| file   | a file in the vault, bound read-only                                                   |
| env    | a shell script in the vault, bound read-only, which /bin/sh reads before the command   |
| broker | by the gateway's stdin, not at all into the session                                    |

The script and not the container's environment, because that is what `docker inspect` shows and
the engine writes to its disk. It needs a /bin/sh in the image, and works for any command.

A session that has none does not load what keeps them, asks for them or looks for them.
"""

from __future__ import annotations

from pathlib import Path

from outrig.core.engine import Mount
from outrig.core.frozen import frozen, given
from outrig.core.secrets import ENVIRONMENT, INSIDE, names, variables
from outrig.core.session import with_fields
from outrig.errors import StoreError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import contextlib
    from collections.abc import Mapping

    from outrig.core.identity import Identity
    from outrig.core.redact import Redaction
    from outrig.core.session import Session
    from outrig.record.redact import Redacting
    from outrig.runner.order import Order
    from outrig.store.creation import Held


@frozen
class Values:
    """The values of a session's secrets by their names; `redaction` None: say what is said."""

    by_name: Mapping[str, str] = given(factory=dict)
    redaction: Redaction | None = None

    def text(self, words: str) -> str:
        """Words without the values."""
        return self.redaction.text(words) if self.redaction else words

    def cleaned(self, session: Session) -> Session:
        """A record without the values."""
        if self.redaction is None:
            return session
        return type(session)({name: self._cleaned(held) for name, held in session.fields.items()})

    def redacting(self) -> Redacting | None:
        """What looks for them in all that a session says."""
        if self.redaction is None:
            return None
        from outrig.record.redact import Redacting  # noqa: PLC0415

        return Redacting(self.redaction)

    def _cleaned(self, held: object) -> object:
        if isinstance(held, str):
            return self.text(held)
        if isinstance(held, dict):
            return {name: self._cleaned(one) for name, one in held.items()}
        return [self._cleaned(one) for one in held] if isinstance(held, list) else held


@frozen
class Handed:
    """What the container gets of them; `script` is the path of what sets variables."""

    mounts: tuple[Mount, ...] = ()
    environment: Mapping[str, str] = given(factory=dict)
    script: str | None = None


def values(order: Order) -> Values:
    """Ask for each, before anything is on the disk. Raises ConfigError or UsageError."""
    plan = order.plan
    if not plan.secrets:
        return Values()
    from outrig.core.redact import Redaction  # noqa: PLC0415
    from outrig.store import secrets  # noqa: PLC0415

    found = {one.name: secrets.value(one, order.host_env) for one in plan.secrets}
    known = Values(by_name=found, redaction=Redaction(found) if plan.redact else None)
    if plan.name and (clean := known.text(plan.name)) != plan.name:
        raise UsageError(f"the session's name has the value of a secret: {clean}")
    return known


def of_broker(order: Order, known: Values) -> Mapping[str, object] | None:
    """What the gateway is told of its broker, on its stdin; None where it has none."""
    routes = [
        {
            "name": one.name,
            "value": known.by_name[one.name],
            "upstream": one.route.upstream,
            "header": one.route.header,
            "methods": list(one.route.methods),
            "paths": list(one.route.paths),
        }
        for one in order.plan.secrets
        if one.route
    ]
    if not routes:
        return None
    from outrig.store import secrets  # noqa: PLC0415

    limits = {
        "model-requests": order.plan.model_requests,
        "model-tokens": order.plan.model_tokens,
    }
    return {"routes": routes, "limits": limits, "ca": secrets.certificates(order.host_env)}


def instead(order: Order, broker: str | None) -> Mapping[str, str]:
    """The broker's URLs, by those of the places that it leads to."""
    routes = ((one.name, one.route) for one in order.plan.secrets if one.route)
    return {url: f"{broker}/{name}" for name, route in routes for url in route.places}


def hand_out(
    order: Order,
    known: Values,
    held: Held,
    who: Identity,
    undo: contextlib.ExitStack,
    *,
    broker: str | None,
) -> Handed:
    """Lay them where the session finds them; `broker` is its URL. Raises StoreError."""
    if not known.by_name:
        return Handed()
    from outrig.store import vault  # noqa: PLC0415

    place = vault.prospective(order.host_env, held.id)
    noted = {
        "given": {one.name: one.way for one in order.plan.secrets},
        "variables": sorted({name for one in order.plan.secrets for name in names(one)}),
        "vault": str(place),
        "redacted": known.redaction is not None,
    }
    held.update(lambda session: with_fields(session, secrets=noted))
    undo.callback(vault.remove, place, held.id)
    vault.make(place, known.by_name)
    mounts: list[Mount] = []
    environment: dict[str, str] = {}
    exported = ""
    for one in order.plan.secrets:
        environment |= variables(one, f"{broker}/{one.name}")
        if one.way == "file":
            path = vault.put(place, one.name, known.by_name[one.name], who.uid, who.gid)
            mounts.append(Mount(source=str(path), target=one.inside))
        elif one.way == "env":
            import shlex  # noqa: PLC0415 - rare

            exported += f"export {one.variable}={shlex.quote(known.by_name[one.name])}\n"
    if not exported:
        return Handed(mounts=tuple(mounts), environment=environment)
    script = vault.put(place, ENVIRONMENT, exported, who.uid, who.gid)
    inside = f"{INSIDE}/{ENVIRONMENT}"
    mounts.append(Mount(source=str(script), target=inside))
    return Handed(mounts=tuple(mounts), environment=environment, script=inside)


def redacting(session: Session) -> Redacting | None:
    """For whoever takes a session up: its values; None where there is nothing to keep quiet.

    Raises StoreError where the values are gone, so that nothing more of it may be kept.
    """
    noted = _noted(session)
    if not noted.get("redacted"):
        return None
    from outrig.core.redact import Redaction  # noqa: PLC0415
    from outrig.record.redact import Redacting  # noqa: PLC0415
    from outrig.store import vault  # noqa: PLC0415

    found = vault.values(Path(str(noted["vault"])))
    if found is None:
        raise StoreError(
            f"session {session.id}: what it says cannot be kept, as its secrets could stand in it "
            "and nobody knows them any more"
        )
    return Redacting(Redaction(found))


def release(session: Session) -> None:
    """Take the vault of a session away that has ended."""
    place = _noted(session).get("vault")
    if isinstance(place, str):
        from outrig.store import vault  # noqa: PLC0415

        vault.remove(Path(place), session.id)


def _noted(session: Session) -> Mapping[str, object]:
    found = session.fields.get("secrets")
    return found if session.ours and isinstance(found, dict) else {}
