"""`outrig secrets`: names and places, never values."""

from __future__ import annotations

import json

import pytest

VALUE = "s3cr3t-of-the-test"
CONFIG = f"""\
[secrets.model]
from = "env:MODEL_KEY"
api = "openai"
agents = ["codex"]

[secrets.forge]
from = "command:printf {VALUE[:4]}"
as = "env"
"""


@pytest.fixture
def configured(home):
    file = home.config / "outrig/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(CONFIG)


@pytest.mark.usefixtures("configured")
def test_list_says_where_they_are_and_go(outrig):
    lines = outrig("secrets", "list").ok().out.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [
        ["forge", "env", "command:printf"],
        ["model", "broker", "env:MODEL_KEY"],
    ]
    assert "codex" in lines[2]
    assert "https://api.openai.com" in lines[2]


@pytest.mark.usefixtures("configured")
def test_check_says_whether_they_can_be_had_and_never_what_they_are(outrig):
    done = outrig("secrets", "check", "--json").failed(1)
    assert json.loads(done.out) == [
        {"name": "forge", "ok": True, "why": None},
        {"name": "model", "ok": False, "why": "MODEL_KEY is not set"},
    ]
    fine = outrig("secrets", "check", env={"MODEL_KEY": VALUE}).ok()
    assert VALUE not in fine.out + fine.err
    assert VALUE[:4] not in fine.out + fine.err


@pytest.mark.usefixtures("configured")
def test_a_name_that_is_none(outrig):
    assert "no secret other" in outrig("secrets", "check", "other").failed(2).err
