"""Claude Code, Codex and aider themselves, as a user runs them, against a model of our own.

Each is asked to write a file and to run it. What counts is what is found afterwards: the file and
its output in the workspace, owned by the workspace's owner, the agent's words in the log, and a
record that says the same. `.ci/agents` installs the three; they run in the `host` image, and the
model listens on the bridge's gateway, which is this machine as a container sees it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.bridge import this_machine
from tests.model_server import ModelServer, Script, serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import docker

    from tests.conftest import Finished, Home, Outrig

pytestmark = [pytest.mark.docker, pytest.mark.agents, pytest.mark.timeout(150)]

KEY = "sk-test-0123456789abcdefghijklmnopqrstuvwxyz"
PROMPT = "- write hello.py and run it"  # like an option, and it is none
SCRIPT = Script()
_WHO = ("NAME", "EMAIL")
OWNER = 1234 if os.geteuid() == 0 else os.geteuid()


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How a user points an agent at another model: `{url}` is where ours listens."""

    variables: Mapping[str, str]
    words: tuple[str, ...]
    path: str
    header: str = "authorization"


SETUPS = {
    "claude": Setup(
        variables={"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": "{url}"},
        words=("--model", "the-model-asked-for"),
        path="/v1/messages",
        header="x-api-key",
    ),
    "codex": Setup(
        variables={"OPENAI_API_KEY": KEY},
        words=("-c", 'model_providers.openai-key.base_url="{url}/v1"'),
        path="/v1/responses",
    ),
    # aider runs nothing of its own accord: what is to run is its test.
    "aider": Setup(
        variables={"OPENAI_API_KEY": KEY, "OPENAI_API_BASE": "{url}/v1"},
        words=("--auto-test", "--test-cmd", SCRIPT.command),
        path="/v1/chat/completions",
    ),
}


@pytest.fixture
def model(engine_client: docker.DockerClient) -> Iterator[ModelServer]:
    with serving(host=this_machine(engine_client), script=SCRIPT) as server:
        yield server


@pytest.fixture
def repository(outrig: Outrig) -> Path:
    git = ("git", "-c", "user.name=A", "-c", "user.email=a@example.org")
    for words in (("init", "--quiet"), ("commit", "--quiet", "--allow-empty", "-m", "Begin")):
        subprocess.run([*git, *words], cwd=outrig.cwd, check=True)
    return outrig.cwd


@pytest.fixture
def workspace(repository: Path) -> Path:
    """A git repository that is not root's, whoever runs the tests."""
    for path in (repository, *repository.rglob("*")):
        os.chown(path, OWNER, -1)
    return repository


@pytest.fixture
def installed(agent: str) -> None:
    if shutil.which(agent, path="/usr/local/bin:/usr/bin") is None:
        pytest.fail(f"{agent} is not in /usr: run .ci/agents as root, or pytest -m 'not agents'")


def run(outrig: Outrig, agent: str, model: ModelServer, *options: str) -> Finished:
    setup = SETUPS[agent]
    variables = {name: value.format(url=model.url) for name, value in setup.variables.items()}
    words = [word.format(url=model.url) for word in setup.words]
    # The scripted model is this machine, which a session reaches by the bridge alone.
    arguments = ("--network", "bridge", *options, "--agent", agent, "-p", PROMPT, "--", *words)
    return outrig("run", *arguments, env=variables, timeout=120)


def only_session(root: Path) -> Path:
    (found,) = (path for path in root.iterdir() if not path.name.startswith("."))
    return found


@pytest.mark.parametrize("agent", SETUPS)
@pytest.mark.usefixtures("installed")
def test_it_works_in_a_session(
    agent: str, outrig: Outrig, model: ModelServer, workspace: Path, session_root: Path
) -> None:
    done = run(outrig, agent, model).ok()

    made, output = workspace / SCRIPT.file, workspace / "ran.txt"
    assert made.read_text() == SCRIPT.text
    assert output.read_text() == "made by the agent\n"
    assert {path.stat().st_uid for path in (made, output, *workspace.rglob("*"))} == {OWNER}

    session = only_session(session_root)
    assert SCRIPT.closing in done.out
    assert (session / "logs/stdout.log").read_bytes() == done.stdout

    record = json.loads((session / "session.json").read_text())
    expected = {
        "status": "completed",
        "reason": "exit",
        "exit_code": 0,
        "agent_exit_code": 0,
        "agent_name": agent,
        "task": PROMPT,
        "image_config_name": "host",
    }
    assert {key: record.get(key) for key in expected} == expected
    assert set(SETUPS[agent].variables) <= set(record["env_names"])
    assert KEY not in json.dumps(record)


@pytest.mark.parametrize("agent", SETUPS)
@pytest.mark.usefixtures("installed", "workspace")
def test_prompt_key_and_words_reach_the_model(
    agent: str, outrig: Outrig, model: ModelServer
) -> None:
    run(outrig, agent, model).ok()
    setup = SETUPS[agent]
    asked = [one for one in model.requests if one.path.partition("?")[0] == setup.path]
    assert all(KEY in one.headers[setup.header] for one in asked)
    assert PROMPT in json.dumps(asked[0].body)
    if "the-model-asked-for" in setup.words:
        assert {one.body["model"] for one in asked} == {"the-model-asked-for"}


@pytest.mark.parametrize("agent", SETUPS)
@pytest.mark.usefixtures("installed")
def test_it_works_with_a_key_that_it_never_sees(  # noqa: PLR0917 - fixtures
    agent: str, outrig: Outrig, model: ModelServer, workspace: Path, session_root: Path, home: Home
) -> None:
    """No route of its own leads to the model; the broker adds the key, and counts the tokens."""
    api = {"claude": "anthropic"}.get(agent, "openai")
    words = () if agent == "codex" else SETUPS[agent].words  # which say where: the broker does
    config = home.config / "outrig/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(
        f'[secrets.model]\nfrom = "env:THE_KEY"\napi = "{api}"\nupstream = "{model.url}"\n'
        'paths = ["/v1/"]\n[network]\nallow = []\n'
    )
    arguments = ("run", "--agent", agent, "-p", PROMPT, "--", *words)
    outrig(*arguments, env={"THE_KEY": KEY}, timeout=60).ok()

    assert (workspace / "ran.txt").read_text() == "made by the agent\n"
    setup = SETUPS[agent]
    asked = [one for one in model.requests if one.path.partition("?")[0] == setup.path]
    assert asked
    assert all(one.headers[setup.header].endswith(KEY) for one in asked)
    session = only_session(session_root)
    for path in session.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert KEY.encode() not in path.read_bytes(), path
    lines = [json.loads(one) for one in (session / "logs/network.jsonl").read_text().splitlines()]
    brokered = [one for one in lines if one.get("rule") == "secret model"]
    assert sum(one.get("tokens", 0) for one in brokered) == 120 * len(asked)
    reached = [one for one in lines if one["verdict"] == "allowed" and one["proto"] != "broker"]
    assert not reached


@pytest.mark.parametrize("agent", SETUPS)
@pytest.mark.usefixtures("installed", "workspace")
def test_resumed_it_goes_on_with_the_conversation(
    agent: str, outrig: Outrig, model: ModelServer
) -> None:
    run(outrig, agent, model).ok()
    setup = SETUPS[agent]
    before = len(model.requests)
    variables = {name: value.format(url=model.url) for name, value in setup.variables.items()}
    outrig("resume", "@last", "-p", "- now say goodbye", env=variables, timeout=120).ok()
    asked = [
        json.dumps(one.body)
        for one in model.requests[before:]
        if one.path.partition("?")[0] == setup.path
    ]
    both = [body for body in asked if PROMPT in body and "- now say goodbye" in body]
    assert both, asked
    assert any(SCRIPT.closing in body for body in both)  # what it answered then


@pytest.mark.parametrize("agent", ["claude"])
@pytest.mark.usefixtures("installed")
def test_what_it_did_is_looked_at_and_taken_over(
    agent: str, outrig: Outrig, model: ModelServer, repository: Path
) -> None:
    made = {SCRIPT.file, "ran.txt"}
    run(outrig, agent, model, "--workspace", "worktree").ok()
    assert not made & {path.name for path in repository.iterdir()}

    assert set(outrig("diff", "--name-only").ok().out.splitlines()) == made
    assert f"+{SCRIPT.text.splitlines()[0]}" in outrig("diff").ok().out.splitlines()

    who = {f"GIT_{role}_{key}": "a@b" for role in ("AUTHOR", "COMMITTER") for key in _WHO}
    commit = outrig("accept", "@last", env=who).ok().out.strip()
    assert (repository / SCRIPT.file).read_text() == SCRIPT.text
    assert (repository / "ran.txt").read_text() == "made by the agent\n"
    told = subprocess.run(
        ["git", "log", "-1", "--format=%H %s"],
        cwd=repository,
        check=True,
        capture_output=True,
        text=True,
    )
    assert told.stdout.strip() == f"{commit} {PROMPT}"


@pytest.mark.parametrize("agent", SETUPS)
def test_without_a_key_nothing_starts(agent: str, outrig: Outrig, home: Home) -> None:
    bare = {name: "" for name in os.environ if name.endswith(("_API_KEY", "_TOKEN"))}
    done = outrig("run", "--agent", agent, "-p", PROMPT, env=bare)
    assert done.code == 125
    assert next(iter(SETUPS[agent].variables)) in done.err
    assert not home.sessions.exists()
