"""Secret values taken out of what a session says, before it is kept or shown.

| how it is written                            | found                                         |
|----------------------------------------------|-----------------------------------------------|
| as it is, newlines as a terminal ends them   | yes; of several lines each long one alone too |
| base64, both alphabets, in any surroundings  | what does not depend on its neighbours        |
| URL-escaped, JSON-escaped                    | yes                                           |
| reversed, compressed, in pieces, other codes | no: this is hygiene and not a border          |

A stream is cut into chunks anywhere: its last bytes are held back for as long as they could be
the beginning of a value, so what comes out does not depend on where it was cut. A terminal shows
a prompt or what is typed at once: when the session pauses, the few first bytes of a value are let
go of, and the rest of it is still found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LEAST = 4  # bytes; what is shorter stands in every other line
_LEAST_LINE = 16  # of a value with several lines
_LEAST_ENCODED = 8
SHORT = 3  # bytes of a value that a pause lets go of
_MOST_HELD = 1 << 18


class Redaction:
    """The values of one session, ready to be looked for. `values` are by the secrets' names."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values
        found: dict[bytes, bytes] = {}
        for name, value in values.items():
            for form in forms(value):
                found.setdefault(form, f"[REDACTED:{name}]".encode())
        self._marks = found
        self.forms: Sequence[bytes] = tuple(sorted(found, key=len, reverse=True))
        self.longest = max(map(len, found), default=0)

    def clean(self, data: bytes) -> bytes:
        """All of something, without the values."""
        stream = Sieve(self)
        return stream.feed(data) + stream.end()

    def text(self, words: str) -> str:
        return self.clean(words.encode("utf-8", "surrogateescape")).decode(
            "utf-8", "surrogateescape"
        )

    def spans(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """Where values are, and what stands for each; those that overlap are one."""
        found = sorted(self._found(data))
        spans: list[tuple[int, int, bytes]] = []
        for start, end, form in found:
            if spans and start < spans[-1][1]:
                first, last, mark = spans[-1]
                spans[-1] = first, max(last, -end), mark
            else:
                spans.append((start, -end, self._marks[form]))
        return spans

    def _found(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Start, end (negative: the longest sorts first) and form."""
        for form in self.forms:
            at = data.find(form)
            while at >= 0:
                start, end = at, at + len(form)
                while start <= (at := data.find(form, at + 1)) < end:
                    end = at + len(form)
                yield start, -end, form

    def begun(self, data: bytes) -> int:
        """Where the longest end of `data` starts that could be the beginning of a value."""
        size = len(data)
        first = size
        for form in self.forms:
            at = data.find(form[:1], max(0, size - len(form) + 1))
            while 0 <= at < first:
                if form.startswith(data[at:]):
                    first = at
                    break
                at = data.find(form[:1], at + 1)
        return first


class Sieve:
    """One stream of a session, chunk by chunk."""

    def __init__(self, redaction: Redaction, held: bytes = b"", shown: int = 0) -> None:
        self._redaction = redaction
        self._held = held
        self._shown = shown  # how many bytes of `held` were let go of already

    @property
    def state(self) -> tuple[bytes, int]:
        """What another process goes on from."""
        return self._held, self._shown

    @property
    def waits(self) -> bool:
        """Whether a pause would let go of something."""
        return self._shown < len(self._held) <= SHORT

    def feed(self, data: bytes) -> bytes:
        """What may be kept and shown now."""
        data = self._held + data if self._held else data
        spans = self._redaction.spans(data)
        cut = self._redaction.begun(data)
        if spans and spans[-1][1] > cut:
            start, end, mark = spans.pop()
            if len(data) - start <= _MOST_HELD:
                cut = min(cut, start)
            else:  # nobody's value: one that repeats itself, for ever
                cut = end
                spans.append((start, end, mark))
        return self._let_go(data, cut, spans)

    def pause(self) -> bytes:
        """The session says nothing for a moment: the few bytes that a prompt may end with."""
        if not self.waits:
            return b""
        freed = self._held[self._shown :]
        self._shown = len(self._held)
        return freed

    def end(self) -> bytes:
        """Nothing comes any more."""
        return self._let_go(self._held, len(self._held), self._redaction.spans(self._held))

    def _let_go(self, data: bytes, cut: int, spans: Sequence[tuple[int, int, bytes]]) -> bytes:
        shown = min(self._shown, cut)
        self._shown -= shown
        self._held = data[cut:]
        if not spans and not shown and not self._held:
            return data
        parts, at = [], shown
        for start, end, mark in spans:
            parts += [data[at:start], mark] if start >= at else [mark]
            at = end
        return b"".join((*parts, data[at:cut]))


def forms(value: str) -> Iterator[bytes]:
    """The ways in which a value may be written; none of one that is too short to be told."""
    raw = value.encode("utf-8", "surrogateescape")
    if len(raw) < LEAST:
        return
    whole = (raw, raw.replace(b"\n", b"\r\n"), *_escaped(value))
    yield from dict.fromkeys(form for form in whole if len(form) >= LEAST)
    if b"\n" in raw:
        yield from (line for line in raw.splitlines() if _tells(line))
    yield from _encoded(raw)


def _tells(line: bytes) -> bool:
    return len(line) >= _LEAST_LINE and not line.startswith(b"-----")


def _escaped(value: str) -> Iterator[bytes]:
    import json  # noqa: PLC0415 - these take 5 ms, and most sessions have no secret
    from urllib.parse import quote, quote_plus  # noqa: PLC0415

    readable = value.encode("utf-8", "surrogateescape")
    for ascii_only in (True, False):
        text = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        yield text.encode("utf-8", "surrogateescape")
        yield text.replace("/", "\\/").encode("utf-8", "surrogateescape")  # as PHP writes it
    for escaped in (quote(readable, safe=""), quote(readable), quote_plus(readable)):
        yield escaped.encode()
        yield _lower(escaped).encode()


def _lower(escaped: str) -> str:
    """%2f for %2F; what is no escape keeps its letters."""
    first, *rest = escaped.split("%")
    return "%".join((first, *(part[:2].lower() + part[2:] for part in rest)))


def _encoded(raw: bytes) -> Iterator[bytes]:
    """Base64 of it after 0, 1 or 2 bytes of something else, without what depends on those."""
    import base64  # noqa: PLC0415 - as above

    for offset, skipped in ((0, 0), (1, 2), (2, 3)):
        padded = b"\0" * offset + raw
        whole = base64.b64encode(padded)
        kept = whole[skipped : len(padded) * 8 // 6]
        if len(kept) >= _LEAST_ENCODED:
            yield from dict.fromkeys((kept, kept.translate(_URL_SAFE)))


_URL_SAFE = bytes.maketrans(b"+/", b"-_")
