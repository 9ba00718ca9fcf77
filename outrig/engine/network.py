"""Networks of sessions: made with their labels, joined, listed by them, and removed by id.

Such a network has no address on this machine: an internal one alone still reaches every service
here that is bound to 0.0.0.0 (tried). Its addresses are chosen by us, because the engine's own
pools have room for thirty networks.
"""

from __future__ import annotations

import json

from outrig.core.engine import Network
from outrig.core.naming import LABEL_ROOT, LABEL_SESSION
from outrig.engine import removal
from outrig.engine.failure import refusal
from outrig.errors import AddressesTakenError, NetworkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from outrig.core.engine import Ref
    from outrig.engine.wire import Wire

INHIBIT = "com.docker.network.bridge.inhibit_ipv4"
# 403: Pool overlaps with other one on this address space
_OVERLAP = "overlaps"


def make(wire: Wire, name: str, addresses: str, labels: Mapping[str, str]) -> str:
    """Its id. Raises AddressesTakenError, or NetworkError when the engine refuses."""
    body = {
        "Name": name,
        "Driver": "bridge",
        "Internal": True,
        "Attachable": False,
        "EnableIPv6": False,
        "IPAM": {"Config": [{"Subnet": addresses}]},
        "Options": {INHIBIT: "true"},
        "Labels": dict(labels),
    }
    answer = wire.call("POST", "/networks/create", body=body)
    if not answer.fine and _OVERLAP in answer.message:
        raise AddressesTakenError(f"another network has addresses of {addresses}")
    if not answer.fine:
        raise NetworkError(
            f"the engine refused to make the session's network: {answer.message}",
            hint="--network none, or bridge, needs none",
        )
    return str(answer.json()["Id"])


def join(wire: Wire, network: str, ref: Ref, address: str) -> None:
    """Give a container that has not started a second leg."""
    endpoint = {"IPAMConfig": {"IPv4Address": address}}
    body = {"Container": ref.id, "EndpointConfig": endpoint}
    answer = wire.call("POST", f"/networks/{network}/connect", body=body)
    if not answer.fine:
        raise refusal(answer, "join the session's network")


def remove(wire: Wire, network: str) -> None:
    """Gone already is no error."""
    # 403: has active endpoints, for a moment, while its last container goes.
    removal.remove(wire, f"/networks/{network}", "the session's network", busy="active endpoints")


def listed(wire: Wire, root: str) -> Sequence[Network]:
    filters = json.dumps({"label": [f"{LABEL_ROOT}={root}"]})
    answer = wire.call("GET", "/networks", query={"filters": filters})
    if not answer.fine:
        raise refusal(answer, "list its networks")
    return [
        Network(
            id=str(one["Id"]),
            name=str(one["Name"]),
            session=(one.get("Labels") or {}).get(LABEL_SESSION, ""),
        )
        for one in answer.json()
    ]
