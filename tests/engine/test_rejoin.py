"""A stream that is heard twice: nothing of it is lost or doubled, wherever the line began."""

from __future__ import annotations

import os
import random

import pytest

from outrig.engine.logs import PIECE
from outrig.engine.rejoin import Chunks, Seam
from outrig.errors import EngineUnreachableError


def told_by_log(stream: bytes) -> int:
    """How much of a stream an engine's log tells: whole lines, and whole pieces of long ones."""
    line = stream.rfind(b"\n") + 1
    return line + (len(stream) - line) // PIECE * PIECE


STREAMS = (
    b"one\ntwo\nthree\n",
    b"y\n" * 50,
    b"\n" * 40,
    b"begun\n$ ls\nfile\n$ ",
    b"a" * (PIECE - 1) + b"\n" + b"b" * (2 * PIECE + 5),
    b"x\n" + b"z" * PIECE,
    os.urandom(300).replace(b"\n", b" ") + b"\n",
)


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("seed", range(20))
def test_all_is_handed_on_once_and_in_order(stream, seed):
    draw = random.Random(seed)
    began = draw.randrange(len(stream) + 1)  # where the line began
    kept = draw.randrange(began + 1)
    logged = stream.rfind(b"\n", 0, draw.randrange(kept + 1)) + 1  # the log begins with a line
    seam = Seam(kept, logged)
    found, lined = stream[:kept], began
    while lined < len(stream) or logged < told_by_log(stream):
        if draw.random() < 0.5:
            step = min(draw.choice((1, 7, 9000)), len(stream) - lined)
            found += seam.lined(stream[lined : lined + step])
            lined += step
        else:
            end = min(logged + draw.choice((1, 7, 9000)), told_by_log(stream[:lined]))
            found += seam.logged(stream[logged:end])
            logged = max(end, logged)
        if logged == told_by_log(stream[:lined]) and draw.random() < 0.3:
            found += seam.settle(owed=False)
    found += seam.settle(owed=False)
    assert found == stream[: len(found)]
    if b"\n" in stream[began:]:
        assert found == stream
        assert seam.from_line
    else:
        assert len(found) == max(kept, logged)  # the rest comes from the log, once it ends


def test_a_newline_that_the_log_owes_is_heard_on_the_line():
    seam = Seam(0)
    assert seam.logged(b"x" * PIECE) + seam.logged(b"end") == b"x" * PIECE + b"end"
    seam.lined(b"nd\n$ ")
    assert seam.settle(owed=True) == b"\n$ "


def test_two_that_do_not_say_the_same_are_not_joined():
    seam = Seam(0)
    seam.logged(b"one\n")
    seam.lined(b"two\n")
    assert seam.settle(owed=False) == b""
    assert not seam.from_line
    assert seam.logged(b"two\n") == b"two\n"
    assert seam.settle(owed=False) == b""
    assert seam.from_line


def test_what_ends_no_line_is_taken_at_once_and_what_is_missing_before_it_is_said_later():
    seam = Seam(4)
    seam.logged(b"abc\n")  # then "$ " came, and nobody listened
    seam.lined(b"l")
    assert seam.settle(owed=False) == b""
    assert seam.assume() == b"l"
    assert seam.lined(b"s\r\n") == b"s\r\n"
    assert seam.logged(b"$ ls\r\n") == b""
    assert seam.settle(owed=False) == b""
    assert seam.lost == 2


def test_nothing_is_missing_where_nothing_was_said():
    seam = Seam(6)  # "abc\n$ " was kept; the log tells lines only
    seam.logged(b"abc\n")
    seam.lined(b"l")
    assert seam.assume() == b"l"
    seam.lined(b"s\r\n")
    seam.logged(b"$ ls\r\n")
    seam.settle(owed=False)
    assert (seam.lost, seam.settled) == (0, True)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_chunks_may_arrive_in_any_pieces(size):
    sent = b"3\r\nabc\r\n10;x=y\r\n" + b"0123456789abcdef" + b"\r\n0\r\n\r\n"
    chunks = Chunks()
    found = b"".join(
        piece for at in range(0, len(sent), size) for piece in chunks.feed(sent[at : at + size])
    )
    assert found == b"abc0123456789abcdef"
    assert chunks.ended


@pytest.mark.parametrize("sent", [b"xyz\r\n", b"x" * 100])
def test_what_is_no_chunk_is_refused(sent):
    with pytest.raises(EngineUnreachableError, match="none"):
        list(Chunks().feed(sent))
