"""Does this engine keep a session's network shut? Tried once per engine, before it is relied upon.

A container in a network made and held exactly as a session's, with a gateway that lets nothing
through or with none, tries to get out:

| it tries                                                | a way out is          |
|---------------------------------------------------------|-----------------------|
| a listener of ours on 0.0.0.0, by each of our addresses | a connection          |
| the same by the first addresses of its own network      | a connection          |
| the engine's own resolver, for a name that nobody has   | an answer             |
| whom this machine asks for names                        | an answer             |
| a datagram to everybody, or past the routes, each way   | that it is heard here |

Any way out, or no word of the probe, and no session starts in filter or audit.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from typing import TYPE_CHECKING

from outrig.core import network
from outrig.core.engine import Link
from outrig.core.frozen import replace
from outrig.engine import addresses
from outrig.errors import NetworkError
from outrig.runner import apart, beside, holder, program, system

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from outrig.runner.network import Making

SUBJECT = "network"
APART = "network-apart"
SHUT = {"shut": True, "datagrams": True}
ROLE = "helper"
_RESOLVER = "127.0.0.11"  # the engine's own, in a network of a user's
_EVERYBODY = "255.255.255.255"
_FAILED = "this engine does not keep a network shut"
_PIDS = 128
# It answers `ready`, as any container beside an agent, once all tries were in vain.
_PROBE = """\
import json, os, socket, struct, sys, threading, time
told = json.loads(input())
out = []
def dial(address, port):
    try:  # a gate takes every connection, so whoever listens knows best who is reached
        socket.create_connection((address, port), 2).close()
    except OSError:
        pass
def ask(address):
    name = b"".join(bytes([len(one)]) + one for one in (os.urandom(8).hex().encode(), b"invalid"))
    question = os.urandom(2) + b"\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0" + name + b"\\0\\0\\1\\0\\1"
    try:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.settimeout(2)
            asking.connect((address, 53))
            asking.send(question)
            if asking.recv(512)[3] & 15 in (0, 3):
                out.append(f"{address} answers questions about names")
    except OSError:
        pass
def shout(address, port):
    for options in ((socket.SO_BROADCAST,), (socket.SO_DONTROUTE,)):
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as shouting:
                shouting.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
                for option in options: shouting.setsockopt(socket.SOL_SOCKET, option, 1)
                for _ in range(2):
                    shouting.sendto(b"out", (address, port))
                    time.sleep(0.2)
        except OSError:
            pass
tries = [threading.Thread(target=dial, args=one) for one in told["dial"]]
tries += [threading.Thread(target=ask, args=(one,)) for one in told["ask"]]
tries += [threading.Thread(target=shout, args=one) for one in told["shout"]]
for one in tries: one.start()
for one in tries: one.join()
sys.exit("; ".join(out)) if out else print("ready", flush=True)
"""


def prove(making: Making) -> None:
    """Of a network as one with sidecars has.

    Raises NetworkError that says which way is open, unless this engine is known to be shut.
    """
    if making.engine.recall(SUBJECT) == SHUT:
        return
    with contextlib.ExitStack() as undo:
        _try_near(replace(making, undo=undo))
    making.engine.remember(SUBJECT, SHUT)


def cannot_stand_apart(making: Making) -> str | None:
    """Why a gateway cannot, here; None where it can, and then that is proven.

    Where it cannot, the network is proven instead. Raises NetworkError as prove() does.
    """
    known = making.engine.recall(APART)
    if known == SHUT:
        return None
    why = known.get("cannot") if isinstance(known, dict) else None
    if why is None:
        with contextlib.ExitStack() as undo:
            why = _try_apart(replace(making, undo=undo))
        making.engine.remember(APART, SHUT if why is None else {"cannot": why})
    if why is not None:
        prove(making)
    return why


def _try_apart(making: Making) -> str | None:
    inner = network.apart()
    nowhere = {"policy": "", "journal": os.devnull}  # no policy that can be read: nothing goes out
    link, holding = apart.hold(making, (), {**apart.place(making, inner), **nowhere})
    try:
        holding.wait()
    except NetworkError as error:
        return error.message.removeprefix(f"{apart.FAILED}: ")
    _try(making, link, ())
    return None


def _try_near(making: Making) -> None:
    network_id, inner = making.network().there()
    own = Link(kind="inner", to=network_id, address=inner.agent, resolvers=(inner.gateway,))
    link, holding = holder.hold(making, own, holder.inner(inner.range))
    holding.wait()
    _try(making, link, (inner.exit, inner.gateway))


def _try(making: Making, link: Link, near: Sequence[str]) -> None:
    """`near` are addresses at which this machine may be, too."""
    own = system.ready(making)
    attempt = making.note_container(ROLE)
    made = beside.container(
        making,
        role=ROLE,
        attempt=attempt,
        image=own.image,
        mounts=(*own.mounts, *own.packages),
        command=own.command("-c", _PROBE),
        link=link,
        capabilities=(),
        sysctls={},
        pids=_PIDS,
    )
    ref = making.engine.prepare(made, program.environment())
    making.made_container(ref, ROLE, attempt)
    with (
        socket.create_server(("", 0), family=_family(), dualstack_ipv6=_is_dual()) as here,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hearing,
    ):
        hearing.bind(("", 0))
        hearing.setblocking(False)  # noqa: FBT003 - its only form
        here.setblocking(False)  # noqa: FBT003
        tries = _tries(here.getsockname()[1], hearing.getsockname()[1], near)
        told = f"{json.dumps(tries)}\n".encode()
        beside.start(making, ref, told, failed=_FAILED)
        with contextlib.suppress(BlockingIOError):
            caller, _ = here.accept()
            caller.close()
            raise NetworkError(f"{_FAILED}: this machine is reached", hint=beside.HINT)
        with contextlib.suppress(BlockingIOError):
            hearing.recv(16)
            raise NetworkError(f"{_FAILED}: a datagram of it is heard", hint=beside.HINT)


def _is_dual() -> bool:
    return socket.has_dualstack_ipv6()


def _family() -> socket.AddressFamily:
    return socket.AF_INET6 if _is_dual() else socket.AF_INET


def _is_4(address: str) -> bool:
    return ":" not in address


def _tries(port: int, datagrams: int, near: Sequence[str]) -> Mapping[str, object]:
    ours = [str(one.network_address) for one in addresses.own()]
    return {
        "dial": [(address, port) for address in (*ours, *near)],
        "shout": [(address, datagrams) for address in (*filter(_is_4, ours), _EVERYBODY)],
        "ask": [_RESOLVER, *map(str, addresses.resolvers())],
    }
