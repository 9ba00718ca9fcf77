"""Bytes between two sockets: moved by the kernel or copied, each arrives once and is counted."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from typing import TYPE_CHECKING

import pytest

from outrig.gateway import pipe, relay
from outrig.gateway.pipe import Pipes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MUCH = os.urandom(6 * 1024 * 1024)
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture(params=["moved", "copied"])
def how(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "copied":
        monkeypatch.setattr(pipe, "MOST", 0)
    monkeypatch.setattr(relay, "_pipes", Pipes())
    return str(request.param)


def connected() -> Pair:
    """By TCP, as in a gate."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
    one.setblocking(False)  # noqa: FBT003
    other.setblocking(False)  # noqa: FBT003
    return one, other


def within(test: Callable[[Pair, Pair], Awaitable[None]]) -> None:
    """A client, the relay's two sockets and a server."""

    async def main() -> None:
        left, right = connected(), connected()
        with contextlib.ExitStack() as undo:
            for one in (*left, *right):
                undo.callback(one.close)
            await asyncio.wait_for(test(left, right), 20)

    asyncio.run(main())


async def heard(line: socket.socket) -> bytes:
    loop, pieces = asyncio.get_running_loop(), []
    while piece := await loop.sock_recv(line, 1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


async def says(line: socket.socket, words: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(line, words)
    line.shutdown(socket.SHUT_WR)


def joined(left: Pair, right: Pair, count: relay.Count) -> asyncio.Task[None]:
    async def opening() -> bytes:
        return await asyncio.get_running_loop().sock_recv(left[1], 10)

    return asyncio.ensure_future(relay.join(left[1], right[0], count, opening))


def exchange() -> None:
    """Much, both ways at once."""

    async def test(left: Pair, right: Pair) -> None:
        count = relay.Count()
        going = joined(left, right, count)
        back = MUCH[::-1]
        found = await asyncio.gather(
            heard(left[0]), heard(right[1]), says(left[0], MUCH), says(right[1], back), going
        )
        assert found[0] == back
        assert found[1] == MUCH
        assert (count.sent, count.received) == (len(MUCH), len(MUCH))

    within(test)


def break_off() -> None:
    """By a reader that has heard a little of much."""

    async def test(left: Pair, right: Pair) -> None:
        passed: list[int] = []
        begun = asyncio.Event()

        def count(size: int) -> None:
            passed.append(size)
            if sum(passed) > relay.BUFFER:
                begun.set()

        right[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 17)
        right[1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 17)
        carrying = asyncio.ensure_future(relay.carry(left[1], right[0], count))
        saying = asyncio.ensure_future(says(left[0], MUCH))
        await asyncio.get_running_loop().sock_recv(right[1], 100_000)
        await begun.wait()
        await asyncio.sleep(0.1)  # the reader's buffers hold it up meanwhile
        relay.reset(right[1])
        with pytest.raises(ConnectionError):
            await carrying
        assert sum(passed) < len(MUCH)
        saying.cancel()

    within(test)


@pytest.mark.usefixtures("how")
def test_what_both_say_at_once_arrives_whole_and_is_counted() -> None:
    exchange()


@pytest.mark.usefixtures("how")
def test_one_side_s_end_is_heard_while_the_other_goes_on() -> None:
    async def test(left: Pair, right: Pair) -> None:
        going = joined(left, right, relay.Count())
        asking = asyncio.ensure_future(says(left[0], MUCH))
        assert await heard(right[1]) == MUCH
        await asking
        assert not going.done()
        answering = asyncio.ensure_future(says(right[1], MUCH))
        assert await heard(left[0]) == MUCH
        await asyncio.gather(answering, going)

    within(test)


@pytest.mark.usefixtures("how")
def test_a_side_that_breaks_ends_it_and_only_what_was_passed_on_is_counted() -> None:
    break_off()


def test_a_pipe_that_still_holds_something_is_never_lent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pipe, "MOST", 1)
    monkeypatch.setattr(relay, "_pipes", Pipes())
    break_off()
    exchange()


def test_much_is_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[int] = []
    real = os.splice

    def splice(source: int, sink: int, most: int, *, flags: int) -> int:
        moved.append(real(source, sink, most, flags=flags))
        return moved[-1]

    monkeypatch.setattr(os, "splice", splice)
    monkeypatch.setattr(relay, "_pipes", Pipes())
    exchange()
    assert sum(moved) > len(MUCH) * 2  # each byte into a pipe and out of it, but the first buffers


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS])
def test_where_the_kernel_moves_nothing_it_is_copied(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def splice(*_args: int, flags: int) -> int:
        raise OSError(code, os.strerror(code), flags)

    monkeypatch.setattr(os, "splice", splice)
    monkeypatch.setattr(relay, "_pipes", Pipes())
    exchange()


def test_with_no_file_left_for_a_pipe_it_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    def pipe2(_flags: int) -> tuple[int, int]:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "pipe2", pipe2)
    monkeypatch.setattr(relay, "_pipes", Pipes())
    exchange()
