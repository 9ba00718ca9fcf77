"""What `outrig doctor` makes of the things it found: one Check each, with a remedy where one helps.

| finding                                            | state   |
|----------------------------------------------------|---------|
| an engine that cannot see this machine's files     | wrong   |
| an engine or runc with a known hole or deadlock    | warning |
| no seccomp; limits that the engine cannot enforce  | warning |
| resolvers that a container cannot reach            | warning |
| a bridge that no firewall rule is asked about      | warning |
| a program that network open, filter, audit need    | warning |
| a storage driver that copies whole file systems    | warning |
| disk room below 2 GiB; below 256 MiB               | warning; wrong |
| sessions that have not ended and nobody looks after| warning |
| sessions of which no engine says what became       | warning |
| everything else                                    | ok      |
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from outrig.core.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from outrig.core.engine import Facts, Locality

State = Literal["ok", "warning", "wrong"]

GIB = 1024**3
ROOM_WARNING = 2 * GIB
ROOM_WRONG = GIB // 4

FIRST_DOCKER = (17,)  # docker counts in years since then; podman's own versions are below


@frozen
class Check:
    """One line of the doctor: what was looked at, what was found, what helps."""

    name: str
    state: State
    says: str
    remedy: str | None = None


@frozen
class Flaw:
    """Something that is known about old versions. `fixed` names the first good one of each line."""

    what: str
    fixed: tuple[tuple[int, ...], ...]

    def affects(self, version: tuple[int, ...]) -> bool:
        same_line = [good for good in self.fixed if good[:2] == version[:2]]
        return version < (same_line[0] if same_line else max(self.fixed))


ENGINE_FLAWS = (
    Flaw(
        what="starting and removing many containers at once can wedge it for good (moby#46661): "
        "outrig starts and removes at most eight at a time",
        fixed=((20, 10, 27),),
    ),
    Flaw(
        what="internal networks forward DNS to the outside (CVE-2024-29018): outrig's own networks "
        "do not use its resolver, those that you made yourself leak",
        fixed=((23, 0, 11), (25, 0, 5), (26, 0, 0)),
    ),
)
VSOCK = Flaw(  # 20.10.22 blocked it, 20.10.23 took that back (moby#44712)
    what="its seccomp profile lets a session talk to this machine's hypervisor (AF_VSOCK), also "
    "with network none",
    fixed=((23, 0, 0),),
)
RUNC_FLAWS = (
    Flaw(
        what="a hostile container can write to /proc of the host, and so leave: "
        "CVE-2025-31133, -52565, -52881",
        fixed=((1, 2, 8), (1, 3, 3), (1, 4, 0)),
    ),
)


def engine_checks(facts: Facts, endpoint: str, locality: Locality) -> Iterator[Check]:
    """Everything that an engine says of itself."""
    name = "docker" if numbers(facts.version) >= FIRST_DOCKER else "podman"
    flaws = found(ENGINE_FLAWS, facts.version) if name == "docker" else ""
    yield graded(
        "engine",
        f"{name} {facts.version} at {endpoint}",
        flaws,
        "upgrade the engine, or check that your distribution has mended this version",
    )
    yield Check(name="api", state="ok", says=f"{facts.api_version}, {facts.platform}")
    if facts.runc_version:
        yield graded(
            "runc",
            facts.runc_version,
            found(RUNC_FLAWS, facts.runc_version),
            "upgrade runc, or check that your distribution has mended this version",
        )
    yield local(locality)
    yield storage(facts)
    yield cgroup(facts)
    yield rootless(facts)
    yield seccomp(facts, docker=name == "docker")


def seccomp(facts: Facts, *, docker: bool) -> Check:
    if not facts.seccomp:
        trouble = "every system call of the kernel is open to a session"
        remedy = "a kernel with CONFIG_SECCOMP_FILTER; an engine built with seccomp"
        return graded("seccomp", "none", trouble, remedy)
    trouble = found((VSOCK,), facts.version) if docker else ""
    remedy = "upgrade the engine, or set [security] seccomp to a newer engine's profile"
    return graded("seccomp", "the engine's profile", trouble, remedy)


def resolver(servers: Sequence[str], behind: Sequence[str]) -> Check:
    """`servers` are those of resolv.conf, `behind` those that a local resolver itself asks.

    An engine leaves loopback addresses out, and takes public resolvers where nothing is left.
    """
    usable = [one for one in servers if not _is_loopback(one)]
    usable = usable or [one for one in behind if not _is_loopback(one)]
    trouble = (
        ""
        if usable
        else "a session on the bridge asks public resolvers instead: names of your own network are "
        "not found, and others see which are asked"
    )
    remedy = 'name one in /etc/docker/daemon.json: {"dns": ["ADDRESS"]}'
    return graded("resolver", ", ".join(usable or servers) or "none", trouble, remedy)


def bridge_filter(call_iptables: str | None) -> Check:
    """`call_iptables` is /proc/sys/net/bridge/bridge-nf-call-iptables; None where it is absent."""
    asked = call_iptables == "1"
    trouble = "" if asked else "sessions with --network bridge reach each other, whatever it says"
    says = "firewall rules hold on bridges" if asked else "no firewall rule is asked on bridges"
    return graded("bridge", says, trouble, "modprobe br_netfilter")


# With which package it comes: the same name in every distribution but a few.
NETWORK_PROGRAMS = {
    "iptables-restore": "iptables",
    "ip6tables-restore": "iptables",
    "ip": "iproute2",
    "setpriv": "util-linux",
}


def network(absent: Sequence[str]) -> Check:
    """`absent` are those of NETWORK_PROGRAMS that sessions need here and do not find."""
    if not absent:
        says = "open, filter and audit have the programs that they need"
        return Check(name="network", state="ok", says=says)
    packages = dict.fromkeys(NETWORK_PROGRAMS[name] for name in absent)
    return Check(
        name="network",
        state="warning",
        says=f"{', '.join(absent)} not found: sessions with --network open, filter or audit, which "
        "agents have, need the image gateway for them (outrig build gateway)",
        remedy=f"apt-get install {' '.join(packages)}",
    )


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"


def local(locality: Locality) -> Check:
    if locality.local:
        return Check(name="local", state="ok", says="yes: the engine sees this machine's files")
    return Check(
        name="local",
        state="wrong",
        says=f"no: {locality.why}",
        remedy="use an engine on this machine: a workspace cannot be mounted into a far one",
    )


def storage(facts: Facts) -> Check:
    slow = "copies the whole image for every session" if facts.storage_driver == "vfs" else ""
    says = f"{facts.storage_driver} in {facts.root_directory}"
    return graded("storage", says, slow, "keep the engine's data on ext4 or xfs, for overlay2")


def cgroup(facts: Facts) -> Check:
    says = f"version {facts.cgroup_version}, driver {facts.cgroup_driver}"
    missing = ""
    remedy = "cgroup version 2 with delegation: https://docs.docker.com/engine/security/rootless/"
    if facts.cgroup_driver == "none":
        missing = "limits on memory, processes and cpus are not enforced"
    elif facts.cgroup_version == "1" and not facts.swap_limit:
        missing = "swap is not counted: a session may use more than its memory limit"
        remedy = "the kernel parameter swapaccount=1, or cgroup version 2"
    return graded("cgroup", says, missing, remedy)


def rootless(facts: Facts) -> Check:
    if facts.rootless:
        says = "yes: root in a container is you"
    elif facts.userns_remap:
        says = "no, but with userns-remap: root in a container is nobody here"
    else:
        says = "no: who may use the engine is as good as root on this machine"
    return Check(name="rootless", state="ok", says=says)


def room(name: str, path: str, free: int) -> Check:
    says = f"{free / GIB:.1f} GiB free for {path}"
    if free >= ROOM_WARNING:
        return Check(name=name, state="ok", says=says)
    state: State = "wrong" if free < ROOM_WRONG else "warning"
    return Check(name=name, state=state, says=says, remedy="outrig ls --all; outrig discard ID...")


def sessions(attended: Sequence[str], unattended: Sequence[str], unknown: Sequence[str]) -> Check:
    """`unknown` are those of which no engine says anything now: they may well run."""
    troubles, remedies = [], []
    if unattended:
        troubles.append(f"not ended, and nobody looks after: {', '.join(unattended)}")
        remedies += [f"outrig logs -f {one}" for one in unattended]
        remedies.append(f"or, to end them: outrig stop {' '.join(unattended)}")
    if unknown:
        troubles.append(f"nobody can say what became of: {', '.join(unknown)}")
        remedies.append("outrig ls, where they were started, once their engine answers")
    if troubles:
        says, remedy = "; ".join(troubles), "; ".join(remedies)
        return Check(name="sessions", state="warning", says=says, remedy=remedy)
    says = f"{len(attended)} running" if attended else "none unfinished"
    return Check(name="sessions", state="ok", says=says)


def graded(name: str, says: str, trouble: str, remedy: str) -> Check:
    """Ok, or a warning when there is some trouble."""
    if not trouble:
        return Check(name=name, state="ok", says=says)
    return Check(name=name, state="warning", says=f"{says}: {trouble}", remedy=remedy)


def found(flaws: Sequence[Flaw], version: str) -> str:
    """What is wrong with a version, in words; nothing for one that cannot be read."""
    known = numbers(version)
    return "; ".join(flaw.what for flaw in flaws if known and flaw.affects(known))


def numbers(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with: "20.10.24+dfsg1" -> (20, 10, 24)."""
    leading = re.match(r"\d{1,9}(?:\.\d{1,9})*", version, re.ASCII)
    return tuple(map(int, leading[0].split("."))) if leading else ()
