"""Secrets: which ones a session gets, how, and where a key may be sent. Never a value.

| as     | what is in the session                                     | who could read it there    |
|--------|------------------------------------------------------------|----------------------------|
| broker | a placeholder in VARIABLE, and the broker's URL            | nobody: it is not there    |
| file   | /run/outrig/secrets/NAME, its path in VARIABLE_FILE        | the session's user         |
| env    | VARIABLE, in the process tree of the command               | the session's user         |

Where `as` is not said, a secret that knows where it may be sent goes by the broker, every other
one as a file. A broker stands in the gateway, so a session without one gets no such secret; an
agent's own key is then a variable that only its process tree has.
"""

from __future__ import annotations

from outrig.core.frozen import frozen
from outrig.core.network import GATED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from typing import Any, Literal

    from outrig.core.config import AgentConfig, SecretConfig

    Way = Literal["broker", "file", "env"]

INSIDE = "/run/outrig/secrets"
ENVIRONMENT = ".environment"  # there: a script that sets the variables of way env
_BROKERED = ("api", "upstream", "hosts")


@frozen(kw_only=False)
class Api:
    """A kind of model API: what is to be known of it, so that its key alone is enough.

    `urls` are the variables in which its clients look for another host, with what stands behind
    that host in each.
    """

    upstream: str
    header: str
    variable: str
    urls: Mapping[str, str]
    paths: tuple[str, ...] = ("/v1/",)


APIS: Mapping[str, Api] = {
    "anthropic": Api(
        "https://api.anthropic.com",
        "x-api-key: {}",
        "ANTHROPIC_API_KEY",
        {"ANTHROPIC_BASE_URL": "", "ANTHROPIC_API_BASE": ""},
    ),
    "openai": Api(
        "https://api.openai.com",
        "authorization: Bearer {}",
        "OPENAI_API_KEY",
        {"OPENAI_BASE_URL": "/v1", "OPENAI_API_BASE": "/v1"},
    ),
    "gemini": Api(
        "https://generativelanguage.googleapis.com",
        "x-goog-api-key: {}",
        "GEMINI_API_KEY",
        {"GOOGLE_GEMINI_BASE_URL": ""},
        paths=("/v1/", "/v1beta/", "/v1alpha/"),
    ),
}


@frozen
class Route:
    """Where the broker sends what it is asked for, and with which header; `{}` is the value."""

    upstream: str  # https://HOST[:PORT][/PATH], without a / at its end
    header: str
    methods: tuple[str, ...]
    paths: tuple[str, ...]
    urls: Mapping[str, str]
    usual: str  # what clients of its API ask unless they are told otherwise

    @property
    def places(self) -> tuple[str, ...]:
        """Where the session itself has no business: it asks the broker instead."""
        return tuple(dict.fromkeys((self.upstream, self.usual)))


@frozen
class Secret:
    name: str
    source: str  # "env:X", "file:/P", "command:...", "keyring:..."
    way: Way
    variable: str
    route: Route | None = None  # of the broker

    @property
    def inside(self) -> str:
        """Where its file is in the session."""
        return f"{INSIDE}/{self.name}"

    @property
    def placeholder(self) -> str:
        """What stands for a key that its user never sees: clients want some text."""
        return f"sk-outrig-placeholder-for-{self.name}"


def contradiction(entry: Mapping[str, Any]) -> str | None:
    """What makes no sense in an entry as it was written, or None."""
    way = entry.get("as")
    known = any(name in entry for name in _BROKERED)
    if way == "broker" and not known:
        return "expected api, upstream or hosts: where the broker sends it"
    if way in ("file", "env") and known:
        return f'api, upstream and hosts are the broker\'s, and this one says as = "{way}"'
    hosts, upstream = entry.get("hosts"), entry.get("upstream")
    if isinstance(hosts, list) and isinstance(upstream, str) and _host(upstream) not in hosts:
        return "expected the host of upstream to be one of hosts"
    return None


def secret(name: str, entry: SecretConfig) -> Secret:
    """One entry of [secrets], its defaults filled in."""
    api = APIS[entry.api] if entry.api else None
    known = bool(entry.api or entry.upstream or entry.hosts)
    way: Way = _WAYS[entry.as_] if entry.as_ else "broker" if known else "file"
    usual = api.variable if api else name.upper().replace("-", "_")
    return Secret(
        name=name,
        source=entry.from_ or "",
        way=way,
        variable=entry.variable or usual,
        route=_route(entry, api) if way == "broker" else None,
    )


_WAYS: Mapping[str, Way] = {"broker": "broker", "file": "file", "env": "env"}


def _route(entry: SecretConfig, api: Api | None) -> Route:
    usual = api.upstream if api else f"https://{entry.hosts[0]}" if entry.hosts else ""
    if api and entry.hosts and not entry.upstream and _host(usual) not in entry.hosts:
        usual = f"https://{entry.hosts[0]}"
    return Route(
        upstream=(entry.upstream or usual).rstrip("/"),
        header=entry.header or (api.header if api else "authorization: Bearer {}"),
        methods=entry.methods,
        paths=entry.paths or (api.paths if api else ("/",)),
        urls=api.urls if api else {},
        usual=api.upstream if api else (entry.upstream or usual).rstrip("/"),
    )


def given(
    entries: Mapping[str, SecretConfig], agent: str | None, network: str
) -> tuple[Secret, ...]:
    """Those of a session of this agent, or of a plain command, in this network mode."""
    found = (
        secret(name, entry)
        for name, entry in sorted(entries.items())
        if not entry.agents or agent in entry.agents
    )
    return tuple(one for one in found if one.way != "broker" or network in GATED)


def left_out(entries: Mapping[str, SecretConfig], agent: str | None, network: str) -> Iterator[str]:
    """What to tell of those that this network mode has no broker for."""
    kept = {one.name for one in given(entries, agent, network)}
    for one in given(entries, agent, GATED[0]):
        if one.name not in kept:
            yield f"secret {one.name} is left out: only --network filter and audit have a broker"


def implied(
    agent: AgentConfig,
    host: Mapping[str, str],
    *,
    given: Collection[Secret],
    named: Collection[str],
    said: Mapping[str, str],
    broker: bool,
) -> tuple[Secret, ...]:
    """The keys that an agent finds in the user's environment, where none of `given` is one.

    With a broker those of models go by it, to the host that the user's environment names, or else
    to the usual one. Without, or where no broker knows their host, as a variable that no inspect
    shows. `named` are names that are taken, `said` is what flags and configuration set on purpose.
    """
    known = any(one.variable in agent.env_any_of for one in given)
    set_ = [one for one in agent.env_any_of if host.get(one) and not known]
    found = {
        name: _brokered(name, api, variable, agent, host)
        for variable in reversed(set_ if broker else ())
        if (api := _API_OF.get(variable)) and variable not in said
        for name in [api if api not in named else f"{api}-of-yours"]
    }
    beside = [one for one in agent.env_optional if one in _WITH_KEYS and host.get(one)]
    left = [one for one in set_ if one in said] if found else set_
    for variable in (*left, *beside):
        if said.get(variable, host[variable]) in (host[variable], f"${{{variable}}}"):
            name = variable.lower().replace("_", "-")
            name = name if name not in named else f"{name}-of-yours"
            found[name] = Secret(name=name, source=f"env:{variable}", way="env", variable=variable)
    return tuple(found.values())


def _brokered(
    name: str, api: str, variable: str, agent: AgentConfig, host: Mapping[str, str]
) -> Secret:
    known = APIS[api]
    route = Route(
        upstream=_upstream(agent, known, host),
        header=known.header if variable == known.variable else "authorization: Bearer {}",
        methods=("GET", "POST"),
        paths=known.paths,
        urls=known.urls,
        usual=known.upstream,
    )
    return Secret(name=name, source=f"env:{variable}", way="broker", variable=variable, route=route)


_API_OF = {
    **{api.variable: name for name, api in APIS.items()},
    "ANTHROPIC_AUTH_TOKEN": "anthropic",
    "CLAUDE_CODE_OAUTH_TOKEN": "anthropic",  # of a subscription; tried with Claude Code 2.1
}
_WITH_KEYS = ("ANTHROPIC_CUSTOM_HEADERS",)  # no keys themselves, and often there is one in them


def _upstream(agent: AgentConfig, api: Api, host: Mapping[str, str]) -> str:
    for variable, behind in api.urls.items():
        url = host.get(variable, "") if variable in agent.env_optional else ""
        if url.startswith(("https://", "http://")):
            return url.rstrip("/").removesuffix(behind)
    return api.upstream


def names(secret: Secret) -> tuple[str, ...]:
    """The variables that a secret sets in its session."""
    return (secret.variable,) if secret.way == "env" else tuple(variables(secret, ""))


def variables(secret: Secret, broker: str) -> dict[str, str]:
    """What a container is told of a secret, never a value; `broker` is the URL of its route."""
    if secret.way == "file":
        return {f"{secret.variable}_FILE": secret.inside}
    if secret.route is None:
        return {}
    urls = secret.route.urls or {f"{secret.variable.removesuffix('_KEY')}_BASE_URL": ""}
    return {
        secret.variable: secret.placeholder,
        **{name: broker + behind for name, behind in urls.items()},
    }


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0].partition(":")[0]
