"""The streams of one session on their way into its logs, without the values of its secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outrig.core.redact import Sieve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from outrig.core.engine import Stream
    from outrig.core.redact import Redaction


class Redacting:
    """All streams of a session, without the values. `heard` counts the bytes that it said."""

    PAUSE_SECONDS = 0.05  # who says nothing for so long has ended what could have become a value

    def __init__(
        self, redaction: Redaction, states: Mapping[Stream, tuple[str, int]] | None = None
    ) -> None:
        self.redaction = redaction
        self.heard: dict[Stream, int] = {}
        self._streams = {
            name: Sieve(redaction, bytes.fromhex(held), shown)
            for name, (held, shown) in (states or {}).items()
        }

    def feed(self, stream: Stream, data: bytes) -> bytes:
        self.heard[stream] = self.heard.get(stream, 0) + len(data)
        return self._streams.setdefault(stream, Sieve(self.redaction)).feed(data)

    @property
    def waits(self) -> bool:
        """Whether a pause would let go of something."""
        return any(stream.waits for stream in self._streams.values())

    def pause(self) -> Iterator[tuple[Stream, bytes]]:
        yield from ((name, stream.pause()) for name, stream in self._streams.items())

    def end(self) -> Iterator[tuple[Stream, bytes]]:
        yield from ((name, stream.end()) for name, stream in self._streams.items())

    @property
    def states(self) -> Mapping[Stream, tuple[str, int]]:
        """What another process goes on from, as text."""
        found = {name: stream.state for name, stream in self._streams.items()}
        return {name: (held.hex(), shown) for name, (held, shown) in found.items()}
