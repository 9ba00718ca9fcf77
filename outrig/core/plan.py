"""RunPlan: everything that is decided before anything happens; core/draft.py decides it.

A plan can be printed (`--dry-run`), stored in the record and compared in a test. It holds the
names of environment variables, never their values, so that nothing made from it can leak them.
What only an engine can decide (a rootless engine's user, 80 % of its memory, whether the host
image has the agent's program) is decided at launch and says so.
"""

from __future__ import annotations

from outrig.core import network
from outrig.core.frozen import frozen
from outrig.core.relations import Work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from outrig.core import identity, mounts
    from outrig.core.relations import Relations
    from outrig.core.secrets import Secret
    from outrig.core.security import Security
    from outrig.core.sidecars import Sidecar
    from outrig.core.streams import Stdin
    from outrig.core.workspace import Isolation

HOST_IMAGE = "host"


@frozen
class Place:
    """Where the session works: what was found on the disk, symlinks resolved.

    `git_dir` holds HEAD and index, `common_dir` objects and refs: the same but for a linked
    worktree. Both are None where the root is not the top of a checkout.
    """

    root: str
    start: str  # the directory the user stands in
    owner: identity.Person
    repository: bool = False
    head: str | None = None
    branch: str | None = None
    git_dir: str | None = None
    common_dir: str | None = None

    @property
    def project(self) -> str:
        """The repository's common directory; without one, the directory itself."""
        return f"{self.root}/.git" if self.repository else self.root


@frozen
class ImagePlan:
    """Which image, not yet whether it is there.

    host: the empty image filled with this machine's /usr. configured: an entry of [images].
    local: a reference that must be present and is never pulled. `otherwise` is the configured
    image for an agent whose program the host image lacks.
    """

    kind: Literal["host", "configured", "local"]
    name: str
    otherwise: str | None = None


@frozen
class RunPlan:
    command: tuple[str, ...]
    agent: str | None
    words: tuple[str, ...]  # appended to the agent's own
    task: str | None
    resumed: str | None
    image: ImagePlan
    entrypoint: tuple[str, ...] | None  # None: the image's own; (): none
    workspace: Place
    isolation: Isolation
    target: str
    working_dir: str
    mounts: tuple[mounts.MountSpec, ...]
    env_names: tuple[str, ...]
    env_literal: tuple[str, ...]  # of these, values that are known to nobody but the command line
    home: Mapping[str, str]  # files laid into HOME
    user: str
    caller: identity.Person
    network: network.NetworkPlan
    memory: int | None
    memory_at_most_usual: bool  # a repository said so, and 80 % of the machine is still a bound
    cpus: float | None
    pids: int
    wall: float | None  # seconds
    idle: float | None  # seconds
    log_bytes: int
    disk: int | None  # bytes
    model_requests: int | None
    model_tokens: int | None
    security: Security
    grace: float  # seconds
    detach_keys: str
    notify: bool
    tty: bool
    stdin: Stdin
    size: tuple[int, int] | None
    name: str | None
    labels: Mapping[str, str]
    relations: Relations
    host_paths: tuple[str, ...]
    notices: tuple[str, ...]
    origins: Mapping[str, str]
    secrets: tuple[Secret, ...] = ()
    redact: bool = True
    sidecars: tuple[Sidecar, ...] = ()

    @property
    def spoken(self) -> tuple[str, ...]:
        """What the user is told beforehand; of the network last, when all its rules are known."""
        reach = network.announcement(self.network, self.agent, beside=bool(self.sidecars))
        return (*self.notices, *([reach] if reach else []))

    @property
    def alone(self) -> Work | None:
        """The work on which no other session may be unfinished."""
        said = self.relations
        if said.issue is None or said.force:
            return None
        return Work(issue=said.issue, project=self.workspace.project)
