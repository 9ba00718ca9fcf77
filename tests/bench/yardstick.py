"""`docker run` with the very settings of a session, and `outrig run` of the same command.

Both have a workspace of their own to mount; standard input and error are nobody's, for both
alike: outrig says what it does on the latter.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import docker

from outrig.core.config import Config
from outrig.engine import connect
from tests import images
from tests.bench.timing import OUTRIG

if TYPE_CHECKING:
    from collections.abc import Iterator

Words = tuple[str, ...]

QUIET: Words = ("sh", "-c", 'exec "$@" </dev/null 2>/dev/null', "sh")


class Yard(NamedTuple):
    """`env` gives outrig a home and a root of its own; `work` is what both mount."""

    image: str
    work: Path
    env: dict[str, str]
    settings: Words
    log: Words

    def outrig(self, *command: str, options: Words = ()) -> Words:
        fixed = ("--image", self.image, "--network", "none")
        return (*OUTRIG, "run", *fixed, *options, "--", *command)

    def docker(self, *command: str) -> Words:
        """With the same settings, the log driver's included."""
        return ("docker", "run", *self.settings, *self.log, self.image, *command)

    def docker_plain(self, *command: str) -> Words:
        """With the engine's own log driver: json-file, as people have it."""
        mount = self.settings[-1]
        return ("docker", "run", "--rm", mount, "--log-driver=json-file", self.image, *command)


@contextmanager
def yard() -> Iterator[Yard]:
    client = docker.from_env(timeout=120)
    image = images.busybox(client)
    client.close()
    with tempfile.TemporaryDirectory() as top:
        work = Path(top) / "work"
        work.mkdir()
        unset = dict.fromkeys(("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"), "")
        env = {"HOME": top, **unset, "OUTRIG_WORKSPACE__PATH": str(work)}
        log = (
            *("--log-driver=local", f"--log-opt=max-size={Config().limits.log_bytes}"),
            *("--log-opt=max-file=1", "--log-opt=compress=false"),
        )
        yield Yard(image, work, env, _settings(work, Path(top)), log)


def _settings(work: Path, top: Path) -> Words:
    engine = connect(None, env=os.environ, home=top, cache=top / "asked", slots=top / "slots")
    facts = engine.facts()
    engine.close()
    memory = facts.memory * 8 // 10
    limits = Config().limits
    files = min(limits.open_files, facts.open_files or limits.open_files)
    return (
        *("--rm", "--init", "--network=none", "--restart=no", "--workdir=/workspace"),
        *("--cap-drop=ALL", "--security-opt=no-new-privileges"),
        *(f"--pids-limit={limits.pids}", f"--shm-size={limits.shm}"),
        *(f"--user={os.getuid()}:{os.getgid()}", f"--memory={memory}", f"--memory-swap={memory}"),
        *("--ulimit=core=0", f"--ulimit=nofile={files}:{files}"),
        f"--mount=type=bind,source={work},target=/workspace",
    )
