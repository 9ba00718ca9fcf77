"""What is said over a session's control socket: a letter, a length, and that many bytes.

| letter | from     | means                                                         |
|--------|----------|---------------------------------------------------------------|
| I      | a client | bytes for the session's stdin                                 |
| E      | a client | end of the session's stdin                                    |
| Z      | a client | the terminal's size: rows and columns, two bytes each         |
| W      | follower | something was written to the logs: look there                 |

Output does not travel here. The logs are the truth, so whoever wants output reads them from where
it stopped; a follower that dies, or a client that is slow, loses and repeats nothing.
"""

from __future__ import annotations

from outrig.core.frozen import frozen

HEADER = 5
LONGEST = 256 * 1024  # bytes of one message; more is no client of ours

WAKE = b"W\0\0\0\0"


@frozen(kw_only=False)
class Message:
    letter: str
    data: bytes = b""


def encode(letter: str, data: bytes = b"") -> bytes:
    return letter.encode() + len(data).to_bytes(4, "big") + data


def encode_size(rows: int, columns: int) -> bytes:
    return encode("Z", rows.to_bytes(2, "big") + columns.to_bytes(2, "big"))


def decode_size(data: bytes) -> tuple[int, int] | None:
    """Rows and columns; None for what is no size."""
    if len(data) != 4:  # noqa: PLR2004 - two times two bytes
        return None
    rows, columns = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:], "big")
    return (rows, columns) if rows and columns else None


class Decoder:
    """Cuts a stream of bytes into messages, wherever its pieces end."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are complete now. Raises ValueError for what is none."""
        self._held += data
        found = []
        while len(self._held) >= HEADER:
            size = int.from_bytes(self._held[1:HEADER], "big")
            if size > LONGEST or self._held[0] not in b"IEZW":
                raise ValueError("not a message of a session's control socket")
            if len(self._held) < HEADER + size:
                break
            found.append(Message(chr(self._held[0]), bytes(self._held[HEADER : HEADER + size])))
            del self._held[: HEADER + size]
        return found
