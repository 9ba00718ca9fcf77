"""A plan and what was decided at launch -> the one container to make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outrig.core.engine import Container, Mount
from outrig.core.naming import container_name, labels

if TYPE_CHECKING:
    from outrig.core.engine import Image
    from outrig.core.plan import RunPlan
    from outrig.core.session import Session


def container_for(
    plan: RunPlan,
    *,
    session: Session,
    attempt: str,
    image: Image,
    mounts: tuple[Mount, ...],
    user: str,
    memory: int,
    keep_host_userns: bool,
) -> Container:
    """`mounts` are all but the workspace's own, resolved; `memory` is in bytes."""
    workspace = Mount(source=plan.workspace.root, target=plan.target, writable=True)
    return Container(
        name=container_name(session.id),
        labels=labels(
            session=session.id, root=session.text("root_id"), attempt=attempt, role="agent"
        ),
        image=image.id,
        entrypoint=plan.entrypoint,
        command=plan.command,
        user=user,
        working_dir=plan.working_dir,
        mounts=tuple(sorted((workspace, *mounts), key=lambda mount: mount.target)),
        network=plan.network,
        memory=memory,
        cpus=plan.cpus,
        pids=plan.pids,
        log_bytes=plan.log_bytes,
        tty=plan.tty,
        stdin=plan.stdin != "null",
        size=plan.size,
        keep_host_userns=keep_host_userns,
    )
