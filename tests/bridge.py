"""The engine's default bridge, as this machine is seen from it."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import docker


def this_machine(engine: docker.DockerClient) -> str:
    """Its address there. Engine 20.10 names the gateway only sometimes; it is the first one."""
    config = engine.networks.get("bridge").attrs["IPAM"]["Config"][0]
    return config.get("Gateway") or str(ipaddress.ip_network(config["Subnet"])[1])
