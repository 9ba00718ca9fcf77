"""DNS as the session sees it: stand-ins for the names it may reach, nothing for the others.

Nothing is ever forwarded, so nothing can be carried out in a question (a two-way tunnel by way of
the engine's resolver was tried: CVE-2024-29018). Only addresses of type A are given: what speaks
IPv6 further out is the gate's business.

| question                                   | answer                       |
|--------------------------------------------|------------------------------|
| A of a name that may be reached            | its stand-in, for 5 seconds  |
| another type of such a name                | no data                      |
| a name that may not be reached, or PTR     | NXDOMAIN                     |
| each stand-in is in use                    | SERVFAIL                     |
| not one plain question                     | FORMERR, or NOTIMP           |
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, NamedTuple

from outrig.core import address
from outrig.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Callable

_HEADER = struct.Struct("!HHHHHH")
_A, _PTR, _ANY = 1, 12, 255
_INTERNET = 1
_TTL = 5  # seconds; a stand-in is given again only to the longest unused
_NOERROR, _FORMERR, _SERVFAIL, _NXDOMAIN, _NOTIMP = 0, 1, 2, 3, 4
_RESPONSE, _RECURSION_WANTED, _RECURSION_OFFERED, _OPCODE = 0x8000, 0x0100, 0x0080, 0x7800
_POINTER = 0xC000 | _HEADER.size
_LONGEST_LABEL = 63


class Question(NamedTuple):
    name: str  # as core/address.py has it: checked, in lower case
    type: int
    wire: bytes  # as it came, to be sent back


class Refused(NamedTuple):
    """No such name, for the session; or no stand-in left for it."""

    code: int


NO_SUCH_NAME = Refused(_NXDOMAIN)
BUSY = Refused(_SERVFAIL)


def answer(packet: bytes, look_up: Callable[[Question], IPv4Address | Refused]) -> bytes | None:
    """The answer to a packet; None for one that deserves none."""
    if len(packet) < _HEADER.size:
        return None
    number, flags, questions, *_ = _HEADER.unpack_from(packet)
    if flags & _RESPONSE:
        return None
    if flags & _OPCODE:
        return _reply(number, flags, _NOTIMP)
    question = _question(packet) if questions == 1 else None
    if question is None:
        return _reply(number, flags, _FORMERR)
    found = look_up(question) if question.type != _PTR else NO_SUCH_NAME
    code = found.code if isinstance(found, Refused) else _NOERROR
    wanted = question.type in (_A, _ANY)
    given = found.packed if isinstance(found, IPv4Address) and wanted else b""
    return _reply(number, flags, code, question, given)


def _question(packet: bytes) -> Question | None:
    labels: list[str] = []
    at = _HEADER.size
    while at < len(packet) and packet[at]:
        length = packet[at]
        label = packet[at + 1 : at + 1 + length]
        if length > _LONGEST_LABEL or len(label) < length or not label.isascii() or b"." in label:
            return None
        labels.append(label.decode("ascii"))
        at += 1 + length
    end = at + 5
    if len(packet) < end:
        return None
    kind, class_ = struct.unpack_from("!HH", packet, at + 1)
    if class_ != _INTERNET:
        return None
    name = _name(".".join(labels)) if kind != _PTR else ""
    return None if name is None else Question(name, kind, packet[_HEADER.size : end])


def _name(text: str) -> str | None:
    try:
        found = address.host(text)
    except NetworkError:
        return None
    return found if isinstance(found, str) else None


def _reply(
    number: int,
    flags: int,
    code: int,
    question: Question | None = None,
    found: bytes = b"",
) -> bytes:
    said = _RESPONSE | _RECURSION_OFFERED | (flags & _RECURSION_WANTED) | code
    head = _HEADER.pack(number, said, 1 if question else 0, 1 if found else 0, 0, 0)
    body = question.wire if question else b""
    if found:
        body += struct.pack("!HHHIH", _POINTER, _A, _INTERNET, _TTL, 4) + found
    return head + body
