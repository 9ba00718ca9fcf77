"""A plan and what was decided at launch -> the one container to make."""

from __future__ import annotations

from outrig.core.engine import Container
from outrig.core.naming import container_name, labels
from outrig.core.security import usual_memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from outrig.core.engine import Image, Link, Mount
    from outrig.core.plan import RunPlan
    from outrig.core.session import Session


SHELL = "/bin/sh"
READER = "outrig-env"  # what the shell calls itself when it complains


def container_for(
    plan: RunPlan,
    *,
    session: Session,
    attempt: str,
    image: Image,
    mounts: tuple[Mount, ...],
    user: str,
    machine_memory: int,
    keep_host_userns: bool,
    link: Link,
    seccomp: str | None = None,
    script: str | None = None,
) -> Container:
    """`mounts` are all of them, resolved; `machine_memory` is in bytes.

    `seccomp` is the text of a profile that takes the place of the engine's; `script` is the path
    of what a shell reads before it becomes the command.
    """
    entrypoint, command = plan.entrypoint, plan.command
    if script is not None:
        entrypoint, command = (SHELL,), _after(script, plan, image)
    return Container(
        name=container_name(session.id),
        labels=labels(
            session=session.id, root=session.text("root_id"), attempt=attempt, role="agent"
        ),
        image=image.id,
        entrypoint=entrypoint,
        command=command,
        user=user,
        working_dir=plan.working_dir,
        mounts=tuple(sorted(mounts, key=lambda mount: mount.target)),
        network=link,
        memory=memory_limit(plan, machine_memory),
        cpus=plan.cpus,
        pids=plan.pids,
        log_bytes=plan.log_bytes,
        security=plan.security,
        seccomp=seccomp,
        tty=plan.tty,
        stdin=plan.stdin != "null",
        size=plan.size,
        keep_host_userns=keep_host_userns,
    )


def _after(script: str, plan: RunPlan, image: Image) -> tuple[str, ...]:
    """What the shell is given. COMMAND replaces the image's own, which its ENTRYPOINT stays for."""
    first = image.entrypoint if plan.entrypoint is None else plan.entrypoint
    command = plan.command or (image.command if plan.entrypoint is None else ())
    return ("-c", f'. {script}; exec "$@"', READER, *first, *command)


def memory_limit(plan: RunPlan, machine: int) -> int:
    """Bytes: 80 % of the machine unless somebody says otherwise; a repository only says less."""
    usual = usual_memory(machine)
    if plan.memory is None:
        return usual
    return min(plan.memory, usual) if plan.memory_at_most_usual else plan.memory
