"""Counts: what the kernel and the engine count of one container, while it runs and as it ends.

Its cgroup is read only where the engine is reached by a unix socket; else one of that name could
be another machine's, and the engine alone is asked.
"""

from __future__ import annotations

from outrig.engine import usage
from outrig.engine.meter import Meter
from outrig.engine.refusals import Refusals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from outrig.core.engine import Measured
    from outrig.engine.wire import Wire


class Counts:
    def __init__(self, wire: Wire, container: str) -> None:
        self._wire = wire
        self._container = container
        self._here = bool(wire.endpoint.path)
        self._kills: usage.Kills | None = None
        self._meter: Meter | None = None
        self._refusals: Refusals | None = None

    def listen(self) -> None:
        """Before its first process: what is said of it from here on is heard."""
        if self._here:
            self._refusing()

    @property
    def opened(self) -> bool:
        """Whether its counts are read from now on, even if it should end at once."""
        return not self._here or (self._refusing().seen and self._killing().opened)

    def killed(self, patience: float = 0) -> bool:
        """Whether one of its processes was killed for memory; `patience` in seconds."""
        return self._here and self._killing().seen(patience)

    def crowded(self, *, ask: bool) -> str | None:
        """What shows that it was refused another process; `ask` the engine where nothing else."""
        self.killed()
        if self._here:
            refusals = self._refusing()
            if refusals.seen or not ask:
                return refusals.words()
        return usage.crowd(self._stats()) if ask else None

    def measured(self, *, ask: bool) -> Measured:
        """What it has used so far."""
        if self._meter is None:
            self._meter = Meter(self._container if self._here else None)
        self._meter.look()
        if ask:
            self._meter.hear(self._stats())
        return self._meter.last

    def cpu_seconds(self) -> float:
        return usage.cpu_seconds(self._stats())

    def close(self) -> None:
        for one in (self._kills, self._meter, self._refusals):
            if one is not None:
                one.close()
        self._kills = self._meter = self._refusals = None

    def _stats(self) -> usage.Stats:
        return usage.stats(self._wire, self._container)

    def _killing(self) -> usage.Kills:
        if self._kills is None or not self._kills.opened:
            self._kills = usage.Kills(self._container)
        return self._kills

    def _refusing(self) -> Refusals:
        if self._refusals is None:
            self._refusals = Refusals(self._container)
        return self._refusals
