"""What a session may do to the machine below it, and what is said where that is loosened.

| setting           | default                    | by          | other than that      |
|-------------------|----------------------------|-------------|----------------------|
| capabilities      | none                       | --cap-add   | looser, and says so  |
| ... of a root     | those of ROOT_CAPABILITIES | --user root | looser, and says so  |
| no-new-privileges | yes                        | nothing     |                      |
| seccomp           | the engine's own profile   | [security]  | another, and says so |
| read-only root    | no                         | --read-only | tighter              |
| open files        | 65536, or the engine's own | [limits]    | either               |
| core files        | none                       | [limits]    | looser, and says so  |
| shared memory     | 256 MiB                    | [limits]    | either               |
| ports             | none                       | nothing     |                      |

Never, whoever asks: privileged, another's namespaces, devices, an unconfined seccomp, a restart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from outrig.core.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outrig.core.config import Config

# Tried: with these apt-get, dpkg, useradd and su work for a root in the container.
ROOT_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "SETUID", "SETGID", "KILL")
ROOT = "root"  # `run.user`; a 0 that was asked for as a number stays without


@frozen
class Security:
    """What the engine is told. Sizes in bytes; `seccomp` is the path of a profile."""

    capabilities: tuple[str, ...] = ()
    read_only: bool = False
    seccomp: str | None = None
    open_files: int = 65_536
    core: int = 0
    shm: int = 256 * 1024**2


def decide(config: Config) -> Security:
    """The table above, for a configuration."""
    asked = config.security
    own = ROOT_CAPABILITIES if config.run.user == ROOT else ()
    return Security(
        capabilities=tuple(dict.fromkeys((*own, *map(_capability, asked.capabilities)))),
        read_only=asked.read_only,
        seccomp=asked.seccomp,
        open_files=config.limits.open_files,
        core=config.limits.core,
        shm=config.limits.shm,
    )


def risks(security: Security, user: str) -> Iterator[str]:
    """What the looser settings mean, in a line each; what a root means, core/identity.py says."""
    own = ROOT_CAPABILITIES if user == ROOT else ()
    more = [name for name in security.capabilities if name not in own]
    if more:
        yield f"capabilities {' '.join(more)}: more of this machine's kernel is open to the session"
    if security.seccomp:
        yield (
            f"seccomp profile {security.seccomp} in place of the engine's: the session may make "
            "every system call that it allows"
        )
    if security.core:
        yield "core files: what a crashing program had in memory, keys too, lands in the workspace"


def as_table(security: Security) -> dict[str, Any]:
    """For `--dry-run` and the record."""
    return {
        "capabilities": list(security.capabilities),
        "no_new_privileges": True,
        "seccomp": security.seccomp or "the engine's profile",
        "read_only": security.read_only,
        "open_files": security.open_files,
        "core": security.core,
        "shm": security.shm,
        "ports": [],
        "restart": "no",
    }


def _capability(name: str) -> str:
    return name.removeprefix("CAP_")
