"""The container of a gate that stands apart: the session is in its network, the gate is outside.

See outrig/gateway/apart.py. It takes one container and nothing else of the engine; with sidecars
there are neighbours, and so a network of the session's own (runner/gateway.py).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from outrig.core import network
from outrig.core.engine import Link
from outrig.runner import beside, program, system
from outrig.runner.aside import Aside
from outrig.runner.network import GATEWAY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outrig.core.engine import Mount
    from outrig.core.network import Inner
    from outrig.runner.network import Making

FAILED = "the session's gateway cannot be set up"
NOBODY = 65534
# To make a second namespace takes SYS_ADMIN; all are given up before the session starts.
_CAPABILITIES = (
    *("NET_ADMIN", "NET_BIND_SERVICE", "NET_RAW", "SETGID", "SETPCAP", "SETUID", "SYS_ADMIN"),
)
_SYSCTLS = {"net.ipv4.ip_forward": "0"}
# Engines switch IPv6 off in a container that has none outside; here it ends at the gate.
_SIX = {"net.ipv6.conf.all.disable_ipv6": "0", "net.ipv6.conf.all.forwarding": "0"}
_PIDS = 128


def hold(
    making: Making, mounts: tuple[Mount, ...], setting: Mapping[str, object]
) -> tuple[Link, Aside[None]]:
    """Begin to make it; the agent's link, and what is to be waited for.

    Raises EngineError; what is waited for NetworkError, too.
    """
    inner = network.apart()
    own = system.ready(making)
    attempt = making.note_container(GATEWAY)
    made = beside.container(
        making,
        role=GATEWAY,
        attempt=attempt,
        image=own.image,
        mounts=(*own.mounts, *own.packages, *mounts),
        command=own.command(
            "-m", "outrig.gateway", inner.gateway, inner.agent, *map(str, user(making))
        ),
        link=making.outside,
        capabilities=_CAPABILITIES,
        sysctls={**_SYSCTLS, **(_SIX if Path("/proc/sys/net/ipv6").exists() else {})},
        pids=_PIDS,
    )
    ref = making.engine.prepare(made, program.environment())
    making.made_container(ref, GATEWAY, attempt)
    told = f"{json.dumps(setting)}\n".encode()
    starting = Aside(lambda: beside.start(making, ref, told, failed=FAILED))
    making.undo.callback(starting.over)  # before anything is taken back
    return Link(kind="joined", to=ref.id), starting


def place(making: Making, inner: Inner) -> Mapping[str, object]:
    """Where a gateway is, and who: what each one is told of its setting."""
    uid, gid = user(making)
    return {
        "stand_ins": inner.stand_ins,
        "way_out": inner.exit,
        "address": inner.gateway,
        "uid": uid,
        "gid": gid,
    }


def user(making: Making) -> tuple[int, int]:
    """Who the gateway is, once it needs no root: the caller, and nobody for root."""
    if making.engine.facts().rootless:
        return 0, 0  # which is the caller
    return (os.getuid(), os.getgid()) if os.getuid() else (NOBODY, NOBODY)
