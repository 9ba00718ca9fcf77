"""Attacks on keys: a session's own broker, another session's, and what a session can say of one."""

from __future__ import annotations

import ipaddress
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from outrig.core.redact import forms
from tests.bridge import this_machine
from tests.cli.conftest import until
from tests.model_server import ModelServer, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient

    from tests.conftest import Home

pytestmark = [pytest.mark.docker, pytest.mark.timeout(180)]

TRIES = Path(__file__).with_name("keys.py")
KEY = "sk-red-Model-0123456789-Model"
TOKEN = "tok-red/Token+Token=0123456789"
LIES = ("x-original-url", "x-http-method-override", "x-forwarded-host")
CONFIG = """
[secrets.model]
from = "env:KEY"
upstream = "{url}"
paths = ["/v1/"]

[secrets.token]
from = "env:TOKEN"
as = "env"
"""


@pytest.fixture
def model(home: Home, engine_client: DockerClient) -> Iterator[ModelServer]:
    with serving(host=this_machine(engine_client)) as model:
        file = home.config / "outrig/config.toml"
        file.parent.mkdir(parents=True)
        file.write_text(CONFIG.format(url=model.url))
        yield model


def test_a_key_goes_where_it_is_for_and_nowhere_else(run, model, tell):
    shutil.copy(TRIES, run.work / "keys.py")
    env = {**run.env, "KEY": KEY, "TOKEN": TOKEN}
    quiet = ("run", "-d", "--image", "host", "--network", "filter", "--", "sleep", "120")
    other = run.outrig(*quiet, env=env).ok().out.strip()
    neighbour = json.loads(run.outrig("show", "--json", other).ok().out)
    reach = neighbour["network"]
    told = {
        "model": model.url,
        "other-gateway": reach["gateway"],
        "other-agent": str(ipaddress.ip_address(reach["gateway"]) + 1),
        "half, backwards": KEY[19:2:-1],
    }
    words = ("--", "/usr/bin/python3", "keys.py", json.dumps(told))
    done = run.outrig("run", "--image", "host", "--network", "filter", *words, env=env).ok()
    mine = json.loads(run.outrig("show", "--json").ok().out)
    run.outrig("kill", other).ok()
    run.outrig("wait", other)

    found = json.loads(done.out)
    assert found.pop("a key of its own").startswith("HTTP/1.1 404")  # the model's own answer
    read = found.pop("the key in what it can read")
    for attack, answer in found.items():
        tell(attack, answer, held=True)
    tell("the key in what it can read", read or "nowhere", not read)
    paths = {one.path for one in model.requests}
    # Each session's gateway may have the same address, which then is its own.
    tell("paths that the model heard of", " ".join(sorted(paths)), paths <= {"/v1/x", "/v1/other"})
    heard = Path(neighbour["session_dir"], "logs/network.jsonl").read_text()
    tell("what another session's broker heard", heard or "nothing", not heard)
    methods = {one.method for one in model.requests}
    tell("methods", " ".join(sorted(methods)), methods == {"GET"})
    keys = {one.headers.get("authorization") for one in model.requests}
    tell("keys that it was shown", f"{len(keys)}", keys == {f"Bearer {KEY}"})
    lies = {name for one in model.requests for name in one.headers if name in LIES}
    tell("headers that say otherwise", f"{lies or 'none'}", not lies)
    hosts = {one.headers.get("host") for one in model.requests}
    tell("hosts that it was called", f"{hosts}", hosts == {model.url.removeprefix("http://")})

    session = Path(mine["session_dir"])
    kept = {path: path.read_bytes() for path in session.rglob("*") if path.is_file()}
    said = (*kept.values(), done.stdout, done.stderr)
    for name, value in (("model", KEY), ("token", TOKEN)):
        written = [
            one for one in said for form in (*forms(value), value.lower().encode()) if form in one
        ]
        tell(f"{name} in what is kept and shown", f"{len(written)}", not written)
    shown = done.stderr.count(b"[REDACTED:token]")
    tell("ways to say one, all seen", f"{shown}", shown >= 7)
    until(lambda: not json.loads(run.outrig("show", "--json", other).out)["resources"], "its end")
