"""What does not fit into a layer: odd keys, wrong values, and where they are."""

from __future__ import annotations

import pytest

from outrig.core.cascade import resolve
from outrig.core.layer import Layer, Source, flag_layer
from outrig.errors import ConfigError, UsageError
from tests.core.layers import (
    FILES,
    GLOBAL,
    HOME,
    REPO,
    layer,
    refused,
    resolved,
)

NO_MODE = 'network.mode: expected one of "none", "filter", "audit", "open", "bridge"'


@pytest.mark.parametrize(
    ("text", "line", "warning"),
    [
        ("[limits]\nmemroy = '4g'", 2, "unknown key limits.memroy; did you mean limits.memory?"),
        ("[limts]\nmemory = 1", 1, "unknown key limts; did you mean limits?"),
        ("memory = '4g'", 1, "unknown key memory; did you mean limits.memory?"),
        (
            "[run]\ndefault-agent = 'x'",
            2,
            "unknown key run.default-agent; did you mean default-agent?",
        ),
        ("log_bytes = 1", 1, "unknown key log_bytes; did you mean limits.log-bytes?"),
        ("\n\nzzzzzz = 1", 3, "unknown key zzzzzz"),
        (
            "[agents.claude]\ncomand = []",
            2,
            "unknown key agents.claude.comand; did you mean agents.claude.command?",
        ),
        ("default-agent = 'claud'", 1, 'default-agent: no agent "claud"; did you mean claude?'),
        ("[hooks]\nend = ['x']", 2, "unknown key hooks.end; did you mean hooks.ended?"),
        ("[plugins]\nstart = 'x'", 1, "unknown key plugins"),
    ],
)
def test_an_odd_key_is_a_warning_with_its_line(text, line, warning):
    assert resolved(**{"global": text}).warnings == (f"{FILES[GLOBAL]}:{line}: {warning}",)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[network]\nmoed = 'none'", "2: unknown key network.moed; did you mean network.mode?"),
        ("[network]\nalow = ['x']", "2: unknown key network.alow; did you mean network.allow?"),
        (
            "[security]\nreadonly = true",
            "2: unknown key security.readonly; did you mean security.read-only?",
        ),
        (
            "[secrets.x]\nfrom = 'env:A'\nform = 's3cr3t'",
            "3: unknown key secrets.x.form; did you mean secrets.x.from?",
        ),
    ],
)
def test_an_unknown_key_where_tightness_matters_is_an_error(text, error):
    assert refused(repo=text).message.startswith(f"{FILES[REPO]}:{error}")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "limits.memory = '4x'",
            'limits.memory: expected a size such as "512m" or "4g", found "4x"',
        ),
        (
            "limits.memory = true",
            'limits.memory: expected a size such as "512m" or "4g", found true',
        ),
        (
            "limits.memory = 0",
            'limits.memory: expected a size such as "512m" or "4g", above 0, found 0',
        ),
        ("limits.memory = -1", 'limits.memory: expected a size such as "512m" or "4g", found -1'),
        ("limits.memory = 1.5", 'limits.memory: expected a size such as "512m" or "4g", found 1.5'),
        (
            "limits.wall = 'soon'",
            'limits.wall: expected a time such as "90s", "2h30m" or "30d", found "soon"',
        ),
        (
            "limits.wall = nan",
            'limits.wall: expected a time such as "90s", "2h30m" or "30d", found nan',
        ),
        ("limits.cpus = '2'", 'limits.cpus: expected a number above 0, found "2"'),
        ("limits.cpus = inf", "limits.cpus: expected a number above 0, found inf"),
        ("limits.cpus = nan", "limits.cpus: expected a number above 0, found nan"),
        ("limits.cpus = true", "limits.cpus: expected a number above 0, found true"),
        ("limits.pids = 1.0", "limits.pids: expected a whole number above 0, found 1.0"),
        ("limits.pids = 0", "limits.pids: expected a whole number above 0, found 0"),
        ("network.mode = 'host'", f'{NO_MODE}, found "host"'),
        ("network.mode = []", f"{NO_MODE}, found []"),
        ("network = 'none'", 'network: expected a table, found "none"'),
        ("engine = ''", 'engine: expected text, found ""'),
        ("engine = 1", "engine: expected text, found 1"),
        ('engine = "a\\u0000"', 'engine: expected text, found "a\\u0000"'),
        ("host-paths = '/a'", 'host-paths: expected an array of paths, found "/a"'),
        ("host-paths = ['']", 'host-paths: expected an array of paths, found [""]'),
        (
            "session-root = '~you/x'",
            (
                "session-root: expected a path; ~USER is not understood, write the directory out, "
                'found "~you/x"'
            ),
        ),
        (
            "engine = '${X}'",
            'engine: expected text; ${...} is only read in env and build-args, found "${X}"',
        ),
        ("run.user = 'bob'", 'run.user: expected "caller", "root" or "UID[:GID]", found "bob"'),
        (
            "workspace.target = 'x'",
            'workspace.target: expected an absolute path in the container, found "x"',
        ),
        ("env = 'x'", "env: expected a table"),
        ("[env]\nA = 1", "env.A: expected text, in quotes"),
        ("[env]\n'A=B' = '1'", 'env."A=B": expected a variable\'s name: letters, digits and _'),
        ("images.base = 'x'", 'images.base: expected a table, found "x"'),
        (
            "[images.Big]\nimage-name = 'x'",
            (
                "images.Big: expected an image's name: lowercase letters and digits, with single "
                ". _ - between them"
            ),
        ),
        (
            "[images.host]\nimage-name = 'x'",
            (
                "images.host: this image is the machine's own /usr and cannot be redefined; choose "
                "another name"
            ),
        ),
        ("[images.new]", "images.new: expected dockerfile, context or image-name"),
        (
            "[images.new]\nimage-name = 'x'\ncontext = '.'",
            "images.new: expected either image-name, or dockerfile, context and build-args",
        ),
        (
            "[agents.new]\nimage = 'x'",
            (
                "agents.new: expected a command (argv of a run with a prompt) or interactive (argv "
                "without one)"
            ),
        ),
        (
            "[agents.claude.home]\n'../x' = 'y'",
            'agents.claude.home."../x": expected a path below HOME, without . or ..',
        ),
        (
            "[agents.claude.home]\n'/x' = 'y'",
            'agents.claude.home."/x": expected a path below HOME, without . or ..',
        ),
        (
            "agents.claude.env-any-of = ['A=B']",
            'agents.claude.env-any-of: expected an array of variables\' names, found ["A=B"]',
        ),
        (
            "workspace.mounts = ['a:b']",
            "workspace.mounts: expected an array of tables, [[workspace.mounts]]",
        ),
        ("[[workspace.mounts]]\nhost = '/x'", "workspace.mounts[0]: expected a key container"),
        ("limits.pids = 0x" + "f" * 9000, "limits.pids: expected a whole number above 0, found 0x"),
        ("limits.memory = 0x" + "f" * 9000, "limits.memory: expected a size such as"),
        ("limits.cpus = 0x" + "f" * 9000, "limits.cpus: expected a number above 0, found 0x"),
    ],
)
def test_a_wrong_value_says_where_and_what_is_expected(text, error):
    found = refused(**{"global": text}).message
    place, _, rest = found.partition(": ")
    assert rest.startswith(error)
    assert place in (f"{FILES[GLOBAL]}:1", f"{FILES[GLOBAL]}:2")
    assert len(found) < 300


def test_every_problem_is_said_at_once():
    message = refused(
        **{"global": "limits.pids = 0\nlimits.cpus = 0", "repo": "network.x = 1"}
    ).message
    assert len(message.splitlines()) == 3


def test_values_of_the_environment_are_never_quoted():
    secret = "s3cr3t"
    variables = Layer(
        source=Source.ENVIRONMENT,
        values={"limits": {"memory": secret}},
        where={"limits.memory": "OUTRIG_LIMITS__MEMORY"},
        base="/",
    )
    text = f'[env]\nA = ["{secret}"]\n[agents.claude]\nenv = ["{secret}"]'
    with pytest.raises(ConfigError) as caught:
        resolve([variables, layer(GLOBAL, text)], home=HOME)
    assert len(caught.value.message.splitlines()) == 3
    assert "OUTRIG_LIMITS__MEMORY: limits.memory: expected a size" in caught.value.message
    assert secret not in caught.value.message


def test_a_wrong_flag_is_a_usage_error():
    with pytest.raises(UsageError) as caught:
        resolve([flag_layer({"limits.memory": "much"}, "/")], home=HOME)
    assert caught.value.message.startswith("--memory: limits.memory: expected a size")
