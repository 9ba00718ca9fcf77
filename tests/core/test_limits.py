from __future__ import annotations

import tomllib

import pytest

from outrig.core import secrets
from outrig.core.cascade import resolve
from outrig.core.layer import Layer, Source
from outrig.core.limits import told, uncounted
from outrig.core.session import Session


@pytest.mark.parametrize(
    ("limit", "flag"),
    [
        ("pids", "--pids"),
        ("memory", "--memory"),
        ("wall", "--timeout"),
        ("idle", "--idle-timeout"),
    ],
)
def test_each_is_told_with_what_raises_it(limit, flag):
    session = Session({"limits_hit": [{"limit": limit, "evidence": "seen"}]})
    assert list(told(session)) == [f"limits.{limit} was hit: seen; more with {flag}"]


@pytest.mark.parametrize("hits", [None, [], [{"limit": "log_bytes"}], ["x"], [{"limit": None}]])
def test_what_others_tell_is_not_told_here(hits):
    assert list(told(Session({"limits_hit": hits}))) == []


MINE = '[secrets.mine]\nfrom = "env:X"\napi = "openai"\n'


@pytest.mark.parametrize(
    ("agent", "flag", "brokered", "said"),
    [
        ("codex", False, False, True),
        ("codex", True, False, True),
        ("codex", True, True, False),
        (None, False, False, False),  # the user's own config is for agents
        (None, True, False, True),
        (None, True, True, False),
    ],
)
def test_a_limit_on_models_that_nobody_counts_for_is_told_of(agent, flag, brokered, said):
    layer = Layer(
        source=Source.GLOBAL,
        values=tomllib.loads(f"limits.model-tokens = 5\n{MINE}"),
        where={},
        base="/",
        file="c.toml",
    )
    config = resolve([layer], home="/home/me").config
    given = secrets.given(config.secrets, agent, "filter" if brokered else "open")
    origins = {"limits.model-tokens": "--model-tokens" if flag else "c.toml:1"}
    found = list(uncounted(config, given, agent, origins))
    assert [one.partition(" is not kept")[0] for one in found] == ["limits.model-tokens"] * said
