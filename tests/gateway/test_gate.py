"""The gate on loopback: real sockets on both sides, names that lead to a server of the test."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import ssl
from ipaddress import IPv4Network, ip_address
from typing import TYPE_CHECKING, Any

import pytest

from outrig.gateway import dial, gate
from outrig.gateway.gate import Gate
from outrig.gateway.journal import Journal
from outrig.gateway.names import Names
from outrig.gateway.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

POOL = IPv4Network("100.64.0.0/28")


class Upstream:
    """A server on loopback that keeps what it heard, and echoes it unless told what to say."""

    def __init__(self, *, greeting: bytes = b"", reply: bytes | None = None) -> None:
        self.heard = b""
        self.greeting = greeting
        self.reply = reply
        self.visits = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        writer.write(self.greeting)
        while data := await reader.read(65_536):
            self.heard += data
            if self.reply is None:
                writer.write(data)
            elif b"\r\n\r\n" in self.heard:
                writer.write(self.reply)
                break
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()


class Setup:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.policy_file = folder / "policy.json"
        self.journal_file = folder / "network.jsonl"
        self.journal_file.touch()
        self.allow(["good.example", "127.0.0.1"])

        async def resolve(name: str) -> list[Any]:
            return [ip_address("127.0.0.1" if name == "good.example" else "10.0.0.1")]

        monkeypatch.setattr(dial, "resolve", resolve)

    def allow(self, rules: list[str], mode: str = "filter") -> None:
        said = {"mode": mode, "allow": rules, "deny": [], "own": []}
        new = self.policy_file.with_suffix(".new")
        new.write_text(json.dumps(said))
        new.replace(self.policy_file)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.journal_file.read_text().splitlines()]

    def run(
        self,
        visit: Callable[[Gate, asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]],
        upstream: Upstream,
        *,
        enter: str = "proxy",
        port: int | None = None,
        name: str = "good.example",
    ) -> None:
        """A client talks to the gate; `port` is the one that the connection was meant for."""

        async def main() -> None:
            server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
            real = server.sockets[0].getsockname()[1]
            fd = os.open(self.journal_file, os.O_WRONLY | os.O_APPEND)
            loop = asyncio.get_running_loop()
            journal = Journal(fd, loop.call_later)
            made = Gate(Policy(str(self.policy_file)), Names(POOL), journal)
            ours, theirs = socket.socketpair(socket.AF_UNIX)
            theirs.setblocking(False)  # noqa: FBT003
            if enter == "proxy":
                inside = made.proxy(theirs)
            else:
                address = made.names.address(name)
                assert address
                inside = made.stand_in(theirs, address, real if port is None else port)

            async def serve() -> None:
                await inside
                theirs.close()

            serving = asyncio.ensure_future(serve())
            reader, writer = await asyncio.open_unix_connection(sock=ours)
            await asyncio.wait_for(visit(made, reader, writer, real), 10)
            writer.close()
            await asyncio.wait_for(serving, 10)
            server.close()
            journal.close()
            os.close(fd)

        asyncio.run(main())


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setup:
    return Setup(tmp_path, monkeypatch)


def client_hello(name: str | None) -> bytes:
    """A real one, from the TLS library."""
    outgoing = ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


def test_connect_with_tls_to_the_host_it_names(setup: Setup):
    upstream = Upstream()
    hello = client_hello("good.example")

    async def visit(_gate, reader, writer, port):
        writer.write(f"CONNECT good.example:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.write(hello)
        assert await reader.readexactly(len(hello)) == hello
        writer.write_eof()
        assert await reader.read() == b""

    setup.run(visit, upstream)
    assert upstream.heard == hello
    (line,) = setup.lines()
    assert line["verdict"] == "allowed"
    assert (line["proto"], line["sni"], line["sent"]) == ("tls", "good.example", len(hello))


def test_connect_with_tls_that_names_another_host_sends_nothing(setup: Setup):
    upstream = Upstream()

    async def visit(_gate, reader, writer, port):
        writer.write(f"CONNECT good.example:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(client_hello("evil.example"))
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""

    setup.run(visit, upstream)
    assert upstream.heard == b""
    assert any("names evil.example" in str(line.get("rule")) for line in setup.lines())


def test_a_server_that_speaks_first(setup: Setup):
    upstream = Upstream(greeting=b"SSH-2.0-test\r\n")

    async def visit(_gate, reader, writer, _port):
        assert await reader.readline() == b"SSH-2.0-test\r\n"
        writer.write(b"SSH-2.0-client\r\n")
        assert await reader.readline() == b"SSH-2.0-client\r\n"
        writer.write_eof()

    setup.run(visit, upstream, enter="stand_in")
    (line,) = setup.lines()
    assert (line["proto"], line["host"]) == ("tcp", "good.example")


def test_plain_http_by_its_stand_in(setup: Setup):
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    upstream = Upstream(reply=answer)

    async def visit(_gate, reader, writer, port):
        writer.write(f"GET /a?b HTTP/1.1\r\nHost: good.example:{port}\r\nX: y\r\n\r\n".encode())
        assert await reader.read() == answer

    setup.run(visit, upstream, enter="stand_in")
    assert upstream.heard.startswith(b"GET /a?b HTTP/1.1\r\n")
    assert b"Connection: close" in upstream.heard


def test_a_host_that_is_not_the_connections(setup: Setup):
    upstream = Upstream()

    async def visit(_gate, reader, writer, _port):
        writer.write(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 403")

    setup.run(visit, upstream, enter="stand_in")
    assert upstream.visits == 0


REQUEST = b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"


@pytest.mark.parametrize(
    "words",
    [
        [b"\r\n" + REQUEST],
        [b"\r\n", REQUEST],
        [b" \t" + REQUEST],
        [REQUEST.replace(b" ", b"\t")],
        [REQUEST.replace(b" /", b"\r/", 1)],
        [REQUEST.replace(b"GET", b"M-SEARCH")],
        [REQUEST.replace(b"/ HTTP", b"/" + b"x" * 9000 + b" HTTP")],
        [b"GET /", b"x" * 9000, b" HTTP/1.1\r\nHost: evil.example\r\n\r\n"],
        [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ],
)
@pytest.mark.parametrize("enter", ["proxy", "stand_in"])
def test_a_request_in_a_tunnel_that_a_lenient_server_would_take(setup: Setup, words, enter):
    upstream = Upstream()

    async def visit(_gate, reader, writer, port):
        if enter == "proxy":
            writer.write(f"CONNECT good.example:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        for word in words:
            writer.write(word)
            await asyncio.sleep(0.05)
        with contextlib.suppress(ConnectionError):
            assert not (await reader.read()).startswith(b"HTTP/1.1 2")

    setup.run(visit, upstream, enter=enter)
    assert upstream.heard == b""


def test_what_comes_to_the_port_of_http_is_http(setup: Setup, monkeypatch: pytest.MonkeyPatch):
    """In a tunnel, too: whatever a server makes of it."""
    upstream = Upstream()

    async def visit(_gate, reader, writer, port):
        monkeypatch.setattr(gate, "HTTP", port)
        writer.write(f"CONNECT good.example:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"GET /\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert not (await reader.read()).startswith(b"HTTP/1.1 2")

    setup.run(visit, upstream)
    assert upstream.heard == b""


def test_socks_by_name(setup: Setup):
    upstream = Upstream()

    async def visit(_gate, reader, writer, port):
        writer.write(b"\5\1\0")
        assert await reader.readexactly(2) == b"\5\0"
        writer.write(b"\5\1\0\3\x0cgood.example" + port.to_bytes(2, "big"))
        assert (await reader.readexactly(10))[1] == 0
        writer.write(b"hello\n")
        assert await reader.readexactly(6) == b"hello\n"
        writer.write_eof()

    setup.run(visit, upstream)


def test_a_policy_that_cannot_be_read_allows_nothing(setup: Setup):
    setup.policy_file.write_text("{")
    upstream = Upstream()

    async def visit(_gate, reader, writer, port):
        writer.write(f"CONNECT good.example:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert b"policy unreadable" in await reader.read()

    setup.run(visit, upstream)
    assert upstream.visits == 0


def test_plain_http_in_a_tunnel_is_looked_at_like_any_other(setup: Setup):
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    upstream = Upstream(reply=answer)

    async def visit(_gate, reader, writer, port):
        writer.write(f"CONNECT good.example:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"GET /a HTTP/1.1\r\nHost: good.example:{port}\r\n\r\n".encode())
        assert await reader.read() == answer

    setup.run(visit, upstream)
    assert upstream.heard.startswith(b"GET /a HTTP/1.1\r\n")


@pytest.mark.parametrize("enter", ["proxy", "stand_in"])
def test_http_that_drips_is_waited_for_and_names_its_host(setup: Setup, enter: str):
    upstream = Upstream()

    async def visit(_gate, reader, writer, port):
        if enter == "proxy":
            writer.write(f"CONNECT good.example:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            await reader.readuntil(b"\r\n\r\n")
        for piece in (b"GE", b"T /stolen", b" HTTP/1.1\r\nHost: evil.example\r\n\r\n"):
            writer.write(piece)
            await asyncio.sleep(0.05)
        with contextlib.suppress(ConnectionError):
            assert (await reader.read()).startswith(b"HTTP/1.1 403")

    setup.run(visit, upstream, enter=enter)
    assert upstream.heard == b""


def test_an_address_needs_a_rule_of_addresses(setup: Setup):
    upstream = Upstream()

    async def visit(_gate, reader, writer, port):
        writer.write(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert b"not allowed (special loopback)" in await reader.read()

    setup.allow(["good.example"])
    setup.run(visit, upstream)
    assert upstream.visits == 0


@pytest.mark.parametrize(
    "request_line",
    [
        b"CONNECT good.example@evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT 2130706433:80 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT 0x7f.1:80 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT good.example\x00:80 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT good.example HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT good.example:99999 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://u:p@good.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n",
        b"GET http://good.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET http://good.example/ HTTP/1.1\r\nHost: good.example\r\nHost: evil.example\r\n\r\n",
        (
            b"POST http://good.example/ HTTP/1.1\r\nHost: good.example\r\nContent-Length: 5\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        b"GET / HTTP/1.1\r\nHost: good.example\r\n\r\n",
        b"GET https://good.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_requests_that_two_readers_would_read_differently(setup: Setup, request_line: bytes):
    upstream = Upstream()

    async def visit(_gate, reader, writer, _port):
        writer.write(request_line)
        with contextlib.suppress(ConnectionError):
            assert (await reader.read())[:10] in (b"HTTP/1.1 4", b"")

    setup.run(visit, upstream)
    assert upstream.visits == 0
    assert [line["verdict"] for line in setup.lines()] == ["refused"]
