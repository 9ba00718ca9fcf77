"""Volumes of the local driver: made with their labels, listed by them, and removed."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from outrig.core.engine import Volume
from outrig.core.naming import LABEL_ROOT, LABEL_SESSION
from outrig.engine.failure import CONFLICT, NOT_FOUND, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from outrig.engine.wire import Wire

BUSY_SECONDS = 10.0  # its container has just been removed
PAUSE_SECONDS = 0.05


def make(wire: Wire, name: str, options: Mapping[str, str], labels: Mapping[str, str]) -> None:
    """Nothing is mounted before a container starts with it."""
    body = {"Name": name, "Driver": "local", "DriverOpts": dict(options), "Labels": dict(labels)}
    answer = wire.call("POST", "/volumes/create", body=body)
    if not answer.fine:
        raise refusal(answer, "make the volume")


def remove(wire: Wire, name: str) -> None:
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        answer = wire.call("DELETE", f"/volumes/{name}")
        if answer.fine or answer.status == NOT_FOUND:
            return
        if answer.status != CONFLICT or time.monotonic() > deadline:
            raise refusal(answer, "remove the volume")
        time.sleep(PAUSE_SECONDS)


def listed(wire: Wire, root: str) -> Sequence[Volume]:
    filters = json.dumps({"label": [f"{LABEL_ROOT}={root}"]})
    answer = wire.call("GET", "/volumes", query={"filters": filters})
    if not answer.fine:
        raise refusal(answer, "list its volumes")
    return [
        Volume(name=one["Name"], session=(one.get("Labels") or {}).get(LABEL_SESSION, ""))
        for one in answer.json().get("Volumes") or ()
    ]
