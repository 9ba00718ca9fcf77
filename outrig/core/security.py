"""What a session may do to the machine below it, and what is said where that is loosened.

| setting           | default                    | by          | other than that      |
|-------------------|----------------------------|-------------|----------------------|
| capabilities      | none                       | --cap-add   | looser, and says so  |
| ... of a root     | those of ROOT_CAPABILITIES | --user root | looser, and says so  |
| no-new-privileges | yes                        | nothing     |                      |
| init              | the engine's               | nothing     |                      |
| seccomp           | the engine's own profile   | [security]  | another, and says so |
| read-only root    | no                         | --read-only | tighter              |
| memory            | 80 % of the machine        | --memory    | more says so         |
| processes         | 512                        | --pids      | more says so         |
| open files        | 65536, or the engine's own | [limits]    | more says so         |
| shared memory     | 256 MiB                    | [limits]    | more says so         |
| processors        | all                        | --cpus      | tighter              |
| core files        | none                       | [limits]    | looser, and says so  |
| passwd, group     | the image's and its user   | nothing     |                      |
| ports             | none                       | nothing     |                      |

Never, whoever asks: privileged, another's namespaces, devices, an unconfined seccomp, a restart.
"""

from __future__ import annotations

from outrig.core.frozen import frozen
from outrig.core.quantity import size_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from outrig.core.config import Config, LimitsConfig

# Tried: with these apt-get, dpkg, useradd and su work for a root in the container.
ROOT_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "SETUID", "SETGID", "KILL")
TAKES_THAT_MUCH = "a session that runs away takes that much of this machine from everybody"
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


def risks(config: Config) -> Iterator[str]:
    """What the looser settings mean, in a line each; what a root means, core/identity.py says."""
    found = decide(config)
    own = ROOT_CAPABILITIES if config.run.user == ROOT else ()
    more = [name for name in found.capabilities if name not in own]
    if more:
        yield f"capabilities {' '.join(more)}: more of this machine's kernel is open to the session"
    if found.seccomp:
        yield (
            f"seccomp profile {found.seccomp} in place of the engine's: the session may make "
            "every system call that it allows"
        )
    if found.core:
        yield "core files: what a crashing program had in memory, keys too, lands in the workspace"
    above = list(_above_usual(config.limits))
    if above:
        yield f"limits above the usual, {', '.join(above)}: {TAKES_THAT_MUCH}"


def _above_usual(limits: LimitsConfig) -> Iterator[str]:
    usual = type(limits)()
    if limits.pids > usual.pids:
        yield f"pids {limits.pids} ({usual.pids})"
    if limits.open_files > usual.open_files:
        yield f"open-files {limits.open_files} ({usual.open_files})"
    if limits.shm > usual.shm:
        yield f"shm {size_text(limits.shm)} ({size_text(usual.shm)})"


def risks_there(memory: int, *, machine: int, seccomp: bool) -> Iterator[str]:
    """What only an engine can tell: how much memory it has, in bytes, and whether it filters."""
    if memory > usual_memory(machine):
        yield f"memory {size_text(memory)} is more than 80 % of the machine: {TAKES_THAT_MUCH}"
    if not seccomp:
        yield "this engine filters no system calls: all of the kernel is open to the session"


def usual_memory(machine: int) -> int:
    return machine * 8 // 10


def as_table(security: Security, *, filtered: bool = True) -> dict[str, Any]:
    """For `--dry-run` and the record; `filtered`: the engine knows seccomp."""
    profile = security.seccomp or "the engine's profile"
    return {
        "capabilities": list(security.capabilities),
        "no_new_privileges": True,
        "init": True,
        "seccomp": profile if filtered else "none: the engine has none",
        "read_only": security.read_only,
        "open_files": security.open_files,
        "core": security.core,
        "shm": security.shm,
        "passwd": "the image's, and the session's user",
        "ports": [],
        "restart": "no",
    }


def _capability(name: str) -> str:
    return name.removeprefix("CAP_")
