"""What the kernel does for the gate, set up once, as root; then every privilege is given up.

* The session's whole network is local, so the gate answers for each stand-in.
* TCP to it is sent to the gate's own port, which asks where it was meant to go.
* Nothing is forwarded: engines leave that switched on, and spoofed packets went out (tried).
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Network

_ORIGINAL_DESTINATION = 80  # SO_ORIGINAL_DST, linux/netfilter_ipv4.h
_FORWARDING = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")
_SET_NO_NEW_PRIVILEGES, _DROP_BOUND, _LAST_CAPABILITY = 38, 24, 63
_CAPABILITY_VERSION = 0x20080522


class SetupError(Exception):
    """What of the kernel could not be had, in words."""


def set_up(network: IPv4Network, own: IPv4Address, port: int) -> None:
    """Make the network local and send its TCP to `port`. Raises SetupError."""
    assert_no_forwarding()
    _run("ip", "route", "add", "local", str(network), "dev", "lo")
    table = ("iptables", "-w", "-t", "nat", "-A", "PREROUTING", "-p", "tcp")
    _run(*table, "-d", str(own), "-j", "RETURN")
    _run(*table, "-d", str(network), "-j", "REDIRECT", "--to-ports", str(port))


def assert_no_forwarding() -> None:
    """Raises SetupError when this network namespace passes packets on."""
    for name in _FORWARDING:
        path = Path("/proc/sys") / name
        if path.exists() and path.read_text().strip() != "0":
            raise SetupError(f"{name} is not 0")


def original_destination(connection: socket.socket) -> tuple[IPv4Address, int]:
    """Where a connection that was sent here was meant to go. Raises OSError if nowhere else."""
    raw = connection.getsockopt(socket.SOL_IP, _ORIGINAL_DESTINATION, 16)
    port, address = struct.unpack_from("!2xH4s", raw)
    return IPv4Address(address), port


def give_up_privileges(uid: int, gid: int) -> None:
    """Become `uid` without any capability, now and for ever. Raises SetupError or OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in range(_LAST_CAPABILITY + 1):
        if libc.prctl(_DROP_BOUND, capability, 0, 0, 0) != 0:
            break  # the first number that this kernel does not know
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    header = struct.pack("Ii", _CAPABILITY_VERSION, 0)
    if libc.capset(header, bytes(24)) != 0:
        raise SetupError("capabilities cannot be given up")
    if libc.prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        raise SetupError("no_new_privs cannot be set")
    held = Path("/proc/self/status").read_text()
    for line in held.splitlines():
        if line.startswith("Cap") and int(line.split()[1], 16) != 0:
            raise SetupError(f"a capability is left: {line}")


def _run(*argv: str) -> None:
    import subprocess  # noqa: PLC0415 - three times in the life of a gate

    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20)
    except FileNotFoundError:
        raise SetupError(f"{argv[0]} is not installed on this machine") from None
    if done.returncode != 0:
        raise SetupError(f"{' '.join(argv)}: {done.stderr.strip()}")
