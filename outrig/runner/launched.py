"""Launched: a started session, as whoever follows it holds it."""

from __future__ import annotations

from outrig.core.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from outrig.core.engine import Ref
    from outrig.engine import Attached, Engine
    from outrig.record.log import Recorder
    from outrig.record.redact import Redacting
    from outrig.store.creation import Held


@frozen
class Launched:
    """A started session, to be followed to its end. `wall` and `grace` are seconds."""

    engine: Engine
    held: Held
    ref: Ref
    attempt: str
    tty: bool
    stdin: bool
    output: Attached
    recorder: Recorder
    begun: float  # when it started, by time.monotonic()
    wall: float | None
    idle: float | None
    grace: float
    control: Path  # the directory of its control socket
    redacting: Redacting | None = None  # what is looked for in all that it says
    taken_up: bool = False  # whoever followed it first died: an input may have been cut short
