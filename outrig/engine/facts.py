"""Facts: what an engine says of itself, asked once per incarnation of the daemon.

`/info` and `/version` take 20 ms, so they are kept. A daemon that was restarted has made its
socket and its pid file anew; one that was upgraded says so in the answer to the first ping.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from outrig.core.engine import Facts
from outrig.core.frozen import as_dict, replace
from outrig.engine import learned
from outrig.engine.failure import refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from outrig.engine.wire import Wire

PID_FILE = "/run/docker.pid"  # where dockerd writes it unless told otherwise


def incarnation(wire: Wire) -> str:
    """What changes when the daemon behind the endpoint becomes another."""
    parts = [wire.endpoint.url, wire.server, f"{wire.api[0]}.{wire.api[1]}", _boot()]
    for path in (wire.endpoint.path, PID_FILE):
        try:
            seen = os.stat(path or "")  # noqa: PTH116 - on the hot path
        except OSError:
            continue
        parts.append(f"{seen.st_ino}:{seen.st_ctime_ns}")
    return " ".join(parts)


def _boot() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:  # noqa: PTH123 - on the hot path
            return file.read().strip()
    except OSError:
        return ""


def facts(wire: Wire, cache: Path) -> Facts:
    key = incarnation(wire)
    subject = f"facts {wire.endpoint.url}"
    known = learned.recall(cache, subject, key)
    if known is not None:
        try:
            return Facts(**{**known, "warnings": tuple(known["warnings"])})
        except (TypeError, KeyError):  # written by another version of outrig
            pass
    fresh = replace(ask(wire), open_files=_open_files(wire))
    learned.remember(cache, subject, key, as_dict(fresh))
    return fresh


def _open_files(wire: Wire) -> int | None:
    """The hard limit of the process behind a unix socket: what it can give to a container."""
    pid = wire.peer()
    if not pid:
        return None
    try:
        lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    except OSError:
        return None
    hard = next((line.split()[4] for line in lines if line.startswith("Max open files")), "")
    return int(hard) if hard.isdecimal() else None


def started(wire: Wire) -> datetime | None:
    """When the daemon behind a unix socket was started; None where that cannot be told.

    With systemd's socket activation the socket is not the daemon's own, so its pid file must do.
    """
    pid = wire.peer()
    try:
        if pid and pid > 1:
            ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
            uptime = float(Path("/proc/uptime").read_text().split()[0])
            since_boot = ticks / os.sysconf("SC_CLK_TCK")
            return datetime.now(UTC) - timedelta(seconds=uptime - since_boot)
        return datetime.fromtimestamp(Path(PID_FILE).stat().st_mtime, UTC) if pid else None
    except OSError:
        return None


def ask(wire: Wire) -> Facts:
    """Ask the engine itself, cache or no cache."""
    answers = []
    for path in ("/info", "/version"):
        answer = wire.call("GET", path)
        if not answer.fine:
            raise refusal(answer, "say what it is")
        answers.append(answer.json())
    return read(*answers)


def read(info: Mapping[str, Any], version: Mapping[str, Any]) -> Facts:
    """The answers of `/info` and `/version` as facts; podman leaves some of it out."""
    security = info.get("SecurityOptions") or ()
    options = {part.partition(",")[0].removeprefix("name=") for part in security}
    parts = version.get("Components") or ()
    versions = {part.get("Name"): part.get("Version") for part in parts}
    return Facts(
        id=str(info.get("ID") or ""),
        version=str(version.get("Version") or ""),
        api_version=str(version.get("ApiVersion") or ""),
        os=str(version.get("Os") or ""),
        architecture=str(version.get("Arch") or ""),
        kernel=str(info.get("KernelVersion") or ""),
        cpus=int(info.get("NCPU") or 0),
        memory=int(info.get("MemTotal") or 0),
        storage_driver=str(info.get("Driver") or ""),
        root_directory=str(info.get("DockerRootDir") or ""),
        cgroup_version=str(info.get("CgroupVersion") or "1"),
        cgroup_driver=str(info.get("CgroupDriver") or ""),
        rootless="rootless" in options,
        userns_remap="userns" in options,
        seccomp="seccomp" in options,
        swap_limit=bool(info.get("SwapLimit")),
        runc_version=str(versions.get("runc") or ""),
        warnings=tuple(map(str, info.get("Warnings") or ())),
    )
