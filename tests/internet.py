"""An internet for tests: a network whose public-looking addresses stay on this machine.

| name                       | leads to                                                       |
|----------------------------|----------------------------------------------------------------|
| good.example, cdn.example  | HTTP, HTTPS, a greeting on 2222, an echo on 7, bytes on 19     |
| evil.example               | another one, which keeps what it is asked                      |
| metadata.example           | 169.254.169.254                                                |
| rebind.example             | the good server at first, then this machine                    |
| both.example               | the good server and a private address                          |
| six.example                | the good server, by IPv6 alone                                 |
| inside.example             | a private address of IPv6, and the good server                 |
| nat64.example              | this machine's loopback, by way of a translator                |
| any other                  | nothing; but who asked for it is kept                          |

As a program (`python internet.py dns|web ...`) it is what runs in the containers, with nothing
but the standard library.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import io
import json
import os
import socket
import socketserver
import ssl
import struct
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

NAMES = ("good.example", "cdn.example", "evil.example", "six.example")
LABEL = "org.outrig.test-internet"
GREETING = b"SSH-2.0-test\r\n"
GOOD_PORTS = (2222, 7, 19)  # beside HTTP and HTTPS, and opened after them
PATIENCE = 30.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Internet:
    network: str
    subnet: str  # without the last number and its dot
    subnet_six: str  # without its two colons
    resolver: str
    good: str
    evil: str
    good_six: str
    evil_six: str
    folder: Path  # ca.pem, and what the servers kept

    @property
    def config(self) -> str:
        return f'[network]\negress = "{self.network}"\nresolvers = ["{self.resolver}"]\n'

    def forget(self) -> None:
        """What the servers kept until now."""
        for path in (self.folder / "kept").iterdir():
            os.truncate(path, 0)

    def asked(self) -> str:
        """Every name that the resolver was asked for, and every request to the evil server."""
        return "".join(path.read_text() for path in (self.folder / "kept").iterdir())


@contextlib.contextmanager
def internet(client: docker.DockerClient, image: str, folder: Path) -> Iterator[Internet]:
    """Up while the block lasts."""
    from docker.types import IPAMConfig, IPAMPool  # noqa: PLC0415 - not in the containers

    number = os.urandom(1)[0]
    subnet, subnet_six = f"11.213.{number}", f"2a0e:b107:f1e:{number:x}"
    content(folder)
    network = client.networks.create(
        f"outrig-test-{os.urandom(4).hex()}",
        driver="bridge",
        options={"com.docker.network.bridge.enable_ip_masquerade": "false"},
        enable_ipv6=True,
        ipam=IPAMConfig(
            pool_configs=[
                IPAMPool(subnet=f"{subnet}.0/24", gateway=f"{subnet}.1"),
                IPAMPool(subnet=f"{subnet_six}::/64", gateway=f"{subnet_six}::1"),
            ]
        ),
        labels={LABEL: "1"},
    )
    made = Internet(
        network=str(network.name),
        subnet=subnet,
        subnet_six=subnet_six,
        resolver=f"{subnet}.53",
        good=f"{subnet}.10",
        evil=f"{subnet}.66",
        good_six=f"{subnet_six}::10",
        evil_six=f"{subnet_six}::66",
        folder=folder,
    )
    with contextlib.ExitStack() as undo:
        undo.callback(network.remove)
        for address, six, words in (
            (made.resolver, None, ["dns", subnet, subnet_six]),
            (made.good, made.good_six, ["web", "good"]),
            (made.evil, made.evil_six, ["web", "evil"]),
        ):
            container = client.containers.create(
                image,
                ["python3", "/internet.py", *words],
                user=f"{os.getuid()}:{os.getgid()}",  # who reads and forgets what is kept
                volumes={
                    str(Path(__file__).resolve()): {"bind": "/internet.py", "mode": "ro"},
                    str(folder): {"bind": "/content", "mode": "rw"},
                },
                network_mode="none",
                labels={LABEL: "1"},
            )
            undo.callback(container.remove, force=True)
            client.networks.get("none").disconnect(container)
            network.connect(container, ipv4_address=address, ipv6_address=six)
            container.start()
        _until_up(made)
        yield made


def _until_up(made: Internet) -> None:
    """Each server answers: a client of a session is not asked twice."""
    deadline = time.monotonic() + PATIENCE
    for host, port in ((made.good, GOOD_PORTS[-1]), (made.evil, GOOD_PORTS[-1])):
        while True:
            try:
                socket.create_connection((host, port), PATIENCE).close()
                break
            except OSError:
                assert time.monotonic() < deadline, f"nobody answers at {host}:{port}"
                time.sleep(0.05)
    question = bytes.fromhex("abcd01000001000000000000") + b"\4good\7example\0\0\1\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.connect((made.resolver, 53))
        line.settimeout(0.5)
        while True:
            try:
                line.send(question)
                line.recv(512)
                break
            except OSError:
                assert time.monotonic() < deadline, f"no name is resolved at {made.resolver}"
                time.sleep(0.05)


# ------------------------------------------------------------------ what is served


def content(folder: Path) -> None:
    """A certificate, and a package for each client that installs some."""
    (folder / "kept").mkdir(parents=True)
    www = folder / "www"
    www.mkdir()
    for name in ("hello", "leak"):
        (www / name).write_text("hello\n")
    names = ",".join(f"DNS:{name}" for name in NAMES)
    command = (
        *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=test internet"),
        *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-addext"),
        *(f"subjectAltName={names}", "-keyout", folder / "key.pem", "-out", folder / "ca.pem"),
    )
    subprocess.run(command, check=True, capture_output=True)
    _git(www / "repo.git", folder / "clone")
    _pip(www / "simple" / "outrig-probe")
    _npm(www / "npm")
    _apt(www / "apt", folder / "deb")


def _git(bare: Path, work: Path) -> None:
    def git(*words: str | Path) -> None:
        names = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        subprocess.run(["git", *names, *words], check=True, capture_output=True)

    git("init", "--quiet", work)
    git("-C", work, "commit", "--quiet", "--allow-empty", "-m", "Begin")
    git("clone", "--quiet", "--bare", work, bare)
    git("-C", bare, "update-server-info")


def _pip(folder: Path) -> None:
    folder.mkdir(parents=True)
    name = "outrig_probe-1.0-py3-none-any.whl"
    about = "outrig_probe-1.0.dist-info"
    with zipfile.ZipFile(folder / name, "w") as wheel:
        wheel.writestr("outrig_probe.py", "")
        wheel.writestr(
            f"{about}/METADATA", "Metadata-Version: 2.1\nName: outrig-probe\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", "")
    (folder / "index.html").write_text(f'<a href="{name}">{name}</a>')


def _npm(folder: Path) -> None:
    folder.mkdir()
    about = {"name": "outrig-probe", "version": "1.0.0"}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        data = json.dumps(about).encode()
        entry = tarfile.TarInfo("package/package.json")
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    (folder / "probe.tgz").write_bytes(packed.getvalue())
    sum_ = hashlib.sha1(packed.getvalue()).hexdigest()
    dist = {"tarball": "https://good.example/npm/probe.tgz", "shasum": sum_}
    said = {
        "name": "outrig-probe",
        "dist-tags": {"latest": "1.0.0"},
        "versions": {"1.0.0": {**about, "dist": dist}},
    }
    (folder / "outrig-probe").write_text(json.dumps(said))


def _apt(folder: Path, work: Path) -> None:
    folder.mkdir()
    control = work / "DEBIAN/control"
    control.parent.mkdir(parents=True)
    control.parent.chmod(0o755)
    about = (
        "Package: outrig-probe\nVersion: 1.0\nArchitecture: all\nMaintainer: a\nDescription: a\n"
    )
    control.write_text(about)
    package = folder / "probe.deb"
    subprocess.run(["dpkg-deb", "-b", work, package], check=True, capture_output=True)
    data = package.read_bytes()
    sums = f"Size: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
    (folder / "Packages").write_text(f"{about}Filename: ./probe.deb\n{sums}")


# ------------------------------------------------------------------ the servers


def serve_names(subnet: str, six: str) -> None:
    """A resolver that keeps what it is asked."""
    leads = {
        "good.example": [f"{subnet}.10"],
        "cdn.example": [f"{subnet}.10"],
        "evil.example": [f"{subnet}.66"],
        "metadata.example": ["169.254.169.254"],
        "both.example": [f"{subnet}.10", "10.0.0.1"],
        "six.example": [f"{six}::10"],
        "inside.example": [f"{subnet}.10", "fd00::10"],
        "nat64.example": ["64:ff9b::7f00:1"],
    }
    turns = {"rebind.example": iter([f"{subnet}.10"])}
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("0.0.0.0", 53))
    with Path("/content/kept/names").open("a", buffering=1) as kept:
        while True:
            question, asker = listener.recvfrom(4096)
            name, end = _name(question)
            kept.write(f"{name}\n")
            kind = question[end : end + 2]
            found = leads.get(name, [])
            if name in turns and kind == b"\0\1":
                found = [next(turns[name], f"{subnet}.1")]
            known = name in leads or name in turns
            records = [record for one in found if (record := _record(one, kind))]
            head = question[:2] + struct.pack(
                "!HHHHH", 0x8180 if known else 0x8183, 1, len(records), 0, 0
            )
            listener.sendto(head + question[12 : end + 4] + b"".join(records), asker)


def _record(address: str, kind: bytes) -> bytes:
    """What answers with an address; nothing for one of the other family."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    if kind != (b"\0\x1c" if ":" in address else b"\0\1"):
        return b""
    packed = socket.inet_pton(family, address)
    return b"\xc0\x0c" + kind + struct.pack("!HIH", 1, 0, len(packed)) + packed


def _name(question: bytes) -> tuple[str, int]:
    labels, at = [], 12
    while question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]].decode("latin-1"))
        at += 1 + question[at]
    return ".".join(labels).lower(), at + 1


def serve_web(who: str) -> None:
    kept = Path(f"/content/kept/{who}")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            with kept.open("a") as file:
                file.write(f"{who} {self.headers.get('Host')} {format % args}\n")

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        address_family: int = socket.AF_INET6

    handler = functools.partial(Handler, directory="/content/www")
    plain, secure = Server(("::", 80), handler), Server(("::", 443), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("/content/ca.pem", "/content/key.pem")
    secure.socket = context.wrap_socket(
        secure.socket, server_side=True, do_handshake_on_connect=False
    )

    class Many(socketserver.ThreadingTCPServer):
        request_queue_size = 128
        address_family: int = socket.AF_INET6
        daemon_threads = True

    class Greeting(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(GREETING)
            self.request.sendall(self.request.recv(4096))

    class Echo(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while data := self.request.recv(1 << 20):
                self.request.sendall(data)

    class Source(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            left, piece = int(self.request.recv(100)), bytes(1 << 20)
            while left > 0:
                self.request.sendall(piece[:left])
                left -= len(piece)

    handlers = (Greeting, Echo, Source)
    others = (Many(("::", port), one) for port, one in zip(GOOD_PORTS, handlers, strict=True))
    servers = [plain, secure, *others]
    for server in servers:
        threading.Thread(target=server.serve_forever).start()


if __name__ == "__main__":
    if sys.argv[1] == "dns":
        serve_names(*sys.argv[2:])
    else:
        serve_web(sys.argv[2])
