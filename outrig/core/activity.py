"""Activity: when a session said how much, in a fixed number of bars, however long it took.

Nobody knows the end while it is read: once the bars are used up, two become one and each stands
for twice the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

BARS = 240
_FIRST = 1000  # microseconds that one bar stands for in the beginning


class Bar(NamedTuple):
    """Bytes of stdout (or the terminal), and of stderr."""

    out: int
    err: int


class Activity:
    """`width` is how many microseconds a bar stands for."""

    def __init__(self) -> None:
        self.width = _FIRST
        self._bars = [Bar(0, 0)] * BARS

    def add(self, at: int, *, out: int = 0, err: int = 0) -> None:
        """So many bytes at so many microseconds after the start."""
        while at >= self.width * BARS:
            self._halve()
        bar = self._bars[at // self.width]
        self._bars[at // self.width] = Bar(bar.out + out, bar.err + err)

    def bars(self, end: int) -> Sequence[Bar]:
        """Those of a session that ended so many microseconds after its start."""
        self.add(end)
        return self._bars[: end // self.width + 1]

    def _halve(self) -> None:
        pairs = zip(self._bars[::2], self._bars[1::2], strict=True)
        joined = [Bar(one.out + other.out, one.err + other.err) for one, other in pairs]
        self._bars = joined + [Bar(0, 0)] * (BARS - len(joined))
        self.width *= 2
