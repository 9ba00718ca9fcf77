"""What an engine says while it builds or pulls: a stream of JSON objects, made into lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from outrig.errors import EngineUnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MEGABYTE = 1_000_000
LONGEST = 16 * 1024 * 1024  # bytes of one object; a RUN may print a line without an end


def events(pieces: Iterable[bytes]) -> Iterator[Mapping[str, Any]]:
    """The objects, each as soon as it is whole."""
    held = b""
    for piece in pieces:
        *whole, held = (held + piece).split(b"\n")
        if len(held) > LONGEST:
            raise EngineUnreachableError("the engine sends a message without an end")
        yield from map(_parsed, filter(bytes.strip, whole))
    if held.strip():
        yield _parsed(held)


def _parsed(line: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise EngineUnreachableError(f"the engine's progress is not JSON: {error}") from error
    return found if isinstance(found, dict) else {}


class Transfer:
    """Layers on their way: a line for each tenth of all that is known to come."""

    def __init__(self) -> None:
        self._layers: dict[str, tuple[int, int]] = {}
        self._told = -1

    def line(self, event: Mapping[str, Any]) -> str | None:
        """What is new in an event, if it is worth a line."""
        status, layer = event.get("status"), str(event.get("id", ""))
        if not isinstance(status, str):
            return None
        detail = event.get("progressDetail")
        if status == "Downloading" and isinstance(detail, dict) and detail.get("total"):
            self._layers[layer] = (int(detail.get("current", 0)), int(detail["total"]))
            return self._sum()
        if status == "Download complete" and layer in self._layers:
            self._layers[layer] = (self._layers[layer][1],) * 2
            return self._sum()
        return None if layer else status  # of a layer, only its bytes tell something

    def _sum(self) -> str | None:
        here = sum(current for current, _ in self._layers.values())
        total = sum(size for _, size in self._layers.values())
        tenth = here * 10 // total
        if tenth == self._told:
            return None
        self._told = tenth
        return f"{here / MEGABYTE:.1f} of {total / MEGABYTE:.1f} MB"
