"""The broker on loopback, with the scripted model and with servers that misbehave."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import ssl
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from outrig.gateway.broker import Broker, Route
from outrig.gateway.journal import Journal
from outrig.gateway.usage import Budget, Counter
from tests.model_server import TOKENS, ModelServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

KEY = "sk-real-0123456789abcdefghijklmnop"
EACH = TOKENS["input"] + TOKENS["output"]


class Upstream:
    """Answers what it is told to, and keeps what it heard."""

    def __init__(self, answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") -> None:
        self.answer = answer
        self.heard = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard += await reader.readuntil(b"\r\n\r\n")
        writer.write(self.answer)
        await writer.drain()
        writer.close()


class Setup:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.used: dict[str, int] = {}
        self.limits: dict[str, int | None] = {}
        self.header = "x-api-key: {}"
        self.paths = ["/v1/", "/v1beta/"]
        self.scheme = "http"
        self.ca: str | None = None

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "j").read_text().splitlines()]

    def run(self, upstream: Any, talk: Callable[[Callable[..., Any]], Awaitable[None]]) -> None:
        """`talk(ask)`: `ask(request bytes)` gives the whole answer."""

        async def main() -> None:
            loop = asyncio.get_running_loop()
            if isinstance(upstream, ModelServer):
                server = await upstream.listen()
            else:
                server = await asyncio.start_server(
                    upstream.serve, "127.0.0.1", 0, ssl=getattr(upstream, "tls", None)
                )
            port = server.sockets[0].getsockname()[1]
            (self.folder / "j").touch()
            fd = os.open(self.folder / "j", os.O_WRONLY | os.O_APPEND)
            journal = Journal(fd, loop.call_later)
            route = {
                "name": "model",
                "value": KEY,
                "upstream": f"{self.scheme}://localhost:{port}/base",
                "header": self.header,
                "methods": ["GET", "POST"],
                "paths": self.paths,
            }
            if isinstance(upstream, ModelServer):
                route["upstream"] = f"http://127.0.0.1:{port}"
            budget = Budget(self.limits, self.used.update)
            broker = Broker([Route.read(route)], budget, journal, ca=self.ca)

            async def ask(request: bytes, hang_up_after: int | None = None) -> bytes:
                ours, theirs = socket.socketpair()
                theirs.setblocking(False)  # noqa: FBT003
                serving = asyncio.ensure_future(broker.visit(theirs))
                reader, writer = await asyncio.open_connection(sock=ours)
                writer.write(request)
                reading = (
                    reader.read() if hang_up_after is None else reader.readexactly(hang_up_after)
                )
                answer = await asyncio.wait_for(reading, 10)
                writer.close()
                try:
                    await asyncio.wait_for(serving, 10)
                except OSError:  # as the gateway's door takes it
                    theirs.close()
                return answer

            await talk(ask)
            server.close()
            journal.close()
            os.close(fd)

        asyncio.run(main())


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path)


def post(path: str, body: Any, *headers: str) -> bytes:
    data = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: gw:3130", f"Content-Length: {len(data)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + data


def get(target: str, *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: gw", *headers, "", ""]).encode()


ANTHROPIC = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
RESPONSES = {"model": "m", "input": "hi"}
GEMINI = {"contents": [{"parts": [{"text": "hi"}]}]}
CALLS = [
    ("/v1/messages", ANTHROPIC),
    ("/v1/messages", {**ANTHROPIC, "stream": True}),
    ("/v1/chat/completions", CHAT),
    ("/v1/chat/completions", {**CHAT, "stream": True}),
    ("/v1/responses", RESPONSES),
    ("/v1/responses", {**RESPONSES, "stream": True}),
    ("/v1beta/models/m:generateContent", GEMINI),
    ("/v1beta/models/m:streamGenerateContent?alt=sse", GEMINI),
]


@pytest.mark.parametrize(("path", "body"), CALLS)
def test_each_api_is_served_and_its_tokens_are_counted(setup, path, body):
    model = ModelServer()

    async def talk(ask):
        answer = await ask(post(f"/model{path}", body, "X-Api-Key: placeholder"))
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"The file is written" in answer

    setup.run(model, talk)
    assert model.requests[0].headers["x-api-key"] == KEY
    assert model.requests[0].path == path
    assert setup.used == {"requests": 1, "tokens": EACH, "refused": 0}
    (line,) = setup.lines()
    assert (line["rule"], line["tokens"], line["status"]) == ("secret model", EACH, 200)
    assert KEY not in (setup.folder / "j").read_text()


def test_only_its_key_and_nothing_of_the_sessions_goes_out(setup):
    setup.header = "authorization: Bearer {}"
    upstream = Upstream()
    mine = ("Authorization: Bearer sk-mine", "Cookie: c", "X-Goog-Api-Key: g", "Connection: x-drop")

    async def talk(ask):
        lies = ("X-HTTP-Method-Override: DELETE", "X-Original-URL: /admin")
        named = ("X-Drop: d", "X-Keep: k")
        await ask(get("/model/v1/models?key=placeholder&a=b", *mine, *lies, *named))

    setup.run(upstream, talk)
    first, *headers = upstream.heard.decode().lower().split("\r\n")
    assert first == "get /base/v1/models?a=b http/1.1"
    assert [one for one in headers if one.startswith("authorization")] == [
        f"authorization: bearer {KEY}"
    ]
    assert "x-keep: k" in headers
    assert not any(one.startswith(("x-http", "x-original")) for one in headers)
    assert not any("sk-mine" in one or one.startswith(("cookie", "x-drop")) for one in headers)


REFUSED = [
    (get("/other/v1/models"), 404),
    (get("/"), 404),
    (get("http://evil.example/v1/models"), 400),
    (get("http://evil.example/model/v1/models"), 400),
    (get("/model/v1/models", method="DELETE"), 405),
    (get("/model/v2/models"), 403),
    (get("/model/v1"), 403),
    (get("/model"), 403),
    (get("/model/v1/../admin"), 403),
    (get("/model/v1/%2e%2E/admin"), 403),
    (get("/model/v1/..%2fadmin"), 403),
    (get("/model/v1/..;/admin"), 403),
    (get("/model/v1//evil.example"), 403),
    (get("/model/v1\\..\\admin"), 403),
    (get("/model//v1/models"), 403),
    (get("/model/v1/x", "Upgrade: websocket", "Connection: Upgrade"), 426),
    (b"GET /model/v1/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    (get("/model/v1/x", "Content-Length: 3", "Transfer-Encoding: chunked"), 400),
    (b"\x16\x03\x01 this is TLS\r\n\r\n", 400),
    (get("localhost:443", method="CONNECT"), 400),
    (get("*", method="OPTIONS"), 400),
    (get("/model/v1/models", method="TRACE"), 405),
    (get("/model/v1/%252e%252e/admin"), 403),
    (get("/model/v1/\u2026".encode().decode("latin-1")), 400),
    (get("/model/v1/x\x00"), 400),
    (get("/%6dodel/v1/models"), 404),
    (get("/MODEL/v1/models"), 404),
    (get("//localhost/v1/models"), 404),
    (get("/model/v1/./x"), 403),
    (get("/model/v1/x#/../y"), 403),
    (get("/model?/v1/models"), 404),
    (get("/model/?/v1/models"), 403),
    (get("/model/v1/x", "Transfer-Encoding: gzip, chunked"), 400),
    (get("/model/v1/x", "Content-Length: 3", "Content-Length: 4"), 400),
    (get("/model/v1/x", "Content-Length: -1"), 400),
    (get("/model/v1/x", "X: a\rY: b"), 400),
    (get("/model/v1/x", "X: " + "a" * 160_000), 400),
    (b"GET /model/v1/x\r\n\r\n", 400),
]


@pytest.mark.parametrize(("request_", "status"), REFUSED)
def test_what_is_refused_never_gets_there(setup, request_, status):
    upstream = Upstream()

    async def talk(ask):
        answer = await ask(request_)
        assert answer.startswith(f"HTTP/1.1 {status}".encode())

    setup.run(upstream, talk)
    assert upstream.heard == b""


def test_the_key_is_taken_out_of_answers(setup):
    said = f"you sent {KEY}, {base64.b64encode(b'user:' + KEY.encode()).decode()}"
    body = f"HTTP/1.1 401 No\r\nX-Echo: {KEY}\r\nSet-Cookie: a=b\r\n\r\n{said}"

    async def talk(ask):
        answer = await ask(get("/model/v1/x"))
        assert answer.count(b"[REDACTED:model]") == 3
        assert KEY.encode() not in answer
        assert b"set-cookie" not in answer.lower()

    setup.run(Upstream(body.encode()), talk)


def test_beyond_the_budget_it_says_so(setup):
    setup.limits = {"model-requests": 2, "model-tokens": None}
    model = ModelServer()

    async def talk(ask):
        for _ in range(2):
            assert (await ask(post("/model/v1/messages", ANTHROPIC))).startswith(b"HTTP/1.1 200")
        asked = await ask(post("/model/v1/messages/count_tokens", ANTHROPIC))
        assert asked.startswith(b"HTTP/1.1 200")
        answer = await ask(post("/model/v1/messages", ANTHROPIC))
        assert answer.startswith(b"HTTP/1.1 429")
        assert b"limits.model-requests = 2 is used up (2)" in answer
        assert b"x-should-retry: false" in answer.lower()

    setup.run(model, talk)
    assert len(model.requests) == 3
    assert setup.used == {"requests": 2, "tokens": 2 * EACH, "refused": 1}


@pytest.mark.parametrize(
    ("path", "body", "shape"),
    [
        (
            "/v1/messages?beta=true",
            ANTHROPIC,
            {"type": "error", "error": {"type": "rate_limit_error"}},
        ),
        (
            "/v1/chat/completions",
            {**CHAT, "stream": True},
            {"error": {"type": "insufficient_quota", "param": None, "code": "insufficient_quota"}},
        ),
        (
            "/v1/responses",
            RESPONSES,
            {"error": {"type": "insufficient_quota", "param": None, "code": "insufficient_quota"}},
        ),
        (
            "/v1beta/models/m:streamGenerateContent?alt=sse",
            GEMINI,
            {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}},
        ),
    ],
)
def test_each_apis_clients_are_told_in_their_own_way(setup, path, body, shape):
    setup.limits = {"model-requests": 0}

    async def talk(ask):
        head, _, said = (await ask(post(f"/model{path}", body))).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 429")
        told = json.loads(said)
        words = told["error"].pop("message")
        assert words.startswith("outrig: limits.model-requests = 0 is used up")
        assert told == shape

    setup.run(ModelServer(), talk)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/chat/completions?a=b"])
def test_tokens_of_streams_count_too(setup, path):
    setup.limits = {"model-tokens": EACH + 1}
    model = ModelServer()

    async def talk(ask):
        request = post(f"/model{path}", {**CHAT, "stream": True})
        assert (await ask(request)).startswith(b"HTTP/1.1 200")
        assert (await ask(request)).startswith(b"HTTP/1.1 200")
        assert b"limits.model-tokens" in await ask(request)

    setup.run(model, talk)
    assert model.requests[0].body["stream_options"] == {"include_usage": True}


def test_tokens_of_what_was_begun_in_the_background_count_when_it_is_fetched(setup):
    body = b'{"id": "resp_1", "status": "completed", "usage": {"total_tokens": 7}}'
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"

    async def talk(ask):
        assert body in await ask(get("/model/v1/responses/resp_1"))

    setup.run(Upstream(head.encode() + b"\r\n" + body), talk)
    assert setup.used == {"requests": 0, "tokens": 7, "refused": 0}


@pytest.mark.parametrize(("limit", "tokens"), [(1000, 30), (None, 10)])
def test_who_hangs_up_does_not_hide_what_was_used(setup, limit, tokens):
    """Without a limit nobody is kept waiting, and no provider goes on for nobody."""
    setup.limits = {"model-tokens": limit}
    said = [
        b'data: {"message": {"usage": {"input_tokens": 10}}}\n\n',
        *[b"data: " + b"x" * 60_000 + b"\n\n"] * 40,
        b'data: {"usage": {"output_tokens": 20}}\n\n',
    ]

    over = asyncio.Event()

    class Long:
        async def serve(self, reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            try:
                for one in said:
                    writer.write(one)
                    await writer.drain()
                    await asyncio.sleep(0.005)
            except ConnectionError:
                pass
            writer.close()
            over.set()

    async def talk(ask):
        await ask(post("/model/v1/messages", ANTHROPIC), hang_up_after=100)
        await asyncio.wait_for(over.wait(), 10)

    setup.run(Long(), talk)
    assert setup.used["tokens"] == tokens


def test_an_answer_comes_as_it_is_said(setup):
    """A stream is passed on piece by piece, long before its end."""
    gate = asyncio.Event()

    class Slow:
        async def serve(self, reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: a\n\n")
            await gate.wait()
            writer.write(b"data: b\n\n")
            writer.close()

    async def talk(ask):
        answering = asyncio.ensure_future(ask(get("/model/v1/x")))
        await asyncio.sleep(0.2)
        assert not answering.done()
        gate.set()
        answer = await answering
        assert b"data: a\n\n" in answer
        assert b"data: b\n\n" in answer

    setup.run(Slow(), talk)


def test_an_upstream_that_is_not_there(setup):
    async def talk(ask):
        answer = await ask(get("/model/v1/x"))
        assert answer.startswith(b"HTTP/1.1 502")
        assert KEY.encode() not in answer

    class Rude:
        async def serve(self, _reader, writer):
            writer.write(b"220 this is no TLS\r\n")
            writer.close()

    setup.scheme = "https"
    setup.run(Rude(), talk)
    assert [line["rule"] for line in setup.lines()] == ["unreachable"]


@pytest.mark.parametrize("trusted", [True, False])
def test_tls_with_an_authority_of_ones_own(setup, tmp_path, trusted):
    key, certificate = tmp_path / "key", tmp_path / "cert"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", key, "-out", certificate, "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost"),
        ],
        check=True,
        capture_output=True,
    )
    upstream: Any = Upstream()
    upstream.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    upstream.tls.load_cert_chain(certificate, key)
    setup.scheme = "https"
    setup.ca = certificate.read_text() if trusted else None

    async def talk(ask):
        answer = await ask(get("/model/v1/x"))
        assert answer.startswith(b"HTTP/1.1 200" if trusted else b"HTTP/1.1 502")

    setup.run(upstream, talk)
    assert (KEY.encode() in upstream.heard) == trusted


USAGES = [
    ("application/json", [b'{"usage": {"input_tokens": 3, "output_tokens": 4}}'], 7),
    (
        "application/json",
        [b'{"usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}'],
        7,
    ),
    (
        "text/event-stream; charset=utf-8",
        [
            b'event: message_start\ndata: {"message": {"usage": {"input_tokens": 3, "cache_read_',
            b'input_tokens": 5, "output_tokens": 1}}}\n\nda',
            b'ta: {"usage": {"output_tokens": 4}}\r\n\r\n',
        ],
        12,
    ),
    (
        "application/json",
        [b'{"usage": {"prompt_tokens": 3, "input_tokens": 3, "total_tokens": 3}}'],
        3,
    ),
    ("application/json", [b'[{"usageMetadata": {"totalTokenCount": 3}}, ', b"{}]"], 3),
    ("application/json", [b'{"usage": {"input_tokens": "many", "output_tokens": true}}'], 0),
    ("application/json", [b'{"usage": '], 0),
    ("text/html", [b'{"usage": {"input_tokens": 3}}'], 0),
]


@pytest.mark.parametrize(("kind", "pieces", "tokens"), USAGES)
def test_what_answers_say_of_their_use(kind, pieces, tokens):
    counter = Counter(kind)
    for piece in pieces:
        counter.feed(piece)
    assert counter.end() == tokens
