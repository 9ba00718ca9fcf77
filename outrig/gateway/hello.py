"""A TLS ClientHello: which server does it name? Told without a TLS library, and strictly.

The hello must be whole in one record, and name one server: what an upstream might read otherwise
than we do is refused (a hello split over records, two names, lengths that do not fit). So is one
with a second hello encrypted within (ECH), which names where a large host really sends it. Browsers
say something that looks like it to everybody (GREASE), and nobody can tell the two apart.
"""

from __future__ import annotations

from outrig.core import address
from outrig.errors import NetworkError

HANDSHAKE = 0x16
LARGEST = 5 + 16_384  # bytes of a record; browsers' hellos with post-quantum keys have 2,000
HEAD = 5  # bytes of a record before its content
_CLIENT_HELLO = 1
_SERVER_NAME = 0
_ENCRYPTED_HELLO = 0xFE0D  # RFC 9849
_HOST_NAME = 0


class HelloError(Exception):
    """Why a ClientHello is not accepted."""


def missing(data: bytes) -> int:
    """How many bytes at least are missing of the record that `data` begins.

    Raises HelloError for what is no handshake record.
    """
    if data[:1] != bytes([HANDSHAKE]) or (len(data) > 1 and data[1] != 3):  # noqa: PLR2004
        raise HelloError("not a TLS handshake")
    if len(data) < HEAD:
        return HEAD - len(data)
    length = int.from_bytes(data[3:5], "big")
    if not 4 <= length <= LARGEST - HEAD:  # noqa: PLR2004 - of a handshake's own head
        raise HelloError("not a TLS record")
    return max(0, HEAD + length - len(data))


def server_name(data: bytes) -> str:
    """The one host name in the whole record that `data` begins with. Raises HelloError."""
    hello = _Bytes(data[HEAD : HEAD + int.from_bytes(data[3:5], "big")])
    if hello.number(1) != _CLIENT_HELLO:
        raise HelloError("not a ClientHello")
    body = _Bytes(hello.take(hello.number(3)))
    hello.end()
    body.take(2 + 32)  # version, random
    for size in (1, 2, 1):  # session, ciphers, compressions
        body.take(body.number(size))
    extensions = _Bytes(body.take(body.number(2)))
    body.end()
    names: list[str] = []
    while extensions.left:
        kind = extensions.number(2)
        content = _Bytes(extensions.take(extensions.number(2)))
        if kind == _ENCRYPTED_HELLO:
            raise HelloError("an encrypted ClientHello (ECH), whose server nobody sees")
        if kind == _SERVER_NAME:
            names.append(_host_name(content))
    if len(names) != 1:
        raise HelloError("no server name" if not names else "more than one server name")
    return names[0]


def _host_name(data: _Bytes) -> str:
    listed = _Bytes(data.take(data.number(2)))
    data.end()
    if listed.number(1) != _HOST_NAME:
        raise HelloError("a server name of an unknown kind")
    raw = listed.take(listed.number(2))
    listed.end()
    try:
        found = address.host(raw.decode("ascii"))
    except (UnicodeDecodeError, NetworkError):
        raise HelloError("a server name that is none") from None
    if not isinstance(found, str):
        raise HelloError("an address as the server's name")
    return found


class _Bytes:
    """Bytes, taken from the front. A HelloError when there are too few."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise HelloError("a length that leads outside")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def end(self) -> None:
        if self.left:
            raise HelloError("bytes where none should be")
