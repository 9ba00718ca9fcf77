"""Questions as they come over the wire, and what is answered: a row of the table each."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

import pytest

from outrig.gateway.dns import BUSY, NO_SUCH_NAME, Question, answer

STAND_IN = IPv4Address("100.64.2.1")
A, PTR, AAAA, ANY = 1, 12, 28, 255


def question(name: str = "good.example", kind: int = A, *, flags: int = 0x0100, count: int = 1):
    labels = b"".join(bytes([len(one)]) + one.encode("latin-1") for one in name.split(".") if one)
    head = struct.pack("!HHHHHH", 0xABCD, flags, count, 0, 0, 0)
    return head + labels + b"\0" + struct.pack("!HH", kind, 1)


def known(asked: Question):
    return STAND_IN if asked.name == "good.example" else NO_SUCH_NAME


def said(packet: bytes, look_up=known) -> tuple[int, int, bytes]:
    """The code, how many answers, and the last four bytes."""
    reply = answer(packet, look_up)
    assert reply is not None
    number, flags, _, answers, *_ = struct.unpack_from("!HHHHHH", reply)
    assert number == 0xABCD
    assert flags & 0x8000
    return flags & 15, answers, reply[-4:]


@pytest.mark.parametrize("name", ["good.example", "GOOD.example", "good.example."])
def test_a_name_that_may_be_reached_has_a_stand_in(name):
    assert said(question(name)) == (0, 1, STAND_IN.packed)
    assert said(question(name, ANY)) == (0, 1, STAND_IN.packed)


def test_another_type_of_it_has_no_data():
    assert said(question(kind=AAAA))[:2] == (0, 0)


def test_what_may_not_be_reached_does_not_exist():
    assert said(question("evil.example"))[:2] == (3, 0)
    assert said(question("1.2.0.10.in-addr.arpa", PTR))[:2] == (3, 0)


def test_with_every_stand_in_in_use():
    assert said(question(), lambda _: BUSY)[:2] == (2, 0)


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        (question(count=2), 1),
        (question(count=0), 1),
        (question()[:-2], 1),
        (question("x" * 64 + ".example"), 1),
        (question("g\xf6\xf6d.example"), 1),
        (question("2130706433"), 1),  # an address in disguise
        (question(flags=0x2900), 4),
        (struct.pack("!HHHHHH", 0xABCD, 0, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1", 1),
    ],
)
def test_what_is_no_plain_question(packet, code):
    assert said(packet)[:2] == (code, 0)


@pytest.mark.parametrize("packet", [b"", b"short", question(flags=0x8180)])
def test_what_deserves_no_answer(packet):
    assert answer(packet, known) is None
