"""What a session's network costs: its start, and what goes through a gateway against a bridge.

python -m tests.bench.network   targets: filter starts at most 0.6 s after open; half of a plain
                                bridge's throughput

The start of `open` is held against `bridge`, that of `filter` against `open`. What goes through
is measured on the test internet, by the same program in a plain container beside the server.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import docker

from tests import images
from tests.bench.timing import environment, show, spent
from tests.bench.yardstick import QUIET, yard
from tests.internet import Internet, internet

MOST_START = 600.0  # ms
LEAST_THROUGHPUT = 0.5
ROUNDS = 5
MODES = ("none", "bridge", "open", "filter")

# Bytes a second, milliseconds from dialling to the first byte back, connections a second.
CLIENT = """
import json, socket, statistics, sys, time
from concurrent.futures import ThreadPoolExecutor
host, size = sys.argv[1], 512 << 20
def throughput():
    begun = time.perf_counter()
    with socket.create_connection((host, 19)) as line:
        line.sendall(b"%d\\n" % size)
        view, left = memoryview(bytearray(1 << 20)), size
        while left > 0:
            left -= line.recv_into(view)
    return size / (time.perf_counter() - begun)
def latency(_):
    begun = time.perf_counter()
    with socket.create_connection((host, 7)) as line:
        line.sendall(b"1\\n")
        line.recv(10)
    return (time.perf_counter() - begun) * 1000
socket.getaddrinfo(host, 7)
found = {"throughput": max(throughput() for _ in range(3))}
found["latency"] = statistics.median(latency(0) for _ in range(200))
begun = time.perf_counter()
with ThreadPoolExecutor(16) as pool:
    list(pool.map(latency, range(1000)))
found["connections"] = 1000 / (time.perf_counter() - begun)
print(json.dumps(found), flush=True)
time.sleep(float(sys.argv[2]))
"""


def main() -> int:
    with yard() as here:
        commands = {
            mode: (*QUIET, *here.outrig("true", options=("--network", mode))) for mode in MODES
        }
        found = spent(commands, rounds=ROUNDS, env=here.env)
    show(found, "none")
    start = statistics.median(found["filter"].wall) - statistics.median(found["open"].wall)
    _say(f"filter after open: {start:.0f} ms")
    client = docker.from_env(timeout=120)
    with tempfile.TemporaryDirectory() as top:
        image = images.debian(client)
        with internet(client, image, Path(top) / "content") as net:
            plain = _plain(client, image, net)
            gated, memory = _gated(client, image, net, Path(top))
    client.close()
    for name, unit, scale in (
        ("throughput", "MiB/s", 1 << 20),
        ("latency", "ms", 1),
        ("connections", "/s", 1),
    ):
        ratio = gated[name] / plain[name]
        _say(f"{name:<12} {gated[name] / scale:8.1f} {unit:<6} {ratio:5.2f} of a plain bridge")
    _say(f"{'memory':<12} {memory / (1 << 20):8.1f} MiB    of the gateway")
    share = gated["throughput"] / plain["throughput"]
    return int(start > MOST_START or share < LEAST_THROUGHPUT)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _plain(client: docker.DockerClient, image: str, net: Internet) -> dict[str, float]:
    command = ["python3", "-c", CLIENT, net.good, "0"]
    said = client.containers.run(image, command, network=net.network, remove=True)
    found: dict[str, float] = json.loads(said)
    return found


def _gated(
    client: docker.DockerClient, image: str, net: Internet, top: Path
) -> tuple[dict[str, float], int]:
    """And the gateway's memory, once all that has gone through it."""
    config = top / "config.toml"
    config.write_text(net.config)
    work = top / "work"
    work.mkdir()
    command = (
        *(sys.executable, "-P", "-m", "outrig", "run", "--global-config", config, "--image", image),
        *("--network", "filter", "--allow", "good.example"),
        *("--", "python3", "-c", CLIENT, "good.example", "8"),
    )
    env = environment({"HOME": str(top)}, str(top / "compiled"))
    with subprocess.Popen(command, cwd=work, env=env, stdout=subprocess.PIPE) as session:
        assert session.stdout
        found: dict[str, float] = json.loads(session.stdout.readline())
        (gateway,) = client.containers.list(
            filters={"label": "org.outrig.role=gateway", "network": net.network}
        )
        stats: Any = gateway.stats(stream=False)
        memory = int(stats["memory_stats"]["usage"])
    return found, memory


if __name__ == "__main__":
    sys.exit(main())
