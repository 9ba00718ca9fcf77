"""A plan in words: complete, storable, and without any value of the environment."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from outrig.core import environment
from outrig.core.cascade import Resolved
from outrig.core.config import AgentConfig, Config, ImageConfig, LimitsConfig, MountConfig
from outrig.core.config import WorkspaceConfig as Workspace
from outrig.core.description import AT_LAUNCH, as_table, first_record
from outrig.core.draft import draft
from outrig.core.identity import Person
from outrig.core.plan import Place, RunPlan
from outrig.core.request import Request
from outrig.core.streams import Terminal

ADA = Person(uid=1000, gid=1000, name="ada")
AT = datetime(2026, 5, 1, 13, 44, 12, tzinfo=UTC)
ALWAYS = {
    *("id", "started_at", "container_name", "image_tag", "image_config_name"),
    *("working_dir", "schema", "status", "resources"),
}
PLAIN = Request(words=("make", "test"))
# Nothing that a plan says of itself contains such a text by chance.
VALUES = st.text(alphabet="\u00e9\u00fc\u4e16\u754c", min_size=8)


def planned(request: Request, config: Config, flags: tuple[str, ...] = ()) -> RunPlan:
    asked = environment.asked(config, request.agent, flags, {"KEY": "k" * 20, "HOSTED": "h" * 20})
    return draft(
        request,
        Resolved(config=config, origin={"env.A": "/etc/outrig/config.toml:1"}),
        place=Place(root="/w", start="/w/sub", owner=ADA, head="0" * 40, branch="main"),
        caller=ADA,
        terminal=Terminal(),
        env_names=tuple(asked.values),
    )


def record(plan: RunPlan) -> dict[str, object]:
    made = first_record(
        plan, session_id="20260501T134412-3f2a", container_name="outrig-x", at=AT, version="1.2"
    )
    return dict(made.fields)


def test_the_first_record_has_what_every_reader_needs():
    fields = record(planned(PLAIN, Config()))
    assert fields.keys() >= ALWAYS
    assert fields["status"] == "planned"
    assert fields["started_at"] == "2026-05-01T13:44:12.000000Z"
    assert fields["working_dir"] == "/w/sub"
    assert (fields["image_tag"], fields["image_config_name"]) == ("host", "host")
    assert not fields.keys() & {"ended_at", "exit_code", "agent_exit_code", "agent_name", "name"}
    assert fields["limits"] == {"pids": 512, "log_bytes": 1024**3}
    assert None not in fields.values()


def test_the_first_record_says_what_was_asked():
    config = Config(
        agents={"bot": AgentConfig(command=("bot", "{prompt}"))},
        limits=LimitsConfig(memory=5, cpus=1.0, wall=9.0),
        workspace=Workspace(mounts=(MountConfig(host="/a", container="/b", mode="rw"),)),
    )
    fields = record(planned(Request(agent="bot", prompt="fix it", labels={"k": "v"}), config))
    assert fields["agent_name"] == "bot"
    assert fields["task"] == "fix it"
    assert fields["command"] == ["bot", "fix it"]
    assert fields["labels"] == {"k": "v"}
    assert fields["mounts"] == [{"host": "/a", "container": "/b", "mode": "rw"}]
    assert fields["workspace"] == {
        "mode": "bind",
        "path": "/w",
        "target": "/workspace",
        "base": "0" * 40,
        "branch": "main",
    }


def test_a_dry_run_says_where_an_engine_decides():
    table = as_table(planned(PLAIN, Config()), {})
    assert table["limits"]["memory"] == f"80 % of the machine, {AT_LAUNCH}"
    assert table["user"]["inside"] == f"1000:1000; another on a rootless engine, {AT_LAUNCH}"
    assert table["image"] == {"kind": "host", "name": "host"}
    assert table["command"] == ["make", "test"]


def test_a_dry_run_names_what_is_built_or_pulled():
    config = Config(images={"dev": ImageConfig(dockerfile="/w/Dockerfile")}, default_image="dev")
    table = as_table(planned(PLAIN, config), config.images)
    assert table["image"] == {"kind": "configured", "name": "dev", "dockerfile": "/w/Dockerfile"}


def test_both_can_be_written_down():
    plan = planned(PLAIN, Config())
    assert tomli_w.dumps(as_table(plan, {}))
    assert json.loads(json.dumps(record(plan))) == record(plan)


@given(flag=VALUES, configured=VALUES, own=VALUES)
def test_no_value_of_the_environment_is_in_either(flag, configured, own):
    agent = AgentConfig(command=("bot", "{prompt}"), env={"OWN": own}, env_any_of=("KEY",))
    config = Config(env={"A": configured, "REF": "${HOSTED}"}, agents={"bot": agent})
    request = Request(agent="bot", prompt="go")
    plan = planned(request, config, (f"FLAG={flag}", "HOSTED"))
    assert plan.env_names == ("A", "FLAG", "HOSTED", "KEY", "OWN", "REF")
    said = json.dumps([as_table(plan, {}), record(plan)], ensure_ascii=False)
    for value in (flag, configured, own, "k" * 20, "h" * 20):
        assert value not in said
