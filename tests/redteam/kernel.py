"""What a hostile session tries on the kernel: runs inside, on the machine's own Python.

Prints one JSON object: each try, and `no: why` or what it got. Told in argv[1] what is out there.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import glob
import json
import os
import resource
import signal
import socket
import subprocess
import sys

TOLD = json.loads(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> str:
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), errno.errorcode.get(ctypes.get_errno(), "?"))
    return "GOT IT"


def system(number: int, *arguments: int) -> str:
    return call("syscall", number, *arguments)


def write(path: str, words: str) -> str:
    with open(path, "w") as file:
        file.write(words)
    return "GOT IT"


def read(path: str) -> str:
    with open(path, "rb") as file:
        return "GOT IT" if file.read(16) else "no: empty"


def sock(family: int, kind: int, number: int = 0) -> str:
    socket.socket(family, kind, number).close()
    return "GOT IT"


def mark() -> str:
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, 36, 7)
    return "GOT IT"


def abstract(name: str) -> str:
    with socket.socket(socket.AF_UNIX) as line:
        line.connect("\0" + name)
        line.sendall(b"leak")
    return "GOT IT"


def setuid() -> str:
    """A shell of its own making, setuid, run as whoever it belongs to."""
    subprocess.run(["cp", "/bin/sh", "suid"], check=True)
    os.chmod("suid", 0o6755)
    done = subprocess.run(
        ["./suid", "-c", "grep CapEff /proc/self/status"], check=True, capture_output=True
    )
    return "no: no capability" if int(done.stdout.split()[1], 16) == 0 else "GOT IT"


def sockets() -> str:
    """Of an engine, by whatever name."""
    done = subprocess.run(
        ["find", "/", "-xdev", "-type", "s", "-o", "-name", "*.sock"],
        capture_output=True,
        check=False,
    )
    usual = ["/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock"]
    usual += ["/run/podman/podman.sock", "/run/user/0/docker.sock", "/run/outrig/docker.sock"]
    found = done.stdout.decode().split() + [one for one in usual if os.path.exists(one)]
    for one in found:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line:
            line.connect(one)
            return f"GOT {one}"
    return f"no: {found}"


def outside(pattern: str) -> str:
    """Files of the machine by way of another process's root."""
    for path in glob.glob(pattern):
        with contextlib.suppress(OSError):
            if os.path.exists(f"{path}{TOLD['outside']}"):
                return f"GOT {path}"
    return "no: not there"


def processes() -> str:
    seen = [one for one in os.listdir("/proc") if one.isdigit()]
    return "no: its own" if len(seen) < 20 else f"GOT {len(seen)}"


def forks() -> str:
    """As many as there may be; they end with this one."""
    pids: list[int] = []
    try:
        while len(pids) < 5000:
            pid = os.fork()
            if not pid:
                signal.pause()
                os._exit(0)
            pids.append(pid)
    except OSError as error:
        return f"no: {len(pids)}, {error.strerror}"
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return "GOT 5000"


def keys() -> str:
    """Into the ring of the user, which whoever has the same uid on the machine would see."""
    number = libc.syscall(248, b"user", TOLD["mark"].encode(), b"leak", 4, ctypes.c_long(-4))
    if number < 0:
        raise OSError(ctypes.get_errno(), errno.errorcode[ctypes.get_errno()])
    return "GOT IT"


def handle() -> str:
    """open_by_handle_at: files by their number, whatever is mounted (the shocker exploit)."""
    return system(304, -100, ctypes.addressof(ctypes.create_string_buffer(128)), 0)


def real_time() -> str:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    return "GOT IT"


def more_files() -> str:
    resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 20, 1 << 20))
    return "GOT IT"


def core() -> str:
    return (
        f"no: {resource.getrlimit(resource.RLIMIT_CORE)}"
        if resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
        else "GOT IT"
    )


NEW_USER, NEW_NET, NEW_NS = 0x10000000, 0x40000000, 0x20000
TRIES = {
    "raw frames (AF_PACKET)": lambda: sock(socket.AF_PACKET, socket.SOCK_RAW),
    "raw IP": lambda: sock(socket.AF_INET, socket.SOCK_RAW, 1),
    "SO_MARK": mark,
    "AF_ALG": lambda: sock(38, socket.SOCK_SEQPACKET),
    "AF_VSOCK, to the hypervisor": lambda: sock(40, socket.SOCK_STREAM),
    "the machine's abstract socket": lambda: abstract(TOLD["abstract"]),
    "a user namespace": lambda: call("unshare", NEW_USER),
    "a network namespace": lambda: call("unshare", NEW_NET),
    "a mount namespace": lambda: call("unshare", NEW_NS),
    "a user namespace by clone3": lambda: system(435, 0, 0),
    "mount": lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
    "unmount": lambda: call("umount2", b"/etc/passwd", 2),
    "the new mount calls": lambda: system(430, ctypes.addressof(ctypes.c_char_p(b"tmpfs")), 0),
    "pivot_root": lambda: call("pivot_root", b"/", b"/tmp"),
    "chroot": lambda: call("chroot", b"/tmp"),
    "a device node": lambda: call("mknod", b"node", 0o60666, os.makedev(254, 0)),
    "files by handle": handle,
    "bpf": lambda: system(321, 0, 0, 0),
    "perf events": lambda: system(298, 0, 0, -1, -1, 0),
    "userfaultfd": lambda: system(323, 0),
    "io_uring": lambda: system(425, 8, ctypes.addressof(ctypes.create_string_buffer(256))),
    "a kernel module": lambda: system(313, 0, 0, 0),
    "kexec": lambda: system(320, 0, 0, 0, 0, 0),
    "reboot": lambda: system(169, 0xFEE1DEAD, 672274793, 0, 0),
    "the clock": lambda: call("settimeofday", ctypes.create_string_buffer(16), None),
    "the host's name": lambda: call("sethostname", b"hostile", 7),
    "swap": lambda: call("swapon", b"/tmp", 0),
    "accounting": lambda: call("acct", b"/tmp/acct"),
    "io ports": lambda: call("iopl", 3),
    "the kernel's log": lambda: call("klogctl", 3, ctypes.create_string_buffer(99), 99),
    "the quota of a device": lambda: system(179, 0, 0, 0, 0),
    "ptrace of init": lambda: call("ptrace", 0x4206, 1, None, None),
    "memory of init": lambda: read("/proc/1/mem"),
    "a better priority": lambda: call("setpriority", 0, 0, -20),
    "real time": real_time,
    "more open files": more_files,
    "core files": core,
    "core_pattern": lambda: write("/proc/sys/kernel/core_pattern", "|/tmp/x"),
    "modprobe's path": lambda: write("/proc/sys/kernel/modprobe", "/tmp/x"),
    "sysrq": lambda: write("/proc/sysrq-trigger", "h"),
    "forwarding": lambda: write("/proc/sys/net/ipv4/ip_forward", "1"),
    "hotplug": lambda: write("/sys/kernel/uevent_helper", "/tmp/x"),
    "binfmt": lambda: write("/proc/sys/fs/binfmt_misc/register", ":x:E::x::/tmp/x:"),
    "a cgroup's release agent": lambda: write("/sys/fs/cgroup/pids/release_agent", "/tmp/x"),
    "its own pids limit": lambda: write("/sys/fs/cgroup/pids/pids.max", "max"),
    "its own devices": lambda: write("/sys/fs/cgroup/devices/devices.allow", "a"),
    "its own memory limit": lambda: write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "-1"),
    "its own oom score": lambda: write("/proc/self/oom_score_adj", "-1000"),
    "all memory (kcore)": lambda: read("/proc/kcore"),
    "the machine's keys": lambda: read("/proc/keys"),
    "timers of the machine": lambda: read("/proc/timer_list"),
    "disks": lambda: read("/dev/vda") if os.path.exists("/dev/vda") else "no: not there",
    "memory (/dev/mem)": lambda: read("/dev/mem"),
    "the kernel's messages": lambda: read("/dev/kmsg"),
    "keys into the user's ring": keys,
    "setuid": setuid,
    "an engine's socket": sockets,
    "files by /proc/*/root": lambda: outside("/proc/*/root"),
    "files by /proc/*/cwd": lambda: outside("/proc/*/cwd"),
    "other processes": processes,
    "outrig's sessions": lambda: "GOT IT" if os.path.exists(TOLD["sessions"]) else "no: not there",
    "a fork bomb": forks,
}


def attempt(name: str) -> str:
    """In a process of its own: what it changes there touches no other try."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            said = TRIES[name]()
        except (OSError, ValueError, subprocess.SubprocessError, AttributeError) as error:
            said = f"no: {error}"
        os.write(theirs, said.encode())
        os._exit(0)
    os.close(theirs)
    os.waitpid(pid, 0)
    with open(ours, "rb") as file:
        return file.read().decode() or "no: it ended"


if __name__ == "__main__":
    sys.stdout.write(json.dumps({name: attempt(name) for name in TRIES}))
