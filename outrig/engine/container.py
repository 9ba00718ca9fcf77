"""Container: what an engine is told to make, as docker's API wants it, and how it ended.

The defaults of containment are here and nowhere else: no capabilities, no new privileges, an
init, bounded processes, memory, files and log, and only the mounts that were declared.
"""

from __future__ import annotations

from outrig.core.engine import Exit, Ref, Seen
from outrig.core.naming import LABEL_ATTEMPT, LABEL_ROLE, LABEL_ROOT, LABEL_SESSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from outrig.core.engine import Container, Facts, Link, Mount
    from outrig.core.security import Security

NEVER = "0001-01-01T00:00:00Z"  # how docker writes a time that has not come
SIZE_AT_CREATE = (1, 42)  # the API version that knows a terminal's size from the beginning

# The engine cannot be told to know no detach keys; typed text never holds these bytes, as they
# are no UTF-8 (tried on 20.10.24: its own ctrl-p ctrl-q swallows the first ctrl-p, opencode's).
NO_DETACH_KEYS = b",".join([b"\xff"] * 8)


SIZER = "outrig-size"  # what the shell calls itself when it complains
# What sets a terminal's size from within, before the command can ask for it. Tried on 20.10.24:
# told by the engine just after the start, `stty size` says "0 0" every time.
SIZED = 'stty rows {} cols {} 2>/dev/null; exec "$@"'


def body(
    container: Container,
    env: Mapping[str, str],
    *,
    facts: Facts,
    api: tuple[int, int],
    has_stty: bool = False,
) -> Mapping[str, Any]:
    """The request that creates it. `has_stty`: it has a shell and stty, and no entrypoint."""
    made: dict[str, Any] = {
        "Image": container.image,
        "Cmd": list(container.command),
        "Env": [f"{name}={value}" for name, value in {**env, **_INIT}.items()],
        "User": container.user,
        "WorkingDir": container.working_dir,
        "Labels": dict(container.labels),
        "Tty": container.tty,
        "OpenStdin": container.stdin,
        # End-of-file for the agent when our process dies; a terminal may be attached to again.
        "StdinOnce": container.stdin and not container.tty,
        "AttachStdin": container.stdin,
        "AttachStdout": True,
        "AttachStderr": True,
        "HostConfig": _host(container, facts, api),
        **_endpoints(container.network),
    }
    if container.entrypoint is not None:
        # [""] is docker's way to say none; [] would mean the image's own to some versions.
        made["Entrypoint"] = list(container.entrypoint) or [""]
    if has_stty and container.tty and container.size and container.command and api < SIZE_AT_CREATE:
        script = SIZED.format(*container.size)
        made["Cmd"] = ["-c", script, SIZER, *(container.entrypoint or ()), *container.command]
        made["Entrypoint"] = ["/bin/sh"]
    return made


# Without it init passes a signal to its child alone, and a shell's children live on.
_INIT = {"TINI_KILL_PROCESS_GROUP": "1"}


def _host(container: Container, facts: Facts, api: tuple[int, int]) -> Mapping[str, Any]:
    memory = container.memory or facts.memory * 8 // 10
    made = {
        "Mounts": [bind(mount) for mount in container.mounts],
        "Init": container.init,
        "CapDrop": ["ALL"],
        "CapAdd": list(container.security.capabilities),
        "Privileged": False,
        "SecurityOpt": [
            "no-new-privileges",
            *([f"seccomp={container.seccomp}"] if container.seccomp else ()),
        ],
        "PidsLimit": container.pids,
        "Memory": memory,
        "MemorySwap": memory,
        "NanoCpus": round((container.cpus or 0) * 10**9),
        "Ulimits": _ulimits(container.security, facts),
        "ShmSize": container.security.shm,
        **_network(container.network),
        "Sysctls": {**_sysctls(container.network), **container.sysctls},
        "RestartPolicy": {"Name": "no"},
        # Tried: json-file turns bytes that are no UTF-8 into U+FFFD, and `local` as it comes
        # rotates and compresses: 24 MiB/s and a third of the output lost, against 80 MiB/s.
        "LogConfig": {
            "Type": "local",
            "Config": {
                "max-size": str(container.log_bytes),
                "max-file": "1",
                "compress": "false",
            },
        },
        "AutoRemove": False,
    }
    if container.security.read_only:
        taken = {mount.target for mount in container.mounts}  # two at one place: either may win
        places = {place: how for place, how in _WRITABLE.items() if place not in taken}
        made |= {"ReadonlyRootfs": True, "Tmpfs": places}
    if container.keep_host_userns:
        made["UsernsMode"] = "host"
    if container.size and api >= SIZE_AT_CREATE:
        made["ConsoleSize"] = list(container.size)
    return made


# What programs write beside their own places; its memory counts to the session's.
_SCRATCH = "rw,exec,nosuid,nodev,mode=1777"
_WRITABLE = {"/tmp": _SCRATCH, "/run": _SCRATCH, "/var/tmp": _SCRATCH}  # noqa: S108 - the container's


def _network(link: Link) -> Mapping[str, Any]:
    match link.kind:
        case "joined":
            return {"NetworkMode": f"container:{link.to}"}
        case _:
            # In a network of a session's own the gateway answers whoever asks the engine's own
            # resolver, too: by itself it would ask this machine's (a way out, CVE-2024-29018).
            dns = {"Dns": list(link.resolvers)} if link.resolvers else {}
            hosts = [f"{name}:{address}" for name, address in link.hosts.items()]
            named = {"ExtraHosts": hosts} if hosts else {}
            return {"NetworkMode": link.to or link.kind, **dns, **named}


def _sysctls(link: Link) -> Mapping[str, str]:
    """The gateway stands on IPv4 alone; without IPv6 there is nothing that goes around it."""
    return {"net.ipv6.conf.all.disable_ipv6": "1"} if link.kind == "inner" else {}


def _endpoints(link: Link) -> Mapping[str, Any]:
    if not link.address:
        return {}
    own = {"IPAMConfig": {"IPv4Address": link.address}}
    return {"NetworkingConfig": {"EndpointsConfig": {link.to: own}}}


def _ulimits(security: Security, facts: Facts) -> list[Mapping[str, Any]]:
    core = {"Name": "core", "Soft": security.core, "Hard": security.core}
    if facts.open_files is None:
        return [core]
    # Never raised: without CAP_SYS_RESOURCE (a rootless engine, or one in a container) runc says
    # "error setting rlimit type 7: operation not permitted" and starts nothing.
    files = min(security.open_files, facts.open_files)
    return [core, {"Name": "nofile", "Soft": files, "Hard": files}]


def bind(mount: Mount) -> Mapping[str, Any]:
    """A mount whose source must exist: docker's older `Binds` would make it, as root."""
    return {
        "Type": "volume" if mount.volume else "bind",
        "Source": mount.source,
        "Target": mount.target,
        "ReadOnly": not mount.writable,
        **({"VolumeOptions": {"NoCopy": True}} if mount.volume else {}),
    }


def read_exit(state: Mapping[str, Any], *, engine_died: bool) -> Exit:
    """How it ended, from the `State` of a container that has."""
    return Exit(
        code=int(state.get("ExitCode") or 0),
        oom=bool(state.get("OOMKilled")),
        error=str(state.get("Error") or ""),
        started=state.get("StartedAt", NEVER) != NEVER,
        finished_at=str(state.get("FinishedAt") or ""),
        engine_died=engine_died,
    )


def read_seen(listed: Mapping[str, Any], *, endpoint: str) -> Seen:
    """One entry of docker's list of containers."""
    labels = listed.get("Labels") or {}
    names = listed.get("Names") or [""]
    return Seen(
        ref=Ref(engine="docker", endpoint=endpoint, id=str(listed["Id"])),
        name=str(names[0]).lstrip("/"),
        session=labels.get(LABEL_SESSION, ""),
        root=labels.get(LABEL_ROOT, ""),
        attempt=labels.get(LABEL_ATTEMPT, ""),
        role=labels.get(LABEL_ROLE, ""),
        state=str(listed.get("State") or ""),
        created=float(listed.get("Created") or 0),
    )
