"""What a repository's config may not do: each key by its trust, each way to widen a bound."""

from __future__ import annotations

import tomllib

import pytest

from outrig.core import keys
from outrig.core.agents import BUILTIN_AGENTS
from outrig.core.cascade import resolve
from outrig.core.config import AgentConfig, Config, ImageConfig, MountConfig
from outrig.core.field import TRUST_WORDS
from outrig.core.frozen import as_dict
from outrig.core.layer import Layer, Source, flag_layer
from outrig.core.lines import lines
from outrig.core.trust import is_inside, is_wider
from outrig.errors import ConfigError

HOME = "/home/me"
ROOT = "/home/me/repo"
REPO_FILE = f"{ROOT}/.agents/outrig/config.toml"
GLOBAL_FILE = "/xdg/outrig/config.toml"


def layer(source, text, file):
    return Layer(
        source=source,
        values=tomllib.loads(text),
        where={keys.dotted(path): f"{file}:{line}" for path, line in lines(text).items()},
        base=ROOT if source.is_repo else "/xdg/outrig",
        file=file,
        root=ROOT if source.is_repo else None,
    )


def resolved(repo, trusted="", *more, source=Source.REPO):
    found = [layer(Source.GLOBAL, trusted, GLOBAL_FILE), layer(source, repo, REPO_FILE), *more]
    return resolve(found, home=HOME)


def refused(repo, trusted="", source=Source.REPO):
    with pytest.raises(ConfigError) as caught:
        resolved(repo, trusted, source=source)
    return caught.value.message


def test_every_key_says_who_may_set_it():
    for section in (Config, ImageConfig, AgentConfig, MountConfig):
        for name, field in keys.fields(section).items():
            assert field.shape or field.about["trust"] in TRUST_WORDS, name
    for _, field in keys.every():
        assert field.shape or field.about["trust"] in TRUST_WORDS


PRIVILEGED = [
    ("session-root = 'x'", "session-root", "by OUTRIG_SESSION_ROOT or with --session-root"),
    ("engine = 'tcp://x'", "engine", "or by OUTRIG_ENGINE"),
    ("host-paths = ['x']", "host-paths", "or by OUTRIG_HOST_PATHS"),
    ("run.user = 'root'", "run.user", "by OUTRIG_RUN__USER or with --user"),
    ("[images.x]\nimage-name = 'x'", "images.x.image-name", ""),
    ("agents.claude.env-any-of = ['AWS_KEY']", "agents.claude.env-any-of", ""),
    ("agents.claude.env-optional = ['AWS_KEY']", "agents.claude.env-optional", ""),
]


@pytest.mark.parametrize("source", [Source.REPO, Source.LOCAL])
@pytest.mark.parametrize(("text", "key", "ways"), PRIVILEGED)
def test_a_privileged_key_is_refused_and_the_file_that_may_set_it_is_named(text, key, ways, source):
    message = refused(text, source=source)
    line = text.count("\n") + 1
    assert message.startswith(f"{REPO_FILE}:{line}: {key} may not be set by a repository, only in ")
    assert GLOBAL_FILE in message
    assert message.endswith(ways)


@pytest.mark.parametrize(("text", "key", "ways"), PRIVILEGED)
def test_the_global_config_may_set_it(text, key, ways):
    assert resolved("", text).origin[key].startswith(GLOBAL_FILE)


INSIDE = [
    ("dockerfile = 'Dockerfile'", True),
    ("dockerfile = './a/../Dockerfile'", True),
    ("dockerfile = '~/repo/Dockerfile'", True),
    (f"dockerfile = '{ROOT}/x'", True),
    ("context = '.'", True),
    ("context = '..'", False),
    ("context = '~'", False),
    ("dockerfile = '/etc/Dockerfile'", False),
    ("dockerfile = 'a/../../Dockerfile'", False),
    (f"dockerfile = '{ROOT}2/x'", False),
    ("dockerfile = '../../../../../../etc/x'", False),
]


@pytest.mark.parametrize(("text", "good"), INSIDE)
def test_a_path_stays_inside_the_repository(text, good):
    text = f"[images.dev]\n{text}"
    if good:
        assert set(resolved(text).confined.values()) == {ROOT}
    else:
        assert f", outside the repository {ROOT}; " in refused(text)
        assert not resolved("", text).confined


@pytest.mark.parametrize(
    "text",
    [
        "workspace.path = '..'",
        "[[workspace.mounts]]\nhost = '~/.ssh'\ncontainer = '/ssh'",
        "workspace.mounts = [{ host = '/', container = '/host' }]",
    ],
)
def test_so_do_the_workspace_and_its_mounts(text):
    assert "outside the repository" in refused(text)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("env.A = '${HOST}'", "env.A"),
        ("agents.claude.env.A = '${HOST}'", "agents.claude.env.A"),
        ("[images.x]\ncontext = '.'\nbuild-args.A = '${HOST}'", "images.x.build-args.A"),
    ],
)
def test_a_repository_does_not_read_the_host_s_environment(text, key):
    assert f"{key} refers to ${{HOST}} of this machine's environment" in refused(text)
    assert key in resolved("", text).origin
    assert key in resolved(text.replace("${HOST}", "plain ${HOST}")).origin


# repo, global, and whether the repository's may stand
BOUNDS = [
    ("limits.memory = '4g'", "limits.memory = '4g'", True),
    ("limits.memory = '1g'", "limits.memory = '4g'", True),
    ("limits.memory = '5g'", "limits.memory = '4g'", False),
    ("limits.memory = '500g'", "", True),  # the default is a share of the machine
    ("limits.cpus = 2", "limits.cpus = 1.5", False),
    ("limits.pids = 512", "", True),
    ("limits.pids = 513", "", False),
    ("limits.pids = 1000", "limits.pids = 1000", True),
    ("limits.wall = '2h'", "limits.wall = '1h'", False),
    ("limits.wall = '30m'", "limits.wall = '1h'", True),
    ("limits.wall = '9999d'", "", True),
    ("limits.log-bytes = '2g'", "", False),
    ("network.mode = 'none'", "", True),
    ("network.mode = 'open'", "", True),
    ("network.mode = 'open'", "network.mode = 'none'", False),
    ("agents.claude.network = 'none'", "", True),
    ("agents.claude.network = 'open'", "agents.claude.network = 'none'", False),
    ("agents.claude.image = 'x'", "agents.claude.network = 'none'", False),
    ("[agents.claude]", "agents.claude.network = 'none'", False),
    ("agents.claude.network = 'none'", "agents.claude.network = 'none'", True),
    ("agents.claude.network = 'open'", "network.mode = 'none'", True),  # the tighter one counts
]


@pytest.mark.parametrize("source", [Source.REPO, Source.LOCAL])
@pytest.mark.parametrize(("repo", "trusted", "good"), BOUNDS)
def test_a_bound_may_only_become_tighter(repo, trusted, good, source):
    if good:
        assert resolved(repo, trusted, source=source).config
        return
    message = refused(repo, trusted, source=source)
    assert message.startswith(f"{REPO_FILE}:1: ")
    assert "a repository may only tighten it" in message
    assert (GLOBAL_FILE if trusted else "(default)") in message


def test_the_bound_is_that_of_the_trusted_layers_only():
    """The user's own config.local.toml may undo what the committed file tightened."""
    local = layer(Source.LOCAL, "limits.memory = '3g'", f"{ROOT}/.agents/outrig/config.local.toml")
    found = resolved("limits.memory = '2g'", "limits.memory = '4g'", local)
    assert found.config.limits.memory == 3 * 1024**3


def test_flags_may_widen_what_a_repository_tightened():
    found = resolved("limits.memory = '2g'", "", flag_layer({"limits.memory": "64g"}, "/"))
    assert found.config.limits.memory == 64 * 1024**3


def test_a_message_shows_both_values_as_a_file_writes_them():
    message = refused("limits.wall = '2h'", "\nlimits.wall = 3600")
    assert 'limits.wall = "2h" is wider than "1h" (/xdg/outrig/config.toml:2)' in message


def test_what_a_repository_may_do():
    text = """
default-agent = "mine"
default-image = "dev"
[images.dev]
dockerfile = "Dockerfile"
build-args = { V = "1" }
[agents.mine]
command = ["x", "{prompt}"]
home = { ".config/x" = "y" }
[env]
A = "b"
[workspace]
path = "sub"
target = "/src"
mounts = [{ host = "data", container = "/data", mode = "rw" }]
[run]
grace = "0s"
entrypoint = ""
"""
    found = resolved(text)
    assert found.warnings == ()
    assert found.config.workspace.path == f"{ROOT}/sub"
    assert found.config.run.grace == 0
    assert found.config.agents.keys() == {*BUILTIN_AGENTS, "mine"}
    assert as_dict(found.config.workspace.mounts[0])["host"] == f"{ROOT}/data"


@pytest.mark.parametrize(
    ("value", "bound", "wider"),
    [
        (1, 1, False),
        (2, 1, True),
        (1, None, False),
        (None, 1, True),
        (None, None, False),
        ("none", "open", False),
        ("open", "none", True),
        ("open", "open", False),
    ],
)
def test_wider(value, bound, wider):
    assert is_wider(value, bound) is wider


@pytest.mark.parametrize(
    ("path", "root", "inside"),
    [
        ("/a", "/a", True),
        ("/a/b", "/a", True),
        ("/ab", "/a", False),
        ("/", "/a", False),
        ("/a", "/", True),
    ],
)
def test_inside(path, root, inside):
    assert is_inside(path, root) is inside
