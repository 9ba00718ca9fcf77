"""What brings a container engine to a machine where none answers: steps, or advice to the user.

`engine/provision.py` finds out what the machine is, and carries the steps out.
"""

from __future__ import annotations

from typing import Literal

from outrig.core.frozen import frozen
from outrig.errors import EngineUnreachableError

Step = Literal["refresh-packages", "install", "mount-cgroups", "start-service", "start-daemon"]


@frozen
class Machine:
    """What the decision rests on."""

    system: str  # "Linux", "Darwin"
    families: frozenset[str]  # ID and ID_LIKE of os-release
    root: bool
    systemd: bool
    cgroups: bool  # some control group hierarchy is mounted
    installed: bool  # there is a dockerd
    socket: str | None  # the usual socket, where it is there, whether or not somebody listens
    endpoint: str | None  # what the user named: to be reached, not replaced
    user: str
    outrig: str  # how to call outrig again, with sudo


def steps(machine: Machine) -> tuple[Step, ...]:
    """What to do, in order; raises EngineUnreachableError where only the user can do it.

    | the user named an endpoint       | refused: it is theirs to start              |
    | not Linux                        | refused: Docker Desktop, colima             |
    | not root, the socket is there    | refused: the docker group, or sudo          |
    | not root                         | refused: the same command with sudo         |
    | installed, systemd               | start the service                           |
    | installed, no systemd            | mount cgroups if need be, start dockerd     |
    | not installed, Debian or Ubuntu  | the package lists, docker.io, then as above |
    | not installed, another Linux     | refused: where to get one                   |
    """
    refuse(machine)
    install: tuple[Step, ...] = () if machine.installed else ("refresh-packages", "install")
    if machine.systemd:
        return (*install, "start-service")
    mount: tuple[Step, ...] = () if machine.cgroups else ("mount-cgroups",)
    return (*install, *mount, "start-daemon")


def refuse(machine: Machine) -> None:
    packaged = bool(machine.families & {"debian", "ubuntu"})
    again = f"sudo {machine.outrig} doctor --fix"
    if machine.endpoint is not None:
        message = f"no container engine answers at {machine.endpoint}"
        hint = "start it there; or unset DOCKER_HOST and `engine`, to use this machine's own"
    elif machine.system != "Linux":
        message = f"no container engine answers, and outrig cannot install one on {machine.system}"
        hint = "start Docker Desktop, or: brew install colima docker && colima start"
    elif not machine.installed and not packaged:
        message = "no container engine answers, and outrig can install only apt's docker.io"
        hint = "https://docs.docker.com/engine/install/ says how; then: outrig doctor"
    elif not machine.root and machine.socket is not None:
        message = f"{machine.socket} is there, but no engine answers {machine.user} through it"
        hint = (
            f"where it runs: sudo usermod -aG docker {machine.user}, and log in again; "
            f"where it does not: {again}"
        )
    elif not machine.root:
        what = "started" if machine.installed else "installed"
        message = f"no container engine answers, and only root can have one {what}"
        hint = again
    else:
        return
    raise EngineUnreachableError(message, hint=hint)
