"""A session's recording as events of an asciicast, made on demand from its bytes and their timing.

A session with a terminal gives what may be shown on a terminal again (core/playback.py). One
without gives both streams in the order in which they came, as `logs` shows them, with `newline` as
a terminal would have made it. `raw` leaves out nothing. Bytes without a timing line come
at the end; time never goes back.
"""

from __future__ import annotations

import codecs
import itertools
from typing import TYPE_CHECKING, Protocol, Self

from outrig.core.cast import OUTPUT, Event, bounded, resize
from outrig.core.playback import Playback
from outrig.core.terminal import Sanitizer
from outrig.record.log import FILES
from outrig.record.reading import Chunk, Logs, Resized

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROWS, COLUMNS = 24, 80  # of a session that had no terminal


class _Shown(Protocol):
    """Bytes of one stream -> text, whatever the chunks cut in two."""

    def feed(self, data: bytes) -> str: ...

    def rest(self) -> str: ...


class Recording:
    """The recording of the session in a directory; a context manager.

    `started` is in microseconds since 1970; `rows` and `columns` are those at the beginning.
    """

    def __init__(self, directory: Path, *, raw: bool = False, newline: str = "\r\n") -> None:
        self._logs = Logs(directory)
        self._raw = raw
        self._newline = newline
        self._shown: dict[str, _Shown] = {}
        self._happened = self._logs.happened()
        self._first: list[Chunk] = []
        self.rows, self.columns = ROWS, COLUMNS
        for one in self._happened:
            if isinstance(one, Chunk):
                self._first.append(one)
                break
            self.rows, self.columns = _size(one)
        self.started = self._logs.started

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._logs.__exit__()

    def events(self) -> Iterator[Event]:
        """Everything from the start; to be asked for once."""
        start, now = self.started, 0
        for one in itertools.chain(self._first, self._happened, self._logs.rest()):
            if one.at is not None:
                start = one.at if start is None else start
                now = max(now, one.at - start)
            if isinstance(one, Resized):
                rows, columns = _size(one)
                yield resize(now, rows=rows, columns=columns)
            elif text := self._of(one.source).feed(one.data):
                yield Event(now, OUTPUT, text)
        for shown in self._shown.values():
            if text := shown.rest():
                yield Event(now, OUTPUT, text)

    def _of(self, source: str) -> _Shown:
        if source not in self._shown:
            if source == FILES["terminal"]:
                self._shown[source] = _Exact() if self._raw else Playback()
            else:
                self._shown[source] = _Lines(_Exact() if self._raw else _Harmless(), self._newline)
        return self._shown[source]


class _Exact:
    """Text as it is, broken characters as U+FFFD."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def feed(self, data: bytes) -> str:
        return self._decoder.decode(data)

    def rest(self) -> str:
        return self._decoder.decode(b"", final=True)


class _Lines:
    """Lines of a session without a terminal, whose bare newlines would not return the cursor."""

    def __init__(self, text: _Shown, newline: str) -> None:
        self._text = text
        self._newline = newline

    def feed(self, data: bytes) -> str:
        return self._text.feed(data).replace("\n", self._newline)

    def rest(self) -> str:
        return self._text.rest().replace("\n", self._newline)


class _Harmless(Sanitizer):
    def rest(self) -> str:
        return self.close()


def _size(resized: Resized) -> tuple[int, int]:
    return bounded(resized.rows, ROWS), bounded(resized.columns, COLUMNS)
