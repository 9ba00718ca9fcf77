"""Volumes of the local driver: made with their labels, listed by them, and removed."""

from __future__ import annotations

import json

from outrig.core.engine import Volume
from outrig.core.naming import LABEL_ROOT, LABEL_SESSION
from outrig.engine import removal
from outrig.engine.failure import refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from outrig.engine.wire import Wire


def make(wire: Wire, name: str, options: Mapping[str, str], labels: Mapping[str, str]) -> None:
    """Nothing is mounted before a container starts with it."""
    body = {"Name": name, "Driver": "local", "DriverOpts": dict(options), "Labels": dict(labels)}
    answer = wire.call("POST", "/volumes/create", body=body)
    if not answer.fine:
        raise refusal(answer, "make the volume")


def remove(wire: Wire, name: str) -> None:
    """Gone already is no error."""
    removal.remove(wire, f"/volumes/{name}", "the volume")


def listed(wire: Wire, root: str) -> Sequence[Volume]:
    filters = json.dumps({"label": [f"{LABEL_ROOT}={root}"]})
    answer = wire.call("GET", "/volumes", query={"filters": filters})
    if not answer.fine:
        raise refusal(answer, "list its volumes")
    return [
        Volume(name=one["Name"], session=(one.get("Labels") or {}).get(LABEL_SESSION, ""))
        for one in answer.json().get("Volumes") or ()
    ]
