"""Which secrets a session gets, how, and where a key may go: each default, each contradiction."""

from __future__ import annotations

import tomllib

import pytest

from outrig.core import secrets
from outrig.core.agents import BUILTIN_AGENTS
from outrig.core.cascade import resolve
from outrig.core.layer import Layer, Source
from outrig.errors import ConfigError

LITERAL = "sk-live-4242424242"


def resolved(text, source=Source.GLOBAL):
    layer = Layer(
        source=source,
        values=tomllib.loads(text),
        where={},
        base="/base",
        file="c.toml",
        root="/base" if source.is_repo else None,
    )
    return resolve([layer], home="/home/me")


def one(text):
    ((name, entry),) = resolved(text).config.secrets.items()
    return secrets.secret(name, entry)


def test_an_api_says_everything_but_where_the_key_is():
    found = one('[secrets.work]\nfrom = "env:KEY"\napi = "anthropic"')
    assert (found.way, found.variable) == ("broker", "ANTHROPIC_API_KEY")
    assert found.route
    assert found.route.upstream == "https://api.anthropic.com"
    assert found.route.header == "x-api-key: {}"
    assert secrets.variables(found, "http://1.2.3.4/work") == {
        "ANTHROPIC_API_KEY": "sk-outrig-placeholder-for-work",
        "ANTHROPIC_BASE_URL": "http://1.2.3.4/work",
        "ANTHROPIC_API_BASE": "http://1.2.3.4/work",
    }


def test_an_upstream_of_ones_own():
    found = one('[secrets.my-forge]\nfrom = "env:K"\nupstream = "https://forge.example/api/"')
    assert found.route
    assert found.route.upstream == "https://forge.example/api"
    assert found.route.header == "authorization: Bearer {}"
    assert found.route.paths == ("/",)
    assert secrets.variables(found, "http://g/my-forge") == {
        "MY_FORGE": found.placeholder,
        "MY_FORGE_BASE_URL": "http://g/my-forge",
    }


def test_hosts_say_where_the_api_is():
    text = '[secrets.a]\nfrom = "env:K"\napi = "openai"\nhosts = ["models.example"]'
    found = one(text)
    assert found.route
    assert found.route.upstream == "https://models.example"


def test_without_a_place_to_go_it_is_a_file():
    found = one('[secrets.netrc]\nfrom = "file:~/.netrc"')
    assert (found.way, found.source, found.inside) == (
        "file",
        "file:/home/me/.netrc",
        "/run/outrig/secrets/netrc",
    )
    assert secrets.variables(found, "") == {"NETRC_FILE": "/run/outrig/secrets/netrc"}


def test_a_relative_file_is_relative_to_its_config():
    assert one('[secrets.x]\nfrom = "file:k"').source == "file:/base/k"


def test_some_are_for_some_agents_only():
    found = resolved(
        '[secrets.a]\nfrom = "env:A"\nagents = ["claude"]\n[secrets.b]\nfrom = "env:B"'
    ).config.secrets
    assert [one.name for one in secrets.given(found, "claude", "open")] == ["a", "b"]
    assert [one.name for one in secrets.given(found, "codex", "open")] == ["b"]
    assert [one.name for one in secrets.given(found, None, "open")] == ["b"]


@pytest.mark.parametrize("network", ["none", "open", "bridge", "filter", "audit"])
def test_a_broker_is_where_the_gateway_is(network):
    found = resolved('[secrets.a]\nfrom = "env:A"\napi = "openai"').config.secrets
    gated = network in ("filter", "audit")
    assert bool(secrets.given(found, None, network)) == gated
    told = "secret a is left out: only --network filter and audit have a broker"
    assert list(secrets.left_out(found, None, network)) == ([] if gated else [told])


WRONG = [
    ('[secrets.x]\nas = "file"', "expected from"),
    ('[secrets.x]\nfrom = "env:A"\nas = "broker"', "expected api, upstream or hosts"),
    ('[secrets.x]\nfrom = "env:A"\nas = "env"\napi = "openai"', "the broker's"),
    (
        '[secrets.x]\nfrom = "env:A"\nupstream = "https://a.example"\nhosts = ["b.example"]',
        "to be one of hosts",
    ),
    ('[secrets.x]\nfrom = "env:"', "expected env:NAME, file:PATH"),
    ('[secrets."a/b"]\nfrom = "env:A"', "expected a secret's name"),
    ('[secrets.x]\nfrom = "env:A"\nupstrem = "https://a.example"', "did you mean"),
]


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_what_makes_no_sense_is_refused(text, words):
    with pytest.raises(ConfigError, match=words):
        resolved(text)


# Where somebody could put the value itself: refused, and never quoted.
LITERALS = [
    f'[secrets]\nx = "{LITERAL}"',
    f'[secrets.x]\nfrom = "{LITERAL}"',
    f'[secrets.x]\nvalue = "{LITERAL}"',
    f'[secrets.x]\nfrom = ["{LITERAL}"]',
    f'[secrets.x]\nfrom = "env:A"\nheader = "x-api-key: {LITERAL}"',
    f'[secrets.x]\nfrom = "env:A"\nas = "{LITERAL}"',
    f'[secrets.x]\nfrom = "env:A"\nvariable = "{LITERAL}"',
    f'secrets = "{LITERAL}"',
]


@pytest.mark.parametrize("text", LITERALS)
def test_a_value_in_the_config_is_refused_without_being_quoted(text):
    with pytest.raises(ConfigError) as caught:
        resolved(text)
    assert LITERAL not in str(caught.value)
    assert LITERAL not in str(caught.value.hint)


@pytest.mark.parametrize("source", [Source.REPO, Source.LOCAL])
def test_a_repository_has_no_say_in_secrets(source):
    found = resolved('[secrets.x]\nfrom = "env:AWS_SECRET_ACCESS_KEY"', source)
    assert not found.config.secrets
    assert [one.key for one in found.left_out] == ["secrets.x"]


# ---------------------------------------------------------------- keys of the user's environment

KEYS = {"ANTHROPIC_API_KEY": "a", "OPENAI_API_KEY": "o", "GEMINI_API_KEY": "g"}


def implied(agent, host, *, broker=True, **given_):
    asked = {"given": (), "named": (), "said": {}, **given_}
    found = secrets.implied(BUILTIN_AGENTS[agent], host, broker=broker, **asked)
    return {one.name: one for one in found}


def test_an_agents_own_keys_go_by_the_broker():
    found = implied("aider", KEYS)
    assert set(found) == {"anthropic", "openai", "gemini"}
    assert found["openai"].route.upstream == "https://api.openai.com"
    assert found["openai"].source == "env:OPENAI_API_KEY"


def test_where_the_users_environment_says_so():
    found = implied("aider", {**KEYS, "OPENAI_API_BASE": "http://10.0.0.1:8080/v1/"})
    assert found["openai"].route.upstream == "http://10.0.0.1:8080"
    assert found["openai"].route.places == ("http://10.0.0.1:8080", "https://api.openai.com")


@pytest.mark.parametrize("variable", ["ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"])
def test_a_token_has_another_header(variable):
    found = implied("claude", {variable: "t"})
    assert found["anthropic"].route.header == "authorization: Bearer {}"
    assert found["anthropic"].variable == variable


def test_what_somebody_set_on_purpose_is_as_they_say():
    said = {"OPENAI_API_KEY": "another"}
    assert set(implied("aider", KEYS, said=said)) == {"anthropic", "gemini"}
    assert "anthropic-of-yours" in implied("claude", KEYS, named={"anthropic"})


HEADERS = {"ANTHROPIC_CUSTOM_HEADERS": "X-Key: k"}


@pytest.mark.parametrize(
    ("agent", "host"), [("opencode", {"OPENROUTER_API_KEY": "t"}), ("claude", HEADERS)]
)
def test_a_key_that_no_broker_can_add_is_a_variable_that_no_inspect_shows(agent, host):
    (variable,) = host
    (found,) = implied(agent, host).values()
    assert (found.way, found.variable, found.source) == ("env", variable, f"env:{variable}")


def test_and_so_is_every_key_where_there_is_no_broker():
    ways = {name: one.way for name, one in implied("aider", KEYS, broker=False).items()}
    assert ways == {
        "anthropic-api-key": "env",
        "openai-api-key": "env",
        "gemini-api-key": "env",
    }


@pytest.mark.parametrize("said", [KEYS["OPENAI_API_KEY"], "${OPENAI_API_KEY}"])
def test_and_one_that_is_passed_in_on_purpose(said):
    found = implied("codex", KEYS, said={"OPENAI_API_KEY": said})
    assert found["openai-api-key"].way == "env"


def test_with_a_key_of_the_configuration_the_users_environment_is_not_asked_for_one():
    mine = one("[secrets.mine]\nfrom = 'env:X'\napi = 'anthropic'\n")
    assert implied("claude", {**KEYS, **HEADERS}, given=(mine,)).keys() == {
        "anthropic-custom-headers"
    }
