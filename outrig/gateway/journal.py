"""The journal: one JSON line per connection or refusal, for `logs/network.jsonl`.

The same refusal within a second is one line with a count; a session cannot fill the disk with
it: so many lines a second, so many bytes in all, and what was left out is counted. What stands in
a name or a path of the session's secrets is taken out, also as names are written, in small letters.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from outrig.core.redact import Redaction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REFUSALS_A_SECOND = 100  # different ones; further ones are one line with their number
MOST_BYTES = 64 * 1024 * 1024
_OURS = ("rule", "proto")  # words of ours and of the policy


class Journal:
    """Lines appended to a descriptor. `now` and `later(seconds, call)` are the loop's."""

    def __init__(
        self,
        descriptor: int,
        later: Callable[[float, Callable[[], None]], Any],
        *,
        most: int = MOST_BYTES,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        secrets: Mapping[str, str] = {},
    ) -> None:
        self._fd = descriptor
        self._later = later
        self._room = most - os.fstat(descriptor).st_size
        self._now = now
        small = {name: value.lower() for name, value in secrets.items()}
        self._redactions = (Redaction(secrets), Redaction(small)) if secrets else ()
        self._refusals: dict[tuple[tuple[str, Any], ...], tuple[datetime, int]] = {}
        self._crowd = 0
        self.dropped = 0

    def connection(self, **facts: Any) -> None:
        """A connection that was allowed, once it is over."""
        said = self._cleaned(facts)
        self._write({"time": _text(self._now()), "verdict": "allowed", **said})

    def refused(self, **facts: Any) -> None:
        """A connection, request or name that was not."""
        if not self._refusals and not self._crowd:
            self._later(1.0, self.flush)
        key = tuple(self._cleaned(facts).items())
        if key in self._refusals:
            at, count = self._refusals[key]
            self._refusals[key] = at, count + 1
        elif len(self._refusals) < REFUSALS_A_SECOND:
            self._refusals[key] = self._now(), 1
        else:
            self._crowd += 1

    def _cleaned(self, facts: dict[str, Any]) -> dict[str, Any]:
        if not self._redactions:
            return facts
        cleaned = dict(facts)
        for name, said in facts.items():
            if isinstance(said, str) and name not in _OURS:
                for redaction in self._redactions:
                    cleaned[name] = redaction.text(cleaned[name])
        return cleaned

    def flush(self) -> None:
        """Write what was refused in the last second."""
        refusals, crowd = self._refusals, self._crowd
        self._refusals, self._crowd = {}, 0
        for key, (at, count) in refusals.items():
            self._write({"time": _text(at), "verdict": "refused", **dict(key), "count": count})
        if crowd:
            facts = {"verdict": "refused", "rule": "too many to tell", "count": crowd}
            self._write({"time": _text(self._now()), **facts})

    def _write(self, facts: dict[str, Any]) -> None:
        line = json.dumps({name: value for name, value in facts.items() if value is not None})
        data = f"{line}\n".encode()
        if len(data) > self._room:
            self.dropped += 1
            return
        self._room -= len(data)
        os.write(self._fd, data)

    def close(self) -> None:
        """The last lines; how many there was no room for is one of them."""
        self.flush()
        if self.dropped:
            self._room = 1 << 10
            self._write(
                {"time": _text(self._now()), "verdict": "unrecorded", "count": self.dropped}
            )


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
