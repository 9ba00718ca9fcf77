"""The framed line of a container: every byte in order, however the frames are cut."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrig.engine.output import BUFFER_BYTES, AttachedOutput, Frames
from outrig.errors import EngineUnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

STREAMS = {1: "stdout", 2: "stderr"}


def frame(stream: int, data: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, engines = socket.socketpair()
    with ours, engines:
        yield ours, engines


def attached(line: socket.socket, *, tty: bool = False, first: bytes = b"") -> AttachedOutput:
    return AttachedOutput(line, first=first, tty=tty, where="unix:///test")


def everything(output: AttachedOutput) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    while (chunks := output.read()) is not None:
        found += chunks
    return found


@given(
    said=st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=50)), max_size=20),
    cuts=st.lists(st.integers(1, 40), max_size=60),
)
def test_frames_give_back_each_stream_however_they_are_cut(
    said: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    sent = memoryview(b"".join(frame(stream, data) for stream, data in said))
    frames, heard, at = Frames(), {"stdout": b"", "stderr": b""}, 0
    for cut in [*cuts, len(sent)]:
        for stream, piece in frames.feed(sent[at : at + cut]):
            heard[stream] += bytes(piece)
        at += cut
    assert frames.between
    for number, name in STREAMS.items():
        assert heard[name] == b"".join(data for stream, data in said if stream == number)


def test_neighbours_of_one_stream_are_one_chunk(pair: tuple[socket.socket, ...]) -> None:
    pair[1].sendall(frame(1, b"a") + frame(1, b"b") + frame(2, b"c") + frame(1, b"d"))
    assert attached(pair[0]).read() == [("stdout", b"ab"), ("stderr", b"c"), ("stdout", b"d")]


def test_nothing_yet_is_not_the_end(pair: tuple[socket.socket, ...]) -> None:
    output = attached(pair[0])
    assert output.read() == []
    pair[1].sendall(frame(1, b"x"))
    pair[1].close()
    assert everything(output) == [("stdout", b"x")]
    assert output.read() is None


def test_a_frame_is_handed_on_as_far_as_it_has_come(pair: tuple[socket.socket, ...]) -> None:
    output = attached(pair[0])
    pair[1].sendall(frame(2, b"prompt> ")[:12])
    assert output.read() == [("stderr", b"prom")]
    pair[1].sendall(b"pt> ")
    assert output.read() == [("stderr", b"pt> ")]


def test_what_was_read_with_the_head_comes_first(pair: tuple[socket.socket, ...]) -> None:
    pair[1].sendall(b"x" + frame(1, b"y"))
    output = attached(pair[0], first=frame(1, b"ab.")[:-1])
    assert output.read() == [("stdout", b"abxy")]


def test_a_terminal_is_not_framed(pair: tuple[socket.socket, ...]) -> None:
    pair[1].sendall(frame(1, b"\x1b[1m"))
    assert attached(pair[0], tty=True).read() == [("terminal", frame(1, b"\x1b[1m"))]


def test_a_line_that_ends_within_a_frame_broke(pair: tuple[socket.socket, ...]) -> None:
    output = attached(pair[0])
    pair[1].sendall(frame(1, b"abcd")[:-2])
    pair[1].close()
    assert output.read() == [("stdout", b"ab")]
    with pytest.raises(EngineUnreachableError, match="within a frame"):
        output.read()
    assert output.read() is None


def test_input_is_taken_as_far_as_there_is_room(pair: tuple[socket.socket, ...]) -> None:
    output = attached(pair[0])
    data = memoryview(bytes(BUFFER_BYTES * 4))
    taken = output.write(data)
    assert 0 < taken < len(data)
    assert output.write(data) == 0
    left = taken
    while left:
        left -= len(pair[1].recv(left))
    assert output.write(memoryview(b"more")) == 4
    output.end_input()
    assert pair[1].recv(10) == b"more"
    assert pair[1].recv(10) == b""
    pair[1].sendall(frame(1, b"still talking"))
    assert output.read() == [("stdout", b"still talking")]


def test_input_after_the_container_ended(pair: tuple[socket.socket, ...]) -> None:
    pair[1].close()
    output = attached(pair[0])
    with pytest.raises(BrokenPipeError):
        output.write(memoryview(b"x"))
    output.end_input()
    assert output.read() is None


def test_the_end_of_input_of_a_terminal_is_what_it_would_type(
    pair: tuple[socket.socket, ...],
) -> None:
    attached(pair[0], tty=True).end_input()
    assert pair[1].recv(10) == b"\x04"
