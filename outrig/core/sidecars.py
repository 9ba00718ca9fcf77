"""Sidecars: databases and caches that a session needs, and how it reaches them by their names.

| `[sidecars.NAME]`  | `--sidecar NAME` | a session in none | in any other mode |
|--------------------|------------------|-------------------|-------------------|
| with an image      | not given        | without, told so  | has it            |
| with an image      | given            | an error          | has it            |
| on-demand          | not given        | without           | without           |
| not there          | given            | an error          | an error          |
| not there          | NAME=IMAGE       | an error          | has it            |
"""

from __future__ import annotations

import re

from outrig.core.config import SIDECAR_NAME, SidecarConfig
from outrig.core.frozen import frozen, replace
from outrig.core.suggestion import nearest
from outrig.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from outrig.core.network import Inner, Mode
    from outrig.core.session import Session

FIELD = "sidecars"  # of a record


@frozen
class Sidecar:
    """One that a session gets. Values of its environment stay beside the plan."""

    name: str
    image: str
    command: tuple[str, ...]  # (): the image's own
    env_names: tuple[str, ...]
    health: tuple[str, ...]  # (): healthy once it runs
    health_timeout: float  # seconds
    memory: int
    user: str | None
    capabilities: tuple[str, ...]

    @property
    def table(self) -> Mapping[str, object]:
        """For `--dry-run`."""
        said = {
            "image": self.image,
            "command": list(self.command),
            "env-names": list(self.env_names),
            "health": list(self.health),
            "memory": self.memory,
            "user": self.user,
            "capabilities": list(self.capabilities),
        }
        return {name: value for name, value in said.items() if value}


def chosen(
    configured: Mapping[str, SidecarConfig], asked: Sequence[str], mode: Mode
) -> tuple[Sidecar, ...]:
    """The table above; `asked` are the values of --sidecar. Raises UsageError."""
    named = dict(_asked(word, configured) for word in asked)
    if named and mode == "none":
        raise UsageError(
            f"--network none reaches no sidecar, and --sidecar {next(iter(named))} asks for one",
            hint="--network filter reaches sidecars, and nothing else that no rule allows",
        )
    if mode == "none":
        return ()
    usual = {name: entry for name, entry in configured.items() if not entry.on_demand}
    return tuple(_sidecar(name, entry) for name, entry in sorted({**usual, **named}.items()))


def notices(
    configured: Mapping[str, SidecarConfig], given: Sequence[Sidecar], mode: Mode
) -> Iterator[str]:
    """What a user must be told of the session's sidecars beforehand."""
    usual = sorted(name for name, entry in configured.items() if not entry.on_demand)
    if mode == "none" and usual:
        yield f"network none: without the sidecars {', '.join(usual)}, which it would not reach"
    for one in given:
        if one.capabilities:
            yield f"sidecar {one.name} has capabilities {' '.join(one.capabilities)}"


def hosts(given: Sequence[Sidecar], inner: Inner) -> Mapping[str, str]:
    """Their addresses in the session's network, by their names."""
    return {one.name: inner.beside(at) for at, one in enumerate(given)}


def container_name(session_container: str, name: str) -> str:
    return f"{session_container}-{name}"


def noted(session: Session) -> Mapping[str, Mapping[str, object]]:
    """What a record says of each sidecar, by its name; what is no name of one is left out."""
    said = session.fields.get(FIELD)
    table = said if isinstance(said, dict) and session.ours else {}
    return {
        name: about
        for name, about in table.items()
        if isinstance(about, dict) and re.fullmatch(SIDECAR_NAME, name, re.ASCII)
    }


def again(session: Session) -> tuple[str, ...]:
    """What --sidecar would have to say for a session with the same ones."""
    return tuple(f"{name}={about.get('image')}" for name, about in noted(session).items())


def name_of(session: Session, attempt: str) -> str | None:
    """The name of the sidecar that was made in this attempt."""
    for name, about in noted(session).items():
        if about.get("attempt") == attempt:
            return name
    return None


def log_file(name: str) -> str:
    """Among the logs of its session."""
    return f"{name}.log"


def _asked(word: str, configured: Mapping[str, SidecarConfig]) -> tuple[str, SidecarConfig]:
    name, _, image = word.partition("=")
    if not re.fullmatch(SIDECAR_NAME, name, re.ASCII):
        raise UsageError(f'--sidecar "{word}" is not NAME or NAME=IMAGE', hint="--sidecar db=IMAGE")
    entry = configured.get(name)
    if entry is None and not image:
        close = nearest(name, configured)
        raise UsageError(
            f'no sidecar "{name}" is configured',
            hint=f"--sidecar {close}" if close else f"--sidecar {name}=IMAGE, or [sidecars.{name}]",
        )
    found = entry or SidecarConfig()
    return name, replace(found, image=image) if image else found


def _sidecar(name: str, entry: SidecarConfig) -> Sidecar:
    return Sidecar(
        name=name,
        image=entry.image or "",
        command=entry.command,
        env_names=tuple(sorted(entry.env)),
        health=entry.health,
        health_timeout=entry.health_timeout,
        memory=entry.memory,
        user=entry.user,
        capabilities=tuple(one.removeprefix("CAP_") for one in entry.capabilities),
    )
