"""A plan in words: what `--dry-run` prints, and the first record of the session it becomes."""

from __future__ import annotations

from outrig.core import identity, security, sidecars
from outrig.core.moment import time_text
from outrig.core.session import SCHEMA, Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Any

    from outrig.core.config import ImageConfig
    from outrig.core.plan import RunPlan

AT_LAUNCH = "decided at launch"


def first_record(
    plan: RunPlan, *, session_id: str, container_name: str, at: datetime, version: str
) -> Session:
    """The record of a planned session; the store adds its name and where it is kept."""
    fields = {
        "schema": SCHEMA,
        "id": session_id,
        "status": "planned",
        "started_at": time_text(at),
        "container_name": container_name,
        "sidecar_container_names": [
            sidecars.container_name(container_name, one.name) for one in plan.sidecars
        ]
        or None,
        "image_tag": plan.image.name,
        "image_config_name": plan.image.name,
        "working_dir": plan.workspace.start,
        "agent_name": plan.agent,
        "agent_words": list(plan.words) or None,
        "resumed_from": plan.resumed,
        "command": list(plan.command),
        "task": plan.task,
        "env_names": list(plan.env_names),
        "env_literal": list(plan.env_literal) or None,
        "workdir": plan.working_dir,
        "user": plan.user,
        "network": plan.network.table,
        sidecars.FIELD: {one.name: {"image": one.image} for one in plan.sidecars} or None,
        "tty": plan.tty,
        "notify": plan.notify or None,
        "grace": plan.grace,
        "labels": dict(plan.labels) or None,
        **_relations(plan),
        "mounts": _mounts(plan),
        "limits": {
            name.replace("-", "_"): limit for name, limit in _unset_left_out(_limits(plan)).items()
        },
        "security": security.as_table(plan.security),
        "workspace": _unset_left_out(_workspace(plan)),
        "config_origins": dict(plan.origins),
        "resources": [],
        "outrig_version": version,
    }
    return Session(_unset_left_out(fields))


def as_table(plan: RunPlan, images: Mapping[str, ImageConfig]) -> dict[str, Any]:
    """The plan for people and scripts (`--dry-run`), without anything that is unset."""
    who = identity.decide(plan.user, caller=plan.caller, owner=plan.workspace.owner, rootless=False)
    image: dict[str, Any] = {"kind": plan.image.kind, "name": plan.image.name}
    if plan.image.otherwise:
        image["otherwise"] = plan.image.otherwise
    configured = images.get(plan.image.name)
    if configured and plan.image.kind == "configured":
        image |= {"dockerfile": configured.dockerfile, "image-name": configured.image_name}
    table: dict[str, Any] = {
        "command": list(plan.command),
        "agent": plan.agent,
        "task": plan.task,
        "resumed-from": plan.resumed,
        "name": plan.name,
        "working-dir": plan.working_dir,
        "entrypoint": None if plan.entrypoint is None else list(plan.entrypoint),
        "env-names": list(plan.env_names),
        "home-files": sorted(plan.home),
        "secrets": {one.name: one.way for one in plan.secrets} or None,
        "redact": plan.redact if plan.secrets else None,
        "network": plan.network.table,
        "sidecars": {one.name: one.table for one in plan.sidecars} or None,
        "tty": plan.tty,
        "stdin": plan.stdin,
        "grace": plan.grace,
        "host-paths": list(plan.host_paths),
        "notices": [*plan.spoken, *([who.notice] if who.notice else ())],
        "image": _unset_left_out(image),
        "user": {
            "asked": plan.user,
            "inside": f"{who.user}; another on a rootless engine, {AT_LAUNCH}",
            "home": who.home,
        },
        "limits": {
            "memory": f"80 % of the machine, {AT_LAUNCH}",
            "cpus": "all",
            **_unset_left_out(_limits(plan)),
        },
        "security": {
            name.replace("_", "-"): said for name, said in security.as_table(plan.security).items()
        },
        "workspace": {
            **_unset_left_out(_workspace(plan)),
            "protect": list(plan.isolation.protect),
        },
        "labels": dict(plan.labels),
        **_unset_left_out(_relations(plan)),
        "mounts": _mounts(plan),
        "config-origins": dict(plan.origins),
    }
    return _unset_left_out(table)


def _limits(plan: RunPlan) -> dict[str, Any]:
    """Bytes, processors, processes, seconds."""
    return {
        "memory": plan.memory,
        "cpus": plan.cpus,
        "pids": plan.pids,
        "wall": plan.wall,
        "idle": plan.idle,
        "log-bytes": plan.log_bytes,
        "disk": plan.disk,
        "model-requests": plan.model_requests,
        "model-tokens": plan.model_tokens,
    }


def _workspace(plan: RunPlan) -> dict[str, Any]:
    place, isolation = plan.workspace, plan.isolation
    return {
        "mode": isolation.mode,
        "git": None if isolation.own_tree or not place.repository else isolation.git,
        "path": place.root,
        "target": plan.target,
        "base": place.head,
        "branch": place.branch,
        "common_dir": place.common_dir,
        "include": list(isolation.include) or None,
        "exclude": list(isolation.exclude) or None,
        "checkpoint": isolation.checkpoint,
        "from": isolation.start,
        "with_changes": isolation.with_changes or None,
    }


def _relations(plan: RunPlan) -> dict[str, Any]:
    said = plan.relations
    return {
        "kind": said.kind,
        "parent": said.parent,
        "group": said.group,
        "issue": said.issue,
        "project": plan.workspace.project,
    }


def _mounts(plan: RunPlan) -> list[dict[str, Any]]:
    return [
        {"host": mount.source, "container": mount.target, "mode": "rw" if mount.writable else "ro"}
        for mount in plan.mounts
    ]


def _unset_left_out(table: Mapping[str, Any]) -> dict[str, Any]:
    """TOML has no null: what is unset is left out."""
    return {name: value for name, value in table.items() if value is not None}
