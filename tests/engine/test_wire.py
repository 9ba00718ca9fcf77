"""HTTP on a socket, against a scripted server that says what no healthy engine would."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from outrig.engine.endpoint import Endpoint
from outrig.engine.line import Line
from outrig.engine.wire import Wire, quote
from outrig.errors import EngineError, EngineUnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Home

PONG = b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\nOK"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
Said = bytes | list[bytes] | None
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"


def sized(body: bytes, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status.encode(), len(body), body)


@dataclass
class Script:
    """A server that answers each connection's requests from a list, then hangs up.

    An answer is bytes, or a list of bytes that are sent a moment apart. None: stay silent.
    """

    endpoint: Endpoint
    listener: socket.socket
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0

    thread: threading.Thread = field(init=False)
    _held: list[socket.socket] = field(default_factory=list)

    def serve(self, *connections: list[Said]) -> None:
        self.thread = threading.Thread(target=self._run, args=(connections,), daemon=True)
        self.thread.start()

    def _run(self, connections: tuple[list[Said], ...]) -> None:
        for answers in connections:
            line, _ = self.listener.accept()
            self.connections += 1
            self._held.append(line)
            for answer in answers:
                if answer is None:
                    break
                self.requests.append(self._request(line))
                for part in [answer] if isinstance(answer, bytes) else answer:
                    line.sendall(part)
                    if not isinstance(answer, bytes):
                        time.sleep(0.005)
            if None not in answers:
                line.close()

    @staticmethod
    def _request(line: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            data += line.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        wanted = 0
        for name in head.split(b"\r\n"):
            if name.lower().startswith(b"content-length:"):
                wanted = int(name.split(b":")[1])
        chunked = b"chunked" in head
        while len(body) < wanted or (chunked and not body.endswith(b"0\r\n\r\n")):
            body += line.recv(65536)
        return head + b"\r\n\r\n" + body

    def close(self) -> None:
        self.thread.join()
        self.listener.close()
        for line in self._held:
            line.close()


@pytest.fixture
def script(home: Home) -> Iterator[Script]:
    path = str(home.run / "engine.sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    made = Script(
        endpoint=Endpoint(url=f"unix://{path}", origin="test", path=path), listener=listener
    )
    yield made
    made.close()


def wire(script: Script) -> contextlib.closing[Wire]:
    return contextlib.closing(Wire(script.endpoint))


def test_quote_leaves_nothing_that_a_path_or_query_could_trip_over() -> None:
    assert quote("/images/a:1/json") == "/images/a:1/json"
    assert quote('{"a b"}&c=d+é') == "%7B%22a%20b%22%7D%26c%3Dd%2B%C3%A9"
    assert quote(b"\xff,\xff") == "%FF%2C%FF"


def test_calls_share_a_connection(script: Script) -> None:
    script.serve([PONG, sized(b'{"a": 1}'), EMPTY, sized(b"{}")])
    with wire(script) as used:
        assert used.call("GET", "/one").json() == {"a": 1}
        assert used.call("DELETE", "/two", query={"v": "1", "many": ("a", "b")}).fine
        assert used.call("POST", "/three", body={"x": "é"}).json() == {}
    assert script.connections == 1
    assert script.requests[1].startswith(b"GET /v1.41/one HTTP/1.1\r\nHost: docker\r\n")
    assert script.requests[2].startswith(b"DELETE /v1.41/two?v=1&many=a&many=b HTTP/1.1\r\n")
    assert script.requests[3].endswith(b'\r\n\r\n{"x": "\\u00e9"}')


def test_a_connection_that_the_engine_closed_is_made_anew(script: Script) -> None:
    script.serve([PONG], [sized(b"1")])
    with wire(script) as used:
        script.listener.getsockname()  # the first connection is closed by now or soon
        while not used._idle[0].stale:
            time.sleep(0.01)
        assert used.call("POST", "/once").body == b"1"
    assert script.connections == 2


def test_an_engine_that_closes_after_each_answer(script: Script) -> None:
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it"
    script.serve([PONG, closing], [sized(b"2")])
    with wire(script) as used:
        assert used.call("GET", "/a").body == b"all of it"
        assert used.call("GET", "/b").body == b"2"


@pytest.mark.parametrize(
    "parts",
    [
        [
            CHUNKED + b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
        ],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r", b"\n3;x=y\r", b"\nab", b"c\r\n04"],
        [b"HTTP/1.1 200 OK\r\ntransfer-encoding:Chunked\r\n\r\n7\r\nabcdefg\r\n0\r\nT: x\r\n\r\n"],
    ],
)
def test_a_chunked_body_however_it_is_cut(script: Script, parts: list[bytes]) -> None:
    if len(parts) > 1:
        parts = [*parts, b"\r\ndefg\r", b"\n0\r\n", b"\r\n"]
    single = [bytes([byte]) for part in parts for byte in part]
    script.serve([PONG, parts, single, sized(b"next")])
    with wire(script) as used:
        assert used.call("GET", "/parts").body == b"abcdefg"
        assert used.call("GET", "/bytes").body == b"abcdefg"
        assert used.call("GET", "/after").body == b"next"
    assert script.connections == 1


def test_an_engine_that_hangs_is_not_waited_for(script: Script) -> None:
    script.serve([PONG, None])
    with wire(script) as used, pytest.raises(EngineUnreachableError) as late:
        used.call("POST", "/containers/create", seconds=0.05)
    assert "did not answer within 0.05 s: POST /v1.41/containers/create" in late.value.message
    assert late.value.hint == "outrig doctor"


def test_an_engine_that_hangs_up_is_told(script: Script) -> None:
    script.serve([PONG, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"])
    with wire(script) as used, pytest.raises(EngineUnreachableError, match="hung up"):
        used.call("GET", "/x")


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 fine\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
    ],
)
def test_what_is_no_engine_is_called_so(script: Script, answer: bytes) -> None:
    script.serve([PONG, answer])
    with (
        wire(script) as used,
        pytest.raises(EngineUnreachableError, match="is no container engine"),
    ):
        used.call("GET", "/x")


@pytest.mark.parametrize(
    ("pong", "says"),
    [
        (sized(b"hello"), "is no container engine"),
        (sized(b"", "404 Not Found"), "is no container engine"),
        (b"HTTP/1.1 200 OK\r\nApi-Version: new\r\n\r\n", "is no container engine"),
        (b"HTTP/1.1 200 OK\r\nApi-Version: 1.39\r\n\r\n", "too old"),
    ],
)
def test_an_engine_that_cannot_be_used_is_refused_at_once(
    script: Script, pong: bytes, says: str
) -> None:
    script.serve([pong])
    with pytest.raises(EngineUnreachableError, match=says):
        Wire(script.endpoint)


def test_a_newer_engine_is_spoken_to_in_words_that_we_know(script: Script) -> None:
    script.serve([PONG.replace(b"1.41", b"1.99")])
    with wire(script) as used:
        assert used.api == (1, 47)


def test_an_answer_that_is_no_json(script: Script) -> None:
    script.serve([PONG, sized(b"<html>")])
    with wire(script) as used, pytest.raises(EngineUnreachableError, match="not JSON"):
        used.call("GET", "/x").json()


def test_work_is_done_while_the_engine_is_busy(script: Script) -> None:
    script.serve([PONG, EMPTY])
    done: list[int] = []
    with wire(script) as used:
        used.call("POST", "/start", meanwhile=lambda: done.append(len(script.requests)))
    assert done  # and before the answer was read: the request had gone out


def test_what_is_tried_until_it_holds_is_not_waited_for(script: Script) -> None:
    script.serve([PONG, EMPTY, EMPTY])
    tries: list[int] = []

    def second() -> bool:
        tries.append(1)
        return len(tries) > 1

    with wire(script) as used:
        assert used.call("POST", "/start", until=second).fine
        assert used.call("POST", "/start", until=lambda: False).fine
    assert len(tries) <= 2


def test_a_streamed_request_and_its_streamed_answer(script: Script) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    script.serve([PONG], [chunked])
    body = iter([b"one", b"", b"two"])
    with wire(script) as used, used.stream("POST", "/build", body=body) as (head, pieces):
        assert head.status == 200
        assert b"".join(pieces) == b"abc"
    assert script.requests[1].endswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


def test_a_hijacked_connection_hands_over_what_came_early(script: Script) -> None:
    script.serve([PONG], [b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nfirst", None])
    with wire(script) as used:
        line, head = used.ask("POST", "/attach", headers={"Upgrade": "tcp"}, doing="attach")
        with contextlib.closing(line):
            assert head.status == 101
            assert line.ready(1.0)
            first = line.taken()
            while first != b"first":
                first += line.socket.recv(10)
    assert b"\r\nUpgrade: tcp\r\n" in script.requests[1]


def test_a_refused_question_is_raised_and_its_connection_closed(script: Script) -> None:
    script.serve([PONG], [sized(b'{"message": "no"}', "500 Internal Server Error")])
    with wire(script) as used, pytest.raises(EngineError, match="refused to attach: no"):
        used.ask("POST", "/attach", doing="attach")


def test_ready_waits_for_the_first_byte(script: Script) -> None:
    script.serve([None])
    line = Line(script.endpoint)
    with contextlib.closing(line):
        line.send("POST", "/wait")
        assert not line.ready(0.01)
        script.thread.join()
        script._held[0].sendall(EMPTY)
        assert line.ready(1.0)
        assert line.head().status == 204
