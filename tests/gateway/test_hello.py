"""ClientHellos, real ones and bent ones."""

from __future__ import annotations

import contextlib
import ssl

import pytest

from outrig.gateway.hello import HEAD, HelloError, missing, server_name


def hello(name: str | None = "good.example") -> bytes:
    outgoing = ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


def extension(kind: int, content: bytes) -> bytes:
    return kind.to_bytes(2, "big") + len(content).to_bytes(2, "big") + content


def sni(name: bytes, kind: int = 0) -> bytes:
    entry = bytes([kind]) + len(name).to_bytes(2, "big") + name
    return extension(0, len(entry).to_bytes(2, "big") + entry)


def made(*extensions: bytes, after: bytes = b"", kind: int = 1) -> bytes:
    listed = b"".join(extensions)
    body = b"\3\3" + bytes(32) + b"\0" + b"\0\2\x13\1" + b"\1\0"
    body += len(listed).to_bytes(2, "big") + listed + after
    message = bytes([kind]) + len(body).to_bytes(3, "big") + body
    return b"\x16\3\1" + len(message).to_bytes(2, "big") + message


def test_a_real_one():
    data = hello()
    assert missing(data) == 0
    assert server_name(data) == "good.example"


def test_how_much_of_one_is_missing():
    data = hello()
    assert missing(data[:1]) == HEAD - 1
    assert missing(data[:HEAD]) == len(data) - HEAD
    assert missing(data[:-1]) == 1


@pytest.mark.parametrize(
    "data",
    [
        hello(None),
        made(),
        made(sni(b"good.example"), sni(b"evil.example")),
        made(sni(b"good.example"), extension(0xFE0D, b"\0" * 40)),
        made(extension(0xFE0D, b""), sni(b"good.example")),
        made(sni(b"good.example", kind=1)),
        made(sni(b"10.0.0.1")),
        made(sni(b"good.example\0.evil.example")),
        made(sni("g\xf6\xf6d.example".encode("latin-1"))),
        made(sni(b"good.example"), after=b"x"),
        made(sni(b"good.example"), kind=2),
        made(extension(0, b"\0\0") + b"x"),
        made(extension(0, b"\0\xff\0\0\1a")),
        # The name that one parser would read behind the list of the other.
        made(extension(0, b"\0\4\0\0\1a" + b"\0\0\1b")),
    ],
)
def test_what_names_no_one_server(data):
    assert missing(data) == 0
    with pytest.raises(HelloError):
        server_name(data)


def test_one_that_is_split_over_records():
    whole = hello()
    part = b"\x16\3\1" + (10).to_bytes(2, "big") + whole[HEAD : HEAD + 10]
    assert missing(part) == 0
    with pytest.raises(HelloError):
        server_name(part)


@pytest.mark.parametrize(
    "data", [b"G", b"\x16\2", b"\x16\3\1\0\1", b"\x16\3\1\xff\xff", b"\x80\x2e"]
)
def test_what_is_no_record_of_a_handshake(data):
    with pytest.raises(HelloError):
        missing(data)
