"""A namespace of the session's own in which no device is up, and the gate in another one.

The session joins the network of the gate's container, that is: of its first process. So that one
stays behind. It starts a second one, which makes itself another network namespace, moves the
container's device there, and hands it the sockets on which it is to listen; the second one is the
gate. Nothing else leads from here to there, and nothing of the engine's is needed for it: neither
a network without addresses of this machine, nor addresses.

| what the session sends                         | becomes of it                            |
|------------------------------------------------|------------------------------------------|
| to the gate's own address                      | is heard: names, the proxy, the broker   |
| TCP to anywhere but itself, by IPv4 and IPv6   | comes to the gate, wherever it was meant |
| a question to the engine's own resolver        | refused: it would be passed on (tried)   |
| anything else                                  | refused; there is no way for it          |

Both give up every privilege before the session may start.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import sys
from ipaddress import ip_interface
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Never

from outrig.gateway import kernel
from outrig.gateway.kernel import SetupError
from outrig.gateway.listening import TRANSPARENT_PORT, Listeners

if TYPE_CHECKING:
    from collections.abc import Sequence

OWN_6, AGENT_6 = "fd6f:7574:7269:67::2", "fd6f:7574:7269:67::3"
_NEW_NETWORK = 0x40000000  # CLONE_NEWNET
_ENGINES_RESOLVER = "127.0.0.11"
_UP = 1
_LOOPBACK = "lo"
_MESSAGE = 64 * 1024
_MOST_SOCKETS = 8
_READY = b"apart"
_LOOPBACK_4, _LOOPBACK_6 = "127.0.0.0/8", "::1/128"


class Leg(NamedTuple):
    """The device that leads out, and what it loses when it is moved."""

    device: str
    addresses: Sequence[str]
    routers: Sequence[str]

    @classmethod
    def found(cls) -> Leg:
        """Raises SetupError, also when there is more than one: engines give one."""
        shown = json.loads(kernel.run("ip", "-j", "address", "show", "up"))
        devices = [one for one in shown if one.get("ifname", _LOOPBACK) != _LOOPBACK]
        if len(devices) != 1:
            raise SetupError(f"{len(devices)} network devices lead out, and not one")
        given = [
            f"{one['local']}/{one['prefixlen']}"
            for one in devices[0]["addr_info"]
            if one["scope"] == "global"
        ]
        families = sorted({f"-{ip_interface(one).version}" for one in given})
        return cls(devices[0]["ifname"], given, [*filter(None, map(_router, families))])

    def here(self, version: int) -> Sequence[str]:
        """Its addresses, which stay those of the session's own name (/etc/hosts)."""
        given = map(ip_interface, self.addresses)
        return [str(one.ip) for one in given if one.version == version]

    def restored(self) -> str:
        """What `ip` is told of it where it is now."""
        lines = [f"link set {_LOOPBACK} up", f"link set {self.device} up"]
        for one in self.addresses:
            checked = "" if ip_interface(one).version == 4 else " nodad"  # noqa: PLR2004
            lines.append(f"address add {one} dev {self.device}{checked}")
        lines += [f"route add default via {one} dev {self.device}" for one in self.routers]
        return "".join(f"{line}\n" for line in lines)


def _router(family: str) -> str | None:
    routes = json.loads(kernel.run("ip", "-j", family, "route", "show", "default") or "[]")
    return next((str(one["gateway"]) for one in routes if "gateway" in one), None)


# ------------------------------------------------------------------ the one that stays behind


def main(own: str, agent: str, uid: str, gid: str) -> Never:
    """What the first process does, until the gate has ended. Raises SetupError or OSError."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    gate = os.fork()
    if not gate:
        ours.close()
        _gate(theirs)
    theirs.close()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda given, _: os.kill(gate, given))
    kernel.assert_no_forwarding()
    leg = Leg.found()
    if ours.recv(len(_READY)) == _READY:
        kernel.run("ip", "link", "set", leg.device, "netns", str(gate))
        # The engine counts by the device's name, and without it says nothing at all of the session.
        # A bridge of nothing, which is down: it leads nowhere and cannot be moved out again.
        kernel.run("ip", "link", "add", leg.device, "type", "bridge")
        listening = _set_up(own, agent, leg)
        assert_alone()
        socket.send_fds(ours, [json.dumps(leg).encode()], listening.numbers())
        listening.close()
    ours.close()
    kernel.give_up_privileges(int(uid), int(gid))
    os._exit(_end_of(gate))  # the interpreter's own end would take 20 ms of each session's


def _set_up(own: str, agent: str, leg: Leg) -> Listeners:
    here = (own, *leg.here(4), agent)
    kernel.run("ip", "-batch", "-", said=_loopback("32", *here))
    kernel.run("iptables-restore", "-w", "--noflush", said=_filter(_LOOPBACK_4, *here))
    return Listeners.behind(own, six=_set_up_six(OWN_6, *leg.here(6), AGENT_6))


def _set_up_six(*here: str) -> bool:
    """The same for IPv6; without it such an address is out of reach, and nothing is lost."""
    if not _six():
        return False
    try:
        kernel.run("ip6tables-restore", "-w", "--noflush", said=_filter(_LOOPBACK_6, *here))
    except SetupError:  # a kernel without NAT for IPv6
        return False
    kernel.run("ip", "-batch", "-", said=_loopback("128", *here))
    return True


def assert_alone() -> None:
    """Raises SetupError when there is more here than a loopback."""
    here = json.loads(kernel.run("ip", "-j", "link", "show", "up"))
    names = [one["ifname"] for one in here if one.get("ifname", _LOOPBACK) != _LOOPBACK]
    if names:
        raise SetupError(f"the session's network still has {names[0]}")


def _end_of(gate: int) -> int:
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == gate:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _six() -> bool:
    """Whether IPv6 is on here; whatever it says, there is no way out by it."""
    try:
        return bool(Path("/proc/net/if_inet6").read_text())
    except OSError:
        return False


def _loopback(whole: str, *of_its_own: str) -> str:
    checked = "" if whole == "32" else " nodad"
    lines = [f"address add {one}/{whole} dev {_LOOPBACK}{checked}" for one in of_its_own]
    lines.append(f"route add default dev {_LOOPBACK} src {of_its_own[-1]}")
    return "".join(f"{line}\n" for line in lines)


def _filter(*of_its_own: str) -> str:
    to_itself = "".join(f"-A OUTPUT -p tcp -d {one} -j RETURN\n" for one in of_its_own)
    engines = f"-A OUTPUT -d {_ENGINES_RESOLVER} -j REJECT\n"
    return (
        f"*nat\n{to_itself}-A OUTPUT -p tcp -j REDIRECT --to-ports {TRANSPARENT_PORT}\nCOMMIT\n"
        f"*filter\n{engines if _LOOPBACK_4 in of_its_own else ''}"
        "-A OUTPUT -m addrtype ! --dst-type LOCAL -j REJECT\nCOMMIT\n"
    )


# ------------------------------------------------------------------ the gate


def _gate(line: socket.socket) -> Never:
    """What the second process does. It never returns."""
    try:
        _leave()
        line.send(_READY)
        from outrig.gateway import serve  # noqa: PLC0415 - while the other one sets up the kernel

        told, handed, *_ = socket.recv_fds(line, _MESSAGE, _MOST_SOCKETS)
        if not told:
            os._exit(1)  # the other one says why
        kernel.run("ip", "-batch", "-", said=Leg(*json.loads(told)).restored())
        code = serve.stand(serve.Setting.read(), Listeners.handed(handed))
    except SetupError as error:
        sys.stderr.write(f"outrig gateway: {error}\n")
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _leave() -> None:
    """Be in a network namespace of our own, which is empty."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_NETWORK) != 0:
        why = os.strerror(ctypes.get_errno())
        raise SetupError(f"a second network namespace cannot be made: {why}")
