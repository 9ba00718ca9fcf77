"""What the kernel does for the gate, set up once, as root; then every privilege is given up.

Where the gate is a neighbour of the session (beside it are others: sidecars):

* The stand-ins are local, and so is the address to which the session sends everything else.
* TCP that the session sends comes to the gate's own port, wherever it was meant to go; from
  the other side nothing does.
* Nothing is forwarded: engines leave that switched on, and spoofed packets went out (tried).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Network

    from outrig.core.address import Address

_GET_ADDRESS = 0x8915  # SIOCGIFADDR
_ORIGINAL_DESTINATION = 80  # SO_ORIGINAL_DST, linux/netfilter_ipv4.h; of IPv6 the same
_FORWARDING = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")
_SET_NO_NEW_PRIVILEGES, _DROP_BOUND, _LAST_CAPABILITY = 38, 24, 63
_CAPABILITY_VERSION = 0x20080522


class SetupError(Exception):
    """What of the kernel could not be had, in words."""


def set_up(stand_ins: IPv4Network, way_out: IPv4Address, own: IPv4Address, port: int) -> str:
    """Send what comes from the session to `port`; the device of its network.

    Raises SetupError.
    """
    assert_no_forwarding()
    device = device_of(own)
    addresses = f"address add {way_out}/32 dev {device}\nroute add local {stand_ins} dev lo\n"
    run("ip", "-batch", "-", said=addresses)
    from_session = f"-A PREROUTING -i {device} -p tcp"
    redirect = (
        f"*nat\n{from_session} -d {own}/32 -j RETURN\n"
        f"{from_session} -j REDIRECT --to-ports {port}\nCOMMIT\n"
    )
    run("iptables-restore", "-w", "--noflush", said=redirect)
    return device


def device_of(own: IPv4Address) -> str:
    """The network device that has this address. Raises SetupError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in socket.if_nameindex():
            request = struct.pack("16s24x", name.encode())
            try:
                said = fcntl.ioctl(asking, _GET_ADDRESS, request)
            except OSError:  # a device without one
                continue
            if IPv4Address(said[20:24]) == own:
                return name
    raise SetupError(f"no network device has {own}")


def assert_no_forwarding() -> None:
    """Raises SetupError when this network namespace passes packets on."""
    for name in _FORWARDING:
        path = Path("/proc/sys") / name
        if path.exists() and path.read_text().strip() != "0":
            raise SetupError(f"{name} is not 0")


def original_destination(connection: socket.socket) -> tuple[Address, int]:
    """Where a connection that was sent here was meant to go. Raises OSError if nowhere else."""
    if connection.family == socket.AF_INET6:
        raw = connection.getsockopt(socket.IPPROTO_IPV6, _ORIGINAL_DESTINATION, 28)
        port, address = struct.unpack_from("!2xH4x16s", raw)
        return IPv6Address(address), port
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


def run(*argv: str, said: str = "") -> str:
    """What a program prints. Raises SetupError."""
    import subprocess  # noqa: PLC0415 - a few times in the life of a gate

    try:
        done = subprocess.run(
            argv, input=said, capture_output=True, text=True, check=False, timeout=20
        )
    except FileNotFoundError:
        raise SetupError(f"{argv[0]} is not installed on this machine") from None
    if done.returncode != 0:
        raise SetupError(f"{' '.join(argv)}: {'; '.join(done.stderr.splitlines())}")
    return done.stdout
