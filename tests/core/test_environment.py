"""What a session's environment holds, and which source of it wins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrig.core.config import AgentConfig, Config, SecretConfig
from outrig.core.environment import DEFAULT_PATH, asked, standard
from outrig.core.identity import Identity
from outrig.errors import ConfigError, UsageError

ADA = Identity(uid=1000, gid=1000, name="ada", home="/home/ada")
LAYERS = ("env", "agent", "host", "flag")


def config(**agent) -> Config:
    return Config(agents={"bot": AgentConfig(**agent)})


# ---------------------------------------------------------------- -e


@pytest.mark.parametrize(
    ("flag", "values"),
    [
        ("A=1", {"A": "1"}),
        ("A=", {"A": ""}),
        ("A=b=c", {"A": "b=c"}),
        ("A= ${HOST} \n", {"A": " ${HOST} \n"}),
        ("HOST", {"HOST": "of the host"}),
        ("_a1", {}),
    ],
)
def test_a_flag(flag, values):
    assert asked(Config(), None, [flag], {"HOST": "of the host"}).values == values


def test_a_flag_for_what_is_not_set_is_a_notice():
    got = asked(Config(), None, ["GONE", "A=1"], {})
    assert got.values == {"A": "1"}
    assert got.notices == ("-e GONE: not set here, so not set in the session",)


@pytest.mark.parametrize("flag", ["", "=x", "1A=x", "A-B=secret", "A B", "\u00c4=1", "A\0=1"])
def test_a_flag_without_a_name_is_refused_and_not_quoted(flag):
    with pytest.raises(UsageError) as refused:
        asked(Config(), None, [flag], {})
    assert "secret" not in refused.value.message


def test_a_value_with_a_nul_is_refused_and_not_quoted():
    with pytest.raises(UsageError, match="-e A: a value cannot hold a NUL byte") as refused:
        asked(Config(), None, ["A=secret\0"], {})
    assert "secret" not in refused.value.message


def test_the_last_flag_wins():
    assert asked(Config(), None, ["A=1", "A=2"], {}).values == {"A": "2"}


# ---------------------------------------------------------------- references


def test_references_are_resolved_from_the_host():
    settings = Config(env={"A": "${HOST}", "B": "x${HOST}"})
    got = asked(settings, None, [], {"HOST": "1"}).values
    assert got == {"A": "1", "B": "x${HOST}"}


def test_a_reference_to_nothing_names_key_and_variable():
    with pytest.raises(ConfigError, match=r"env\.A refers to \$\{GONE\}"):
        asked(Config(env={"A": "${GONE}"}), None, [], {})
    with pytest.raises(ConfigError, match=r"agents\.bot\.env\.A refers to \$\{GONE\}"):
        asked(config(env={"A": "${GONE}"}), "bot", [], {})


def test_an_agent_that_does_not_run_asks_for_nothing():
    settings = config(env={"A": "${GONE}"}, env_any_of=("KEY",), env_optional=("OPT",))
    assert asked(settings, None, [], {"OPT": "1"}).values == {}


# ---------------------------------------------------------------- what an agent wants


def test_all_keys_that_are_set_are_passed_in():
    settings = config(env_any_of=("KEY", "OTHER", "THIRD"), env_optional=("OPT", "UNSET"))
    host = {"KEY": "1", "OTHER": "2", "OPT": "3", "HOME": "/home/ada"}
    assert asked(settings, "bot", [], host).values == {"KEY": "1", "OTHER": "2", "OPT": "3"}


@pytest.mark.parametrize("host", [{}, {"KEY": ""}, {"THIRD": "1"}])
def test_no_key_at_all_is_an_error_that_names_them(host):
    with pytest.raises(UsageError, match='agent "bot" needs KEY or OTHER, and none is set') as no:
        asked(config(env_any_of=("KEY", "OTHER")), "bot", [], host)
    assert "export KEY=" in str(no.value.hint)


def test_where_a_configured_key_waits_for_a_broker_that_is_said():
    mine = SecretConfig(from_="env:X", upstream="https://model.example", variable="KEY")
    settings = Config(secrets={"mine": mine}, agents={"bot": AgentConfig(env_any_of=("KEY",))})
    with pytest.raises(UsageError, match="needs KEY, and none is set") as no:
        asked(settings, "bot", [], {})
    assert no.value.hint == "--network filter: secret mine goes by the broker, which is there"


@pytest.mark.parametrize("layer", LAYERS)
def test_a_key_may_come_from_anywhere(layer):
    settings = Config(
        env={"KEY": "1"} if layer == "env" else {},
        agents={
            "bot": AgentConfig(env={"KEY": "1"} if layer == "agent" else {}, env_any_of=("KEY",))
        },
    )
    host = {"KEY": "1"} if layer == "host" else {}
    flags = ["KEY=1"] if layer == "flag" else []
    assert asked(settings, "bot", flags, host).values == {"KEY": "1"}


@given(st.sets(st.sampled_from(LAYERS), min_size=1))
def test_the_highest_source_wins(said):
    settings = Config(
        env={"K": "env"} if "env" in said else {},
        agents={
            "bot": AgentConfig(env={"K": "agent"} if "agent" in said else {}, env_optional=("K",))
        },
    )
    host = {"K": "host"} if "host" in said else {}
    flags = ["K=flag"] if "flag" in said else []
    assert asked(settings, "bot", flags, host).values["K"] == max(said, key=LAYERS.index)


# ---------------------------------------------------------------- what every session has


def made(**changes) -> dict[str, str]:
    return standard(ADA, **{"image": {}, "host": {}, "committer": {}, "path": None, **changes})


def test_every_session_has_a_home_a_name_and_a_git_that_trusts_its_workspace():
    assert made() == {
        "HOME": "/home/ada",
        "USER": "ada",
        "PATH": f"/home/ada/.local/bin:{DEFAULT_PATH}",
        "NPM_CONFIG_PREFIX": "/home/ada/.local",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "TINI_KILL_PROCESS_GROUP": "1",
    }


def test_nothing_of_the_host_comes_along_but_four_names():
    host = {
        **{name: name.lower() for name in ("TERM", "COLORTERM", "LANG", "TZ")},
        **dict.fromkeys(("SSH_AUTH_SOCK", "AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY", "LC_ALL"), "x"),
    }
    more = made(host=host).items() - made().items()
    assert dict(more) == {"TERM": "term", "COLORTERM": "colorterm", "LANG": "lang", "TZ": "tz"}


def test_an_empty_variable_of_the_host_is_not_passed():
    assert "LANG" not in made(host={"LANG": ""})


@pytest.mark.parametrize(
    ("path", "image", "search"),
    [
        (None, {}, DEFAULT_PATH),
        (None, {"PATH": "/opt/bin"}, "/opt/bin"),
        ("/usr/bin", {"PATH": "/opt/bin"}, "/usr/bin"),
    ],
)
def test_where_programs_are_looked_for(path, image, search):
    assert made(path=path, image=image)["PATH"] == f"/home/ada/.local/bin:{search}"


def test_who_commits_is_passed_in():
    assert made(committer={"GIT_AUTHOR_NAME": "Ada"})["GIT_AUTHOR_NAME"] == "Ada"


def test_a_value_that_is_not_utf_8_is_refused_and_not_quoted():
    with pytest.raises(UsageError, match="the value of A is not UTF-8") as caught:
        asked(Config(), None, ["A=secret\udcff"], {})
    assert "secret" not in caught.value.message
