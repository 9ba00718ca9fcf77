"""Bring a container engine to this machine: install it and start it, as core/provision decides.

It stands apart because it starts processes of the machine: apt, systemctl, dockerd. It touches
neither an engine that answers nor one that the user has named.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

from outrig.core.provision import Machine, steps
from outrig.engine import endpoint
from outrig.errors import EngineUnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from outrig.core.provision import Step

SAYS: Mapping[Step, str] = {
    "refresh-packages": "asking apt for its newest package lists",
    "install": "installing docker.io with apt: this takes a minute",
    "mount-cgroups": "mounting the kernel's control groups on /sys/fs/cgroup",
    "start-service": "starting the docker service, now and at every boot",
    "start-daemon": "starting dockerd",
}

# Retries and the lock's time-out, because a fresh machine is often still updating itself.
APT = ("apt-get", "-q", "-y", "-o", "Acquire::Retries=3", "-o", "DPkg::Lock::Timeout=180")
ARGV: Mapping[Step, tuple[str, ...]] = {
    "refresh-packages": (*APT, "update"),
    "install": (*APT, "install", "--no-install-recommends", "docker.io", "ca-certificates"),
    "mount-cgroups": ("mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup"),
    "start-service": ("systemctl", "enable", "--now", "docker"),
    "start-daemon": ("dockerd",),
}

# What a daemon that we start may know of our environment: no key of the caller's is among it.
PASSED_ON = (
    "HOME",
    "LANG",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
)
PROGRAMS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

LOG = Path("/var/log/dockerd.log")
SOCKETS = (Path("/var/run/docker.sock"), Path("/run/docker.sock"))
PATIENCE = 60.0  # seconds for an engine to answer after its start; two are usual
FAILED = b"failed to start daemon"  # the last line of dockerd 20.10 and 26.1 that give up
SAID = 8  # lines of a failed program that are shown


def provision(
    show: Callable[[str], None],
    *,
    answers: Callable[[], bool],
    named: str | None,
    env: Mapping[str, str],
) -> None:
    """Do what `core.provision.steps` says, until `answers` is true.

    `named` is the endpoint that the user chose, None where outrig looks for one itself.
    Raises EngineUnreachableError with the next thing to do when there is no engine in the end.
    """
    if answers():
        return
    for step in steps(look(named, env)):
        if answers():  # apt starts what it installs, where it may
            break
        show(SAYS[step])
        carry_out(step, answers, env)
    if not within(PATIENCE, answers):
        message = f"the engine was started, but does not answer after {PATIENCE:.0f} seconds"
        raise EngineUnreachableError(message, hint=f"journalctl -u docker, or {LOG}, say why")
    if user := env.get("SUDO_USER"):
        show(f"for {user} to use it without sudo: usermod -aG docker {user}, and a new login")


def carry_out(step: Step, answers: Callable[[], bool], env: Mapping[str, str]) -> None:
    if step == "start-daemon":
        if not already_starting(Path("/run")):
            start_daemon(ARGV[step], LOG, answers, env)
    else:
        # An archive of somebody else's that is down must not keep docker.io from being installed.
        run(ARGV[step], env, needed=step != "refresh-packages")


# ---------------------------------------------------------------- looking


def named_endpoint(engine: str | None, *, env: Mapping[str, str], home: Path) -> str | None:
    """The endpoint that the user chose, if it is not where an engine of ours would listen."""
    try:
        found = endpoint.find(engine, env=env, home=home)
    except EngineUnreachableError:
        return engine or env.get("DOCKER_HOST")
    return None if found.path and Path(found.path) in SOCKETS else found.url


def look(named: str | None, env: Mapping[str, str]) -> Machine:
    return Machine(
        system=platform.system(),
        families=families(),
        root=os.geteuid() == 0,
        systemd=Path("/run/systemd/system").is_dir(),  # what sd_booted(3) asks
        cgroups=has_cgroups(),
        installed=shutil.which("dockerd", path=search(env)) is not None,
        socket=next((str(path) for path in SOCKETS if path.exists()), None),
        endpoint=named,
        user=env.get("USER", "$USER"),
        outrig=shutil.which("outrig", path=env.get("PATH")) or "outrig",
    )


def has_cgroups() -> bool:
    mounts = Path("/proc/self/mounts")
    return mounts.exists() and " cgroup" in mounts.read_text()


def families() -> frozenset[str]:
    try:
        release = platform.freedesktop_os_release()
    except OSError:  # none on macOS, nor on some Linux
        return frozenset()
    return frozenset([release["ID"], *release.get("ID_LIKE", "").split()])


def search(env: Mapping[str, str]) -> str:
    """PATH with the system directories, which an unprivileged or a cron-like PATH lacks."""
    return ":".join(filter(None, (env.get("PATH"), PROGRAMS)))


def within(seconds: float, happened: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


# ---------------------------------------------------------------- doing


def environment(env: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in env.items() if name.upper() in PASSED_ON}
    return {**kept, "PATH": search(env), "DEBIAN_FRONTEND": "noninteractive"}


def run(argv: Sequence[str], env: Mapping[str, str], *, needed: bool) -> None:
    import subprocess  # noqa: PLC0415 - doctor without --fix starts nothing

    try:
        done = subprocess.run(
            argv,
            env=environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    except FileNotFoundError as error:
        raise EngineUnreachableError(f"{argv[0]} is missing, and needed for an engine") from error
    if done.returncode != 0 and needed:
        raise failure(" ".join(argv), done.stdout)


def failure(what: str, said: bytes) -> EngineUnreachableError:
    last = said.decode(errors="replace").splitlines()[-SAID:]
    return EngineUnreachableError("\n  ".join([f"{what} failed:", *last]))


def start_daemon(
    argv: Sequence[str], log: Path, answers: Callable[[], bool], env: Mapping[str, str]
) -> None:
    """Start a daemon that outlives us, and wait until it answers or gives up.

    It gets a session of its own and a parent that is not us (setsid --fork), and no descriptor of
    ours: whoever waits for the end of our output must not wait for the engine's.
    """
    import subprocess  # noqa: PLC0415 - as above

    with log.open("ab") as out:
        before = out.tell()
        subprocess.run(
            ["setsid", "--fork", *argv],
            env=environment(env),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            check=True,
        )

    def said() -> bytes:
        return log.read_bytes()[before:]

    within(PATIENCE, lambda: answers() or FAILED in said())
    if not answers():
        raise failure(f"{argv[0]} (its log: {log})", said())


# ---------------------------------------------------------------- leavings of an earlier daemon


def already_starting(run_dir: Path) -> bool:
    """Whether a daemon is there and only slow; else clear the way for the next one.

    dockerd refuses to start while *any* process has the number in its pid file ("pid file found,
    ensure docker is not running"), and uses a containerd whose socket is merely there.
    """
    if lives(run_dir / "docker.pid", "dockerd"):
        return True
    (run_dir / "docker.pid").unlink(missing_ok=True)
    supervised = run_dir / "docker/containerd/containerd.pid"
    if not lives(supervised, "containerd"):
        supervised.unlink(missing_ok=True)
    address = run_dir / "containerd/containerd.sock"
    if address.exists() and not listens(address):
        address.unlink()
    return False


def lives(pidfile: Path, program: str) -> bool:
    """Whether the process named by a pid file is this program, and not a zombie of it."""
    try:
        number = int(pidfile.read_text())
        stat = Path(f"/proc/{number}/stat").read_text()
    except (ValueError, OSError):
        return False
    name, _, rest = stat.partition("(")[2].rpartition(")")
    return name == program and not rest.startswith(" Z")


def listens(address: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(address))
        except ConnectionRefusedError:
            return False
        return True
