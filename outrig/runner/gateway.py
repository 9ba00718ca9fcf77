"""The gateway of a session in filter or audit: its policy, its container, where it stands.

| the session has | where the gateway stands                                                     |
|-----------------|------------------------------------------------------------------------------|
| no sidecars     | apart: the session has a namespace without a device (runner/apart.py)        |
| sidecars        | near: it and they have addresses in a network of the session's own, which    |
|                 | leads nowhere, and each is held for it (runner/holder.py)                    |

Near, too, on an engine that does not let it stand apart: preflight finds out.

    <session>/run/gateway/policy.json     what it may reach, for the gateway to read; swapped whole
    <session>/run/gateway/network.jsonl   what the gateway tells: also logs/network.jsonl

The gateway runs outrig's own interpreter and package out of this machine's system, so there is
nothing to pull or to build (but see runner/system.py). It starts in a thread of its own while the
agent's container is made.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from outrig.core import network, sidecars
from outrig.core.engine import Link, Mount
from outrig.core.frozen import replace
from outrig.core.session import with_fields
from outrig.engine import addresses
from outrig.runner import apart, beside, holder, preflight, program, system
from outrig.runner.aside import Aside
from outrig.runner.network import GATEWAY, Ready
from outrig.store import network as told
from outrig.store import places

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from outrig.core.engine import Ref
    from outrig.core.network import Inner, NetworkPlan
    from outrig.runner.network import Making

PROXY_PORT, BROKER_PORT = 3128, 3130
BROKER_NAME = "outrig-broker"  # the same in every session: a resumed one has files that name it
_CAPABILITIES = ("NET_ADMIN", "NET_BIND_SERVICE", "NET_RAW", "SETGID", "SETPCAP", "SETUID")
_SYSCTLS = {"net.ipv4.ip_forward": "0"}
_PIDS = 128


def ready(making: Making) -> Ready:
    """Begin to make it. Raises NetworkError or EngineError."""
    if making.order.plan.sidecars:
        preflight.prove(making)
        return _near(making)
    why = preflight.cannot_stand_apart(making)
    return _apart(making) if why is None else replace(_near(making), notices=(_told(why),))


def _told(why: str) -> str:
    return f"the gateway is in a network with the session, for it cannot stand apart here: {why}"


def _apart(making: Making) -> Ready:
    inner = network.apart()
    folder = _files(making)
    _write_policy(making, {})
    _tell_place(making, inner)
    mounts = (*_shown(folder), *_outside(making))
    link, starting = apart.hold(making, mounts, _setting(making, inner))
    program.compile_ahead()  # while the engine is busy
    return Ready(
        link=link,
        mounts=(_resolver(making, inner),),
        environment={"OUTRIG_PROXY": _proxy(inner)},
        wait=starting.wait,
        broker=f"http://{BROKER_NAME}:{BROKER_PORT}",
    )


def _proxy(inner: Inner) -> str:
    return f"http://{inner.gateway}:{PROXY_PORT}"


def _near(making: Making) -> Ready:
    folder = _files(making)
    making_network = making.network()
    system_ = system.ready(making)
    attempt = making.note_container(GATEWAY)
    made = beside.container(
        making,
        role=GATEWAY,
        attempt=attempt,
        image=system_.image,
        mounts=(*system_.mounts, *system_.packages, *_shown(folder)),
        command=system_.command("-m", "outrig.gateway"),
        link=making.outside,
        capabilities=_CAPABILITIES,
        sysctls=_SYSCTLS,
        pids=_PIDS,
    )
    ref = making.engine.prepare(made, program.environment())
    making.made_container(ref, GATEWAY, attempt)
    network_id, inner = making_network.there()
    hosts = sidecars.hosts(making.order.plan.sidecars, inner)
    _write_policy(making, hosts)
    _tell_place(making, inner)
    starting = Aside(lambda: _start(making, ref, network_id, inner))
    making.undo.callback(starting.over)  # before anything is taken back
    own = Link(kind="inner", to=network_id, address=inner.agent, resolvers=(inner.gateway,))
    link, holding = holder.hold(making, own, holder.inner(inner.range))
    waits = [starting.wait, holding.wait]
    if hosts:
        from outrig.runner import sidecars as beside_it  # noqa: PLC0415 - few sessions have one

        waits.append(beside_it.begin(making, network_id, inner, starting).wait)

    def wait() -> None:
        for one in waits:
            one()

    return Ready(
        link=link,
        mounts=(_resolver(making, inner),),
        environment=_proxies(making.order.plan.network, _proxy(inner), hosts),
        wait=wait,
        broker=f"http://{BROKER_NAME}:{BROKER_PORT}",
    )


def _proxies(plan: NetworkPlan, proxy: str, hosts: Mapping[str, str]) -> Mapping[str, str]:
    """Names need no proxy. To an address only one leads: engines drop what is sent there."""
    if all(network.is_of_names(rule) for rule in plan.allow):
        return {"OUTRIG_PROXY": proxy}
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
    beside_it = ("localhost", "127.0.0.1", "::1", str(urlsplit(proxy).hostname), BROKER_NAME)
    without = ",".join((*beside_it, *hosts, *hosts.values()))
    return {
        "OUTRIG_PROXY": proxy,
        **dict.fromkeys(names, proxy),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), without),
    }


def _start(making: Making, ref: Ref, network_id: str, inner: Inner) -> None:
    making.engine.join_network(network_id, ref, inner.gateway)
    setting = f"{json.dumps(_setting(making, inner))}\n".encode()
    beside.start(making, ref, setting, failed=apart.FAILED)


def _setting(making: Making, inner: Inner) -> Mapping[str, object]:
    """What the gateway is told on its stdin (outrig/gateway/serve.py, Setting), and nowhere else.

    `broker` has the secrets of its routes, and `secrets` what its journal must not say.
    """
    return {
        **apart.place(making, inner),
        "policy": f"{program.INSIDE}/policy/{places.POLICY}",
        "journal": f"{program.INSIDE}/{places.NETWORK_LOG}",
        "broker": making.broker and {**making.broker, "usage": f"{program.INSIDE}/{places.USAGE}"},
        "secrets": dict(making.redaction.values) if making.redaction else {},
    }


def _tell_place(making: Making, inner: Inner) -> None:
    """Into the record: where the session's network is."""
    said = {**making.order.plan.network.table, "addresses": inner.range, "gateway": inner.gateway}
    making.held.update(lambda session: with_fields(session, network=said))


# ------------------------------------------------------------------ files


def _files(making: Making) -> Path:
    """The policy's place, and an empty journal that shows among the logs."""
    folder = Path(making.held.directory) / places.GATEWAY
    folder.parent.mkdir(mode=0o700)
    folder.mkdir()
    folder.chmod(0o755)
    journal, usage = folder / places.NETWORK_LOG, folder / places.USAGE
    for written in (journal, usage):
        written.touch(mode=0o600)
        if os.getuid() == 0 and not making.engine.facts().rootless:
            os.chown(written, *apart.user(making))
    (making.held.directory / places.LOGS / places.NETWORK_LOG).hardlink_to(journal)
    return folder


def _write_policy(making: Making, hosts: Mapping[str, str]) -> None:
    policy = network.policy(making.order.plan.network, own=addresses.own(), hosts=hosts)
    told.write_policy(Path(making.held.directory), policy)


def _shown(folder: Path) -> Sequence[Mount]:
    written = (places.NETWORK_LOG, places.USAGE)
    return (
        Mount(source=str(folder), target=f"{program.INSIDE}/policy"),
        *(
            Mount(source=str(folder / name), target=f"{program.INSIDE}/{name}", writable=True)
            for name in written
        ),
    )


def _outside(making: Making) -> Sequence[Mount]:
    """Whom the gateway asks. In a network of a user's it is the engine, where the gateway left."""
    plan = making.order.plan.network
    if plan.egress is None:
        return ()
    asked = plan.resolvers or tuple(map(str, addresses.resolvers()))
    path = Path(making.held.directory) / places.GATEWAY / "outside.conf"
    path.write_text("".join(f"nameserver {one}\n" for one in asked))
    path.chmod(0o644)
    return (Mount(source=str(path), target="/etc/resolv.conf"),)


def _resolver(making: Making, inner: Inner) -> Mount:
    """Names are asked of the gateway itself, and not by way of the engine."""
    path = Path(making.held.directory) / places.GATEWAY / "resolv.conf"
    path.write_text(f"nameserver {inner.gateway}\noptions timeout:5 attempts:2\n")
    path.chmod(0o644)
    return Mount(source=str(path), target="/etc/resolv.conf")
