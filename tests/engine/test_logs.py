from __future__ import annotations

import contextlib
import os
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from outrig.core.engine import Ref
from outrig.core.transcript import Bookmark
from outrig.engine import endpoint
from outrig.engine.logs import PIECE, Framed, Mender, OfTerminal, output, since
from outrig.engine.wire import Wire
from outrig.errors import ContainerGoneError, EngineUnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from outrig.core.transcript import Said
    from outrig.engine.logs import Messages

STAMP = b"2026-11-21T14:13:51.475932478Z"
FULL = b"x" * PIECE


def frame(data: bytes, stream: int = 1, stamp: bytes = STAMP) -> bytes:
    message = stamp + b" " + data
    return bytes([stream, 0, 0, 0]) + len(message).to_bytes(4, "big") + message


def mended(*messages: tuple[str, bytes]) -> tuple[dict[str, bytes], list[str]]:
    """What each stream said, and the streams whose last byte is not known."""
    mender = Mender()
    said = [mender.mend(stream, STAMP + b" " + data) for stream, data in messages]  # type: ignore[arg-type]
    said += mender.close()
    found: dict[str, bytes] = {}
    for one in said:
        found[one.stream] = found.get(one.stream, b"") + one.data
    return found, [one.stream for one in said if one.doubtful]


# What docker 20.10.24 really sent with --log-driver local, and what the container had written.
SENT: Sequence[tuple[Sequence[bytes], bytes, bool]] = (
    ([b"a\n", b"b"], b"a\nb", False),
    ([b"a\n", b"\n", b"b\n"], b"a\n\nb\n", False),
    ([FULL, b"", b"z\n"], FULL + b"\nz\n", False),
    ([FULL, FULL, b"y", b"z\n"], FULL * 2 + b"y\nz\n", False),
    ([FULL, b"y"], FULL + b"y", True),  # with and without a newline it sends the same
    ([FULL], FULL, False),
    ([FULL[1:] + b"\n", b"y"], FULL[1:] + b"\ny", False),
    ([FULL, b"y\n", b"z"], FULL + b"y\nz", False),  # an engine that keeps the newline (read)
)


@pytest.mark.parametrize(("messages", "written", "doubtful"), SENT)
def test_a_long_line_gets_its_newline_back(messages, written, doubtful):
    said, doubts = mended(*(("stdout", message) for message in messages))
    assert said["stdout"] == written
    assert doubts == (["stdout"] if doubtful else [])


def test_streams_are_mended_each_on_its_own():
    said, doubts = mended(("stdout", FULL), ("stderr", b"e\n"), ("stdout", b"y"), ("stderr", b"f"))
    assert said == {"stdout": FULL + b"y", "stderr": b"e\nf"}
    assert doubts == ["stdout"]


def test_when_it_came_to_the_microsecond():
    said = Mender().mend("stdout", STAMP + b" a\n")
    assert said.at == datetime(2026, 11, 21, 14, 13, 51, 475932, tzinfo=UTC)
    assert Mender().mend("stdout", b"nonsense a\n").at is None


def test_since_a_bookmark():
    at = datetime(2026, 11, 21, 14, 13, 51, 470_000, tzinfo=UTC)
    assert since(Bookmark(at=at, before={})) == "1795270431.470000000"


def pieces(data: bytes, seed: int) -> Iterator[bytes]:
    sizes = random.Random(seed)
    while data:
        size = sizes.choice((1, 7, 31, 5000, 70_000))
        yield data[:size]
        data = data[size:]


def cut(messages: Messages, sent: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    for piece in sent:
        yield from messages.feed(piece)
    yield from messages.close()


@pytest.mark.parametrize("seed", range(5))
def test_frames_may_arrive_in_any_pieces(seed):
    sent = frame(b"a\n") + frame(FULL, 2) + frame(b"", 2) + frame(b"b")
    found = list(cut(Framed(), pieces(sent, seed)))
    assert [stream for stream, _ in found] == ["stdout", "stderr", "stderr", "stdout"]
    assert [message[31:] for _, message in found] == [b"a\n", FULL, b"", b"b"]


LATER = STAMP.replace(b"51.47", b"51.48")  # another hundredth of a second


@pytest.mark.parametrize(
    ("sent", "messages"),
    [
        ([(b"a\n", 1), (b"\n", 1), (b"c\n", 1)], [b"a\n\nc\n"]),
        ([(b"a\n", 1), (b"b\n", 1), (b"e\n", 2), (b"f\n", 2)], [b"a\nb\n", b"e\nf\n"]),
        ([(b"a\n", 1), (b"b\n", 1), (FULL, 1), (b"c\n", 1)], [b"a\nb\n", FULL, b"c\n"]),
        ([(b"a\n", 1), (FULL, 1), (b"b\n", 1), (b"c\n", 1)], [b"a\n", FULL, b"b\nc\n"]),
        ([(b"a\n", 1), (b"b", 1), (b"c" * 2529 + b"\n", 1)], [b"a\n", b"b", b"c" * 2529 + b"\n"]),
        ([(b"\1\0\0\0\n", 1)] * 3, [b"\1\0\0\0\n" * 3]),
    ],
)
def test_whole_lines_that_came_together_are_one_message(sent, messages):
    found = list(cut(Framed(), [b"".join(frame(data, stream) for data, stream in sent)]))
    assert [message[:31] for _, message in found] == [STAMP + b" "] * len(found)
    assert [message[31:] for _, message in found] == messages


def test_lines_of_different_moments_are_not():
    stamps = [STAMP, STAMP, LATER, LATER]
    found = list(cut(Framed(), [b"".join(frame(b"y\n", stamp=stamp) for stamp in stamps)]))
    assert found == [("stdout", stamp + b" y\ny\n") for stamp in stamps[1:3]]
    shown = b"".join(stamp + b" y\n" for stamp in stamps)
    found = list(cut(OfTerminal(), [shown]))
    assert found == [("terminal", stamp + b" y\ny\n") for stamp in stamps[1:3]]


@pytest.mark.parametrize("seed", range(5))
def test_many_lines_in_any_pieces(seed):
    draw = random.Random(seed)
    lines = [
        (os.urandom(draw.choice((0, 1, 9, 300))), draw.choice((1, 1, 1, 2))) for _ in range(500)
    ]
    lines = [(data.replace(b"\n", b"") + b"\n", stream) for data, stream in lines]
    sent = b"".join(frame(data, stream) for data, stream in lines)
    found = list(cut(Framed(), pieces(sent, seed)))
    for number, name in ((1, "stdout"), (2, "stderr")):
        said = b"".join(message[31:] for stream, message in found if stream == name)
        assert said == b"".join(data for data, stream in lines if stream == number)


def test_what_is_no_frame_is_refused():
    with pytest.raises(EngineUnreachableError, match="none"):
        list(cut(Framed(), [b"\1\0\0\0\xff\xff\xff\xff"]))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("messages", "written", "doubtful"), SENT)
def test_a_terminal_has_no_frames_but_times(seed, messages, written, doubtful):
    sent = b"".join(STAMP + b" " + message for message in messages)
    found = [message[31:] for _, message in cut(OfTerminal(), pieces(sent, seed))]
    said, _ = mended(*(("terminal", message) for message in found))
    assert said["terminal"] == written


def test_a_time_that_the_agent_printed_is_text():
    sent = STAMP + b" it is " + STAMP + b" now\n" + STAMP + b" $ "
    found = [message[31:] for _, message in cut(OfTerminal(), [sent])]
    assert found == [b"it is " + STAMP + b" now\n", b"$ "]


# ---------------------------------------------------------------- on the real engine

OPTIONS = {"max-size": "100m", "max-file": "1", "compress": "false"}
SCRIPT = r"""
long() { head -c $1 /dev/zero | tr '\0' x; }
echo a; echo; long 16383; echo; long 16384; echo; long 50000; echo; long 32768; echo
head -c 100000 /dev/urandom | tr '\n\r' 'ab'; echo e >&2; printf end
"""


@pytest.mark.docker
@pytest.mark.parametrize("tty", [False, True])
def test_every_byte_comes_back(engine_client, busybox, tty):
    from docker.types import LogConfig  # noqa: PLC0415 - 100 ms that unit tests need not pay

    made = engine_client.containers.create(
        busybox,
        ["sh", "-c", SCRIPT],
        tty=tty,
        network_mode="none",
        log_config=LogConfig(type="local", config=OPTIONS),
    )
    try:
        made.start()
        made.wait()
        said = remembered(str(made.id), tty=tty)
    finally:
        made.remove(force=True)
    stdout = b"".join(one.data for one in said if one.stream != "stderr")
    plain = stdout.replace(b"\r\n", b"\n")
    expected = b"a\n\n" + b"".join(b"x" * n + b"\n" for n in (16383, 16384, 50000, 32768))
    assert plain.startswith(expected)
    rest = plain[len(expected) :]
    assert rest.endswith(b"end")
    assert rest[100_000:] == (b"e\nend" if tty else b"end")
    assert not any(one.doubtful for one in said[:-1])


@pytest.mark.docker
def test_of_a_container_that_is_gone():
    with pytest.raises(ContainerGoneError):
        remembered("0" * 64, tty=False)


def remembered(container: str, *, tty: bool) -> list[Said]:
    ref = Ref(engine="docker", endpoint="", id=container)
    with contextlib.closing(Wire(endpoint.find(None, env=os.environ, home=Path.home()))) as wire:
        return list(output(wire, ref, tty=tty))
