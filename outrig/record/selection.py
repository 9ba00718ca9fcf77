"""Which part of the merged logs is wanted, and whether each line says when it came.

All of it works on a stream of chunks and keeps none of them, however long a log or a line is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from outrig.record.reading import Chunk, epoch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime


def since(chunks: Iterable[Chunk], moment: datetime) -> Iterator[Chunk]:
    """Chunks from that moment on; what has no time comes last and is kept."""
    first = epoch(moment)
    return (chunk for chunk in chunks if chunk.at is None or chunk.at >= first)


def line_count(chunks: Iterable[Chunk]) -> int:
    """How many lines there are; a last one without its newline counts."""
    lines = 0
    last = b"\n"
    for chunk in chunks:
        lines += chunk.data.count(b"\n")
        last = chunk.data[-1:]
    return lines + (last != b"\n")


def without_first(chunks: Iterable[Chunk], lines: int) -> Iterator[Chunk]:
    """Everything after the first so many lines; for --tail, once the lines are counted."""
    left = lines
    for chunk in chunks:
        if left <= 0:
            yield chunk
            continue
        found = chunk.data.count(b"\n")
        if found >= left:
            rest = chunk.data[_end_of_line(chunk.data, left) :]
            if rest:
                yield chunk._replace(data=rest)
        left -= found


def stamped(chunks: Iterable[Chunk], words: Callable[[int | None], str]) -> Iterator[bytes]:
    """The bytes, each line with the time of its first byte in front of it."""
    at_start = True
    for chunk in chunks:
        stamp = f"{words(chunk.at)} ".encode()
        yield b"".join(
            stamp + line if number or at_start else line
            for number, line in enumerate(_split(chunk.data))
        )
        at_start = chunk.data.endswith(b"\n")


def _split(data: bytes) -> list[bytes]:
    """Lines as newline ends them; splitlines() would also end them at a carriage return."""
    *lines, last = data.split(b"\n")
    return [line + b"\n" for line in lines] + ([last] if last else [])


def _end_of_line(data: bytes, number: int) -> int:
    """Where the line of that number (from 1) ends."""
    end = 0
    for _ in range(number):
        end = data.index(b"\n", end) + 1
    return end
