"""Secrets are searched for wherever something of a session is kept, while it runs and after it.

Each value in all the forms that core/redact.py knows: in what the engine says of containers,
networks and images and in its event log, in its data directory, in the layer and in a commit of
the container, in the session's directory and in the command lines of the whole machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from outrig.core.redact import forms
from tests.bridge import this_machine
from tests.cli.conftest import until
from tests.model_server import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient

    from tests.cli.conftest import Run
    from tests.conftest import Home, Outrig

pytestmark = pytest.mark.docker

MARK = os.urandom(5).hex()  # what runs beside this has others
VALUES = {
    "model": f"sk-absent-ModelModelModel-{MARK}",
    "forge": f"ghp_absent/Forge+Forge=Forge{MARK}",
    "token": f"tok-absent \"Token\" Token 'Token' {MARK}",
    "agent-key": f"sk-absent-AgentAgentAgent-{MARK}",  # as an agent finds it
}
KEPT = ("model", "forge", "token")  # where the configuration says
CONFIG = """\
[secrets.model]
from = "file:{keys}/model"
upstream = "{url}"

[secrets.forge]
from = "file:{keys}/forge"

[secrets.token]
from = "file:{keys}/token"
as = "env"

[agents.shell]
command = ["sh", "-c", "{{prompt}}"]
env-any-of = ["AGENT_KEY"]
"""
USE = """
cat "$FORGE_FILE"
echo "$TOKEN" "$AGENT_KEY"
[ -z "$MODEL_BASE_URL" ] || curl -s "$MODEL_BASE_URL/echo"
env
getent hosts "$AGENT_KEY.example"
sleep 2 &
touch using
until [ -e go ]; do sleep 0.1; done
"""


def found_in(data: bytes) -> list[str]:
    return [name for name, value in VALUES.items() if any(one in data for one in forms(value))]


def files_with_any(tops: list[Path]) -> list[str]:
    """By grep, which is quick; exit code 1 is that there are none."""
    patterns = b"\n".join(one for value in VALUES.values() for one in forms(value))
    done = subprocess.run(
        ["grep", "-rlaF", "--devices=skip", "-f", "-", *map(str, tops)],
        input=patterns,
        capture_output=True,
        check=False,
    )
    assert done.returncode in (0, 1, 2), done.stderr  # 2: a file went meanwhile
    return done.stdout.decode().splitlines()


def command_lines() -> bytes:
    lines = b""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines += path.read_bytes()
        except OSError:
            continue
    return lines


@pytest.fixture(params=["filter", "bridge"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def running(  # noqa: PLR0917 - fixtures
    outrig: Outrig, run: Run, home: Home, engine_client: DockerClient, tmp_path: Path, mode: str
) -> Iterator[str]:
    """A session that has all of them, each in its way, and has used them; its id."""
    keys = tmp_path / "keys"
    keys.mkdir()
    for name in KEPT:
        (keys / name).write_text(VALUES[name])
    engine_client.networks.get("bridge").reload()
    with serving(host=this_machine(engine_client)) as model:
        file = home.config / "outrig/config.toml"
        file.parent.mkdir(parents=True)
        file.write_text(CONFIG.format(keys=keys, url=model.url))
        options = ("run", "-d", "--image", "host", "--network", mode, "--agent", "shell", "-p", USE)
        run.outrig(*options, env={**run.env, "AGENT_KEY": VALUES["agent-key"]}).ok()
        until((outrig.cwd / "using").exists, "the session to have used them")
        went = [one.headers.get("authorization", "") for one in model.requests]
        assert any(one.endswith(VALUES["model"]) for one in went) == (mode == "filter")
        yield run.session.name
        (outrig.cwd / "go").touch()
        run.outrig("wait", run.session.name).ok()
    until(lambda: not run.record()["resources"], "nothing left on the engine")


def test_a_secret_is_nowhere_while_its_session_runs(
    running: str, run: Run, engine_client: DockerClient, tmp_path: Path, mode: str
):
    begun = run.record()["started_at"]
    mine: dict[str, Any] = {"label": f"org.outrig.session={running}"}
    containers = engine_client.containers.list(all=True, filters=mine)
    networks = engine_client.networks.list(filters=mine)
    assert len(containers) == (2 if mode == "filter" else 1)  # with its gateway, or by itself
    api: Any = engine_client.api
    shown = [api.inspect_container(one.id) for one in containers]
    shown += [api.inspect_network(one.id) for one in networks]
    shown += [api.history(one.attrs["Image"]) for one in containers]
    assert found_in(json.dumps(shown, ensure_ascii=False).encode()) == []

    events: Any = engine_client.events(since=since(begun), until=int(time.time()) + 1)
    assert found_in(b"".join(events)) == []
    assert found_in(command_lines()) == []

    agent = next(one for one in containers if one.name == f"outrig-{running}")
    image = agent.commit()
    try:
        made = json.dumps([image.attrs, image.history()], ensure_ascii=False)
        assert found_in(made.encode()) == []
        layers = b"".join(image.save())
        assert found_in(layers) == []
    finally:
        engine_client.images.remove(str(image.id), force=True)

    assert files_with_any([run.session]) == []
    assert len(files_with_any([tmp_path / "keys"])) == len(KEPT)  # what is there is found
    if os.geteuid() == 0:
        root = Path(engine_client.info()["DockerRootDir"])
        assert root.is_dir()
        kept = [path for path in root.iterdir() if path.name not in ("overlay2", "containers")]
        data = [one["GraphDriver"]["Data"] for one in shown[: len(containers)]]
        layers_of = [Path(one["UpperDir"]) for one in data]
        own = [root / "containers" / str(one.id) for one in containers]
        written = files_with_any([*kept, *layers_of, *own])
        # What the session itself printed is in the engine's own log of it, until it has ended.
        assert [path for path in written if "local-logs" not in path] == []


def test_and_after_it(
    running: str, run: Run, outrig: Outrig, engine_client: DockerClient, mode: str
):
    (outrig.cwd / "go").touch()
    run.outrig("wait", running).ok()
    until(lambda: not run.record()["resources"], "nothing left on the engine")
    said = run.log("stdout.log")
    assert found_in(said) == []
    assert b"[REDACTED:forge]" in said
    assert b"[REDACTED:token]" in said
    assert b"[REDACTED:agent-key]" in said
    assert (b"sk-outrig-placeholder-for-model" in said) == (mode == "filter")
    if mode == "filter":
        assert b"[REDACTED:agent-key].example" in run.log("network.jsonl")
    assert files_with_any([run.session, Path(f"/dev/shm/outrig-{os.geteuid()}")]) == []
    for words in (("show", running), ("show", "--json", running), ("logs", running)):
        assert found_in(run.outrig(*words).stdout) == []
    if os.geteuid() == 0:
        containers = Path(engine_client.info()["DockerRootDir"]) / "containers"
        assert files_with_any([containers]) == []


def since(text: str) -> int:
    from outrig.core.moment import parse_time  # noqa: PLC0415 - one use

    at = parse_time(text)
    assert at
    return int(at.timestamp()) - 1
