"""Chunked: the chunks of an HTTP body that have arrived whole, all at once.

An engine sends each line of a container's log as a chunk of its own: of one that printed `yes` for
a second there are millions, and taking them one by one took longer than the engine needs to say
them.
"""

from __future__ import annotations

LONGEST_SIZE = 64  # bytes of a line that says how long a chunk is


def whole(held: bytes | bytearray) -> tuple[bytes, int]:
    """The data of the plain chunks that it begins with, joined; and how many bytes they took.

    What remains begins with the last chunk (of no bytes), one that goes on, or what is none.
    """
    sent, parts, at = bytes(held), [], 0
    known, size = b"", 0
    while (end := sent.find(b"\r\n", at, at + LONGEST_SIZE)) > at:
        text = sent[at:end]
        if text != known:
            known, size = text, _size(text)
        stop = end + 2 + size
        if not size or sent[stop : stop + 2] != b"\r\n":
            break
        parts.append(sent[end + 2 : stop])
        at = stop + 2
    return b"".join(parts), at


def _size(text: bytes) -> int:
    """0 also for what is no plain number: who can say what is wrong with it looks again."""
    try:
        return int(text, 16) if text.isalnum() else 0
    except ValueError:
        return 0
