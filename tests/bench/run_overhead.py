"""What a recorded session costs over the bare container: `outrig run` against `docker run --rm`.

python -m tests.bench.run_overhead   target: at most 1.3 times docker, with the very same settings
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import docker

from outrig.core.config import Config
from outrig.engine import connect
from outrig.engine.container import OPEN_FILES, SHARED_MEMORY
from tests import images
from tests.bench.timing import OUTRIG, medians

TARGET = 1.3
ROUNDS = 10
# Standard input and error are nobody's, for both alike: outrig says what it does on the latter.
QUIET = ("sh", "-c", 'exec "$@" </dev/null 2>/dev/null', "sh")


def docker_run(image: str, work: Path, top: Path) -> tuple[str, ...]:
    limits = Config().limits
    engine = connect(None, env=os.environ, home=top, cache=top / "asked", slots=top / "slots")
    facts = engine.facts()
    engine.close()
    memory = facts.memory * 8 // 10
    files = min(OPEN_FILES, facts.open_files or OPEN_FILES)
    return (
        *("docker", "run", "--rm", "--init", "--network=none", "--restart=no", "--workdir=/work"),
        *("--cap-drop=ALL", "--security-opt=no-new-privileges", f"--pids-limit={limits.pids}"),
        *(f"--user={os.getuid()}:{os.getgid()}", f"--shm-size={SHARED_MEMORY}"),
        *(f"--memory={memory}", f"--memory-swap={memory}"),
        *("--ulimit=core=0", f"--ulimit=nofile={files}:{files}"),
        *("--log-driver=local", f"--log-opt=max-size={limits.log_bytes}"),
        *("--log-opt=max-file=1", "--log-opt=compress=false"),
        *(f"--mount=type=bind,source={work},target=/work", image, "true"),
    )


def main() -> int:
    client = docker.from_env(timeout=120)
    image = images.busybox(client)
    client.close()
    with tempfile.TemporaryDirectory() as top:
        work = Path(top) / "work"
        work.mkdir()
        env = {
            "HOME": top,
            **dict.fromkeys(("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"), ""),
            "OUTRIG_WORKSPACE__PATH": str(work),
        }
        commands = {
            "docker run": (*QUIET, *docker_run(image, work, Path(top))),
            "outrig run": (
                *QUIET,
                *(*OUTRIG, "run", "--image", image, "--network", "none", "--", "true"),
            ),
        }
        found = medians(commands, rounds=ROUNDS, env=env)
    ratio = found["outrig run"] / found["docker run"]
    for name, median in found.items():
        sys.stdout.write(f"{name:<12} {median:7.1f} ms\n")
    sys.stdout.write(f"{'ratio':<12} {ratio:7.2f}\n")
    return int(ratio > TARGET)


if __name__ == "__main__":
    sys.exit(main())
