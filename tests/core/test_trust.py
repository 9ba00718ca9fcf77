"""What a repository's config may not do: each key by its trust, each way to widen a bound."""

from __future__ import annotations

import tomllib

import pytest

from outrig.core import keys
from outrig.core.agents import BUILTIN_AGENTS
from outrig.core.cascade import resolve
from outrig.core.config import AgentConfig, Config, ImageConfig, MountConfig, SecretConfig
from outrig.core.field import TRUST_WORDS
from outrig.core.frozen import as_dict
from outrig.core.layer import Layer, Source, flag_layer
from outrig.core.lines import lines
from outrig.core.repository import refuse_unapproved
from outrig.core.trust import is_inside, is_wider
from outrig.errors import ConfigError

HOME = "/home/me"
ROOT = "/home/me/repo"
REPO_FILE = f"{ROOT}/.agents/outrig/config.toml"
GLOBAL_FILE = "/xdg/outrig/config.toml"


def layer(source, text, file, *, approved=False):
    return Layer(
        approved=approved,
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


def approved(repo, trusted="", source=Source.REPO):
    found = [
        layer(Source.GLOBAL, trusted, GLOBAL_FILE),
        layer(source, repo, REPO_FILE, approved=True),
    ]
    return resolve(found, home=HOME)


def left_out(repo, trusted="", source=Source.REPO):
    """What does not count, as key -> why."""
    return {one.key: one.why for one in resolved(repo, trusted, source=source).left_out}


def refused(repo, trusted="", source=Source.REPO):
    with pytest.raises(ConfigError) as caught:
        resolved(repo, trusted, source=source)
    return caught.value.message


def test_every_key_says_who_may_set_it():
    for section in (Config, ImageConfig, AgentConfig, MountConfig, SecretConfig):
        for name, field in keys.fields(section).items():
            assert field.shape or field.about["trust"] in TRUST_WORDS, name
    for _, field in keys.every():
        assert field.shape or field.about["trust"] in TRUST_WORDS


PRIVILEGED = [
    ("engine = 'tcp://x'", "engine", "or by OUTRIG_ENGINE"),
    ("host-paths = ['x']", "host-paths", "or by OUTRIG_HOST_PATHS"),
    ("run.user = 'root'", "run.user", "by OUTRIG_RUN__USER or with --user"),
    ("network.allow = ['a.example']", "network.allow", "or with --allow"),
    ("network.egress = 'corporate'", "network.egress", "or by OUTRIG_NETWORK__EGRESS"),
    ("agents.claude.hosts = ['a.example']", "agents.claude.hosts", ""),
    ("agents.claude.env-any-of = ['AWS_KEY']", "agents.claude.env-any-of", ""),
    ("agents.claude.env-optional = ['AWS_KEY']", "agents.claude.env-optional", ""),
]


@pytest.mark.parametrize("source", [Source.REPO, Source.LOCAL])
@pytest.mark.parametrize(("text", "key", "ways"), PRIVILEGED)
def test_a_privileged_key_is_left_out_and_the_file_that_may_set_it_is_named(
    text, key, ways, source
):
    message = left_out(text, source=source)[key]
    line = text.count("\n") + 1
    assert message.startswith(f"{REPO_FILE}:{line}: {key} may not be set by a repository, only in ")
    assert GLOBAL_FILE in message
    assert message.endswith(ways)
    assert key not in resolved(text, source=source).origin


@pytest.mark.parametrize("source", [Source.REPO, Source.LOCAL])
def test_where_sessions_are_kept_is_no_repository_s_business_approved_or_not(source):
    text = "session-root = 'x'"
    words = f"{REPO_FILE}:1: session-root may not be set by a repository, only in {GLOBAL_FILE}"
    assert refused(text, source=source).startswith(words)
    with pytest.raises(ConfigError, match="session-root may not be set by a repository"):
        approved(text, source=source)


@pytest.mark.parametrize(
    ("text", "key"),
    [("engine = 'tcp://x'", "engine"), ("hooks.ended = ['rm']", "hooks.ended")],
)
def test_no_repository_says_which_engine_or_what_runs_here_approved_or_not(text, key):
    for found in (resolved(text), approved(text)):
        assert [(one.key, one.helps) for one in found.left_out] == [(key, False)]
        assert key not in found.origin
        assert found.warnings == (
            f"{REPO_FILE}: left out: {key}; no repository may set that, only your own config",
        )


def test_one_line_says_what_was_left_out_and_how_to_approve_it():
    text = "run.user = 'root'\nlimits.memory = '1g'\nlimits.pids = 9999\n[images.dev]\ncontext='.'"
    found = resolved(text)
    assert found.warnings == (
        (
            f"{REPO_FILE} is not approved; left out: images.dev, run.user, limits.pids; "
            "to see and approve it: outrig trust"
        ),
    )
    assert found.config.limits.memory == 1024**3
    assert found.config.limits.pids == Config().limits.pids
    assert found.config.run.user == "caller"


def test_a_file_that_was_named_is_approved_by_its_name():
    elsewhere = layer(Source.REPO, "run.user = 'root'", "/ci/my config.toml")
    assert (
        resolve([elsewhere], home=HOME)
        .warnings[0]
        .endswith("outrig trust --config '/ci/my config.toml'")
    )


WIDENING = [
    "run.user = 'root'",
    "host-paths = ['/opt']",
    "agents.claude.env-any-of = ['KEY']",
    "limits.pids = 9999",
    "limits.log-bytes = '2g'",
    "env.A = '${HOST}'",
    "[images.dev]\nimage-name = 'x'",
    "[images.dev]\ndockerfile = '/etc/Dockerfile'",
    "[[workspace.mounts]]\nhost = '~/.cache'\ncontainer = '/c'",
    "workspace.path = '..'",
]


@pytest.mark.parametrize("text", WIDENING)
def test_approved_it_may_say_what_the_user_s_own_config_may(text):
    found = approved(text)
    assert found.left_out == ()
    assert found.unapproved == {}
    assert found.narrowed == frozenset()
    assert len(found.origin) == len(resolved("", text).origin)


def test_approved_paths_inside_stay_inside_when_a_session_makes_them_lead_elsewhere():
    text = "[[workspace.mounts]]\nhost = '{}'\ncontainer = '/c'"
    assert approved(text.format("data")).confined == {"workspace.mounts[0].host": ROOT}
    assert approved(text.format("~/.cache")).confined == {}


def test_an_image_of_its_own_is_an_error_only_for_whoever_wants_it():
    found = resolved("[images.dev]\ncontext = '.'\n[images.base]", "[images.base]\ncontext = '/b'")
    assert found.unapproved == {"dev": f"{REPO_FILE}:1", "base": f"{REPO_FILE}:3"}
    assert "dev" not in found.config.images
    assert found.config.images["base"].context == "/b"
    refuse_unapproved("other", found.unapproved)
    with pytest.raises(ConfigError, match=f"{REPO_FILE}:1: the image dev is this repository's own"):
        refuse_unapproved("dev", found.unapproved)


@pytest.mark.parametrize("text", ["from = 'env:OTHER'", "from = 'env:OTHER'\nas = 'env'"])
def test_an_unapproved_entry_does_not_take_the_place_of_the_user_s(text):
    own = "[secrets.forge]\nfrom = 'env:MINE'"
    found = resolved(f"[secrets.forge]\n{text}", own)
    assert found.config.secrets["forge"].from_ == "env:MINE"
    assert [one.key for one in found.left_out] == ["secrets.forge"]


def test_what_is_left_of_the_mounts_is_numbered_anew():
    mounts = "".join(
        f"[[workspace.mounts]]\nhost = '{host}'\ncontainer = '/{at}'\n"
        for at, host in enumerate(("~/.ssh", "a", "/etc", "b"))
    )
    found = resolved(mounts)
    assert [mount.host for mount in found.config.workspace.mounts] == [f"{ROOT}/a", f"{ROOT}/b"]
    assert [one.key for one in found.left_out] == ["workspace.mounts[0]", "workspace.mounts[2]"]
    assert found.confined.keys() == {"workspace.mounts[0].host", "workspace.mounts[1].host"}


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
    """Approved or not: what lies outside was approved as that, what lies inside may not leave."""
    found = approved(f"[images.dev]\n{text}")
    assert set(found.confined.values()) == ({ROOT} if good else set())


@pytest.mark.parametrize(
    "text",
    [
        "[[workspace.mounts]]\nhost = '~/.ssh'\ncontainer = '/ssh'",
        "workspace.mounts = [{ host = '/', container = '/host' }]",
    ],
)
def test_a_mount_from_outside_is_left_out(text):
    assert "outside the repository" in left_out(text)["workspace.mounts[0]"]
    assert resolved(text).config.workspace.mounts == ()


@pytest.mark.parametrize("host", [".git", "a/../.git/hooks", "vendor/x/.git/config"])
def test_a_mount_of_a_git_is_left_out(host):
    text = f"[[workspace.mounts]]\nhost = '{host}'\ncontainer = '/x'"
    assert "in a .git of the repository" in left_out(text)["workspace.mounts[0]"]
    (mount,) = approved(text).config.workspace.mounts
    assert "/.git" in mount.host
    assert "in a .git of the repository" in refused("workspace.path = '.git/hooks'")


def test_a_workspace_outside_would_be_another_session():
    assert "outside the repository" in refused("workspace.path = '..'")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("env.A = '${HOST}'", "env.A"),
        ("agents.claude.env.A = '${HOST}'", "agents.claude.env.A"),
    ],
)
def test_a_repository_does_not_read_the_host_s_environment(text, key):
    assert f"{key} refers to ${{HOST}} of this machine's environment" in left_out(text)[key]
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
    ("agents.claude.network = 'filter'", "network.mode = 'none'", True),
    ("agents.claude.network = 'open'", "", False),  # built in as filter
    ("agents.claude.network = 'filter'", "", True),
    ("network.mode = 'bridge'", "", False),
    ("network.mode = 'filter'", "network.mode = 'open'", True),
    ("network.deny = ['a.example']", "", True),
]


@pytest.mark.parametrize("source", [Source.REPO, Source.LOCAL])
@pytest.mark.parametrize(("repo", "trusted", "good"), BOUNDS)
def test_a_bound_may_only_become_tighter(repo, trusted, good, source):
    found = resolved(repo, trusted, source=source)
    assert bool(found.left_out) is not good
    for one in found.left_out:
        assert one.why.startswith(f"{REPO_FILE}:1: ")
        assert "a repository may only tighten it" in one.why
        assert (GLOBAL_FILE if trusted else "(default)") in one.why
        by = found.origin.get(one.key, "default")
        assert by == "default" or by.startswith(GLOBAL_FILE)
    if not good and "agents" in trusted:
        assert found.config.agents["claude"].network == "none"


def test_the_bound_is_that_of_the_trusted_layers_only():
    """The user's own config.local.toml may undo what the committed file tightened."""
    local = layer(Source.LOCAL, "limits.memory = '3g'", f"{ROOT}/.agents/outrig/config.local.toml")
    found = resolved("limits.memory = '2g'", "limits.memory = '4g'", local)
    assert found.config.limits.memory == 3 * 1024**3


def test_flags_may_widen_what_a_repository_tightened():
    found = resolved("limits.memory = '2g'", "", flag_layer({"limits.memory": "64g"}, "/"))
    assert found.config.limits.memory == 64 * 1024**3


def test_a_message_shows_both_values_as_a_file_writes_them():
    message = left_out("limits.wall = '2h'", "\nlimits.wall = 3600")["limits.wall"]
    assert 'limits.wall = "2h" is wider than "1h" (/xdg/outrig/config.toml:2)' in message


def test_what_a_repository_may_do():
    text = """
default-agent = "mine"
default-image = "dev"
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
