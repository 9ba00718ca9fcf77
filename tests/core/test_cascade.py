"""How layers meet: each row of the table in core/cascade.py, and the order for any key at all."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from outrig.core import keys, value
from outrig.core.agents import BUILTIN_AGENTS
from outrig.core.cascade import BUILTIN_IMAGES, as_table, resolve, settings
from outrig.core.config import AgentConfig, Config, ImageConfig, MountConfig
from outrig.core.frozen import replace
from outrig.core.layer import Layer, Source, flag_layer
from outrig.core.lines import lines
from outrig.errors import ConfigError, UsageError

HOME = "/home/me"
ROOT = "/home/me/repo"
FILES = {
    Source.SYSTEM: "/etc/outrig/config.toml",
    Source.GLOBAL: "/home/me/.config/outrig/config.toml",
    Source.REPO: "/home/me/repo/.agents/outrig/config.toml",
    Source.LOCAL: "/home/me/repo/.agents/outrig/config.local.toml",
}
SYSTEM, GLOBAL, REPO, LOCAL = FILES

NO_MODE = 'network.mode: expected one of "none", "filter", "audit", "open", "bridge"'


def layer(source, text):
    file = FILES[source]
    return Layer(
        source=source,
        values=tomllib.loads(text),
        where={keys.dotted(path): f"{file}:{line}" for path, line in lines(text).items()},
        base=ROOT if source.is_repo else file.rpartition("/")[0],
        file=file,
        root=ROOT if source.is_repo else None,
    )


def resolved(**texts):
    """resolve() of layers by the name of their source, in the order given."""
    found = [layer(Source[name.upper()], text) for name, text in texts.items()]
    return resolve(found, home=HOME)


def refused(**texts):
    with pytest.raises(ConfigError) as caught:
        resolved(**texts)
    return caught.value


# ---------------------------------------------------------------- order


def test_without_layers_everything_is_a_default():
    found = resolve([], home=HOME)
    assert found.config == replace(Config(), images=BUILTIN_IMAGES, agents=BUILTIN_AGENTS)
    assert found.origin == {}
    assert found.warnings == ()


def test_the_higher_layer_wins_per_key_and_a_missing_key_resets_nothing():
    found = resolved(
        system="limits.memory = '8g'\nlimits.pids = 100\nlimits.cpus = 8.0",
        repo="[limits]\nmemory = '4g'\n",
    )
    assert found.config.limits.memory == 4 * 1024**3
    assert found.config.limits.pids == 100
    assert found.config.limits.cpus == 8
    assert found.origin["limits.memory"] == f"{FILES[REPO]}:2"
    assert found.origin["limits.pids"] == f"{FILES[SYSTEM]}:2"
    assert "limits.wall" not in found.origin


def key_values(field: keys.Field) -> st.SearchStrategy[Any]:
    if field.kind == "choice":
        return st.sampled_from(field.about["choices"])
    pattern = field.about.get("pattern") or ".*"
    words = [word for word in ("NET_A", "NET_B", "10.0.0.1") if re.fullmatch(pattern, word)]
    return {
        "size": st.integers(1, 2**62),
        "duration": st.integers(1, 10**6),
        "number": st.integers(1, 10**6).map(float),
        "integer": st.integers(1, 10**6),
        "string": st.sampled_from(["/a", "/b/c"]),
        "path": st.sampled_from(["a", "/b", "~/c", "../d"]),
        "argv": st.lists(st.sampled_from(["a", "b c"]), min_size=1),
        "strings": st.lists(st.sampled_from(words)),
        "switch": st.booleans(),
        "paths": st.lists(st.sampled_from(["a", "/b"])),
    }[field.kind]


PLAIN = {
    path: field
    for path, field in keys.every()
    if not field.shape and not field.is_table and path != ("run", "user")
}
LAYERS = st.lists(
    st.tuples(
        st.sampled_from([Source.SYSTEM, Source.GLOBAL, Source.FLAG]),
        st.sampled_from(sorted(PLAIN)).flatmap(
            lambda path: st.tuples(st.just(path), key_values(PLAIN[path]))
        ),
    ),
    max_size=12,
)


@given(LAYERS, st.randoms())
def test_for_any_key_the_highest_layer_that_has_it_wins(given_, random):
    """Whatever order the layers come in, and whatever else they say."""
    said: dict[Source, dict[Any, Any]] = {}
    for source, (path, written) in given_:
        said.setdefault(source, {})[path] = written
    layers = [
        replace(
            flag_layer({".".join(path): written for path, written in pairs.items()}, "/base"),
            source=source,
            where={keys.dotted(path): f"{source.name} {keys.dotted(path)}" for path in pairs},
        )
        for source, pairs in said.items()
    ]
    random.shuffle(layers)
    found = resolve(layers, home=HOME)
    effective = {path: (field, holds) for path, field, holds in settings(found.config)}
    for path, default in PLAIN.items():
        winner = max((source for source in said if path in said[source]), default=None)
        field, holds = effective[path]
        if winner is None:
            assert holds == default.default
            assert keys.dotted(path) not in found.origin
        else:
            written = said[winner][path]
            assert holds == value.read(field, written, base="/base", home=HOME, spoken=True)
            assert found.origin[keys.dotted(path)] == f"{winner.name} {keys.dotted(path)}"


def test_variables_beat_files_and_flags_beat_variables():
    flags = flag_layer({"limits.pids": "7"}, "/cwd")
    variables = Layer(
        source=Source.ENVIRONMENT,
        values={"limits": {"pids": "8", "cpus": "1.5"}},
        where={"limits.pids": "OUTRIG_LIMITS__PIDS", "limits.cpus": "OUTRIG_LIMITS__CPUS"},
        base="/cwd",
    )
    found = resolve([flags, variables, layer(LOCAL, "limits.pids = 9")], home=HOME)
    assert (found.config.limits.pids, found.config.limits.cpus) == (7, 1.5)
    assert found.origin["limits.pids"] == "--pids"
    assert found.origin["limits.cpus"] == "OUTRIG_LIMITS__CPUS"


# ---------------------------------------------------------------- shapes


def test_an_entry_of_the_highest_file_wins_alone_over_the_built_in_one():
    found = resolved(
        system='[agents.claude]\nimage = "base"\nenv = { A = "1" }\nenv-optional = ["X"]',
        repo='[agents.claude]\nenv = { B = "2" }',
    )
    agent = found.config.agents["claude"]
    ours = BUILTIN_AGENTS["claude"]
    assert agent == replace(ours, env={**ours.env, "B": "2"})
    assert found.origin["agents.claude.env.B"] == f"{FILES[REPO]}:2"
    assert not [key for key in found.origin if FILES[SYSTEM] in found.origin[key]]


def test_an_empty_entry_wins_as_well():
    found = resolved(system='[agents.claude]\nimage = "base"', repo="[agents.claude]")
    assert found.config.agents["claude"] == BUILTIN_AGENTS["claude"]


def test_entries_that_a_higher_file_lacks_stay():
    found = resolved(
        system='[agents.one]\ncommand = ["1"]\n[images.one]\nimage-name = "one:1"',
        repo='[agents.two]\ncommand = ["2"]',
    )
    assert found.config.agents["one"] == AgentConfig(command=("1",))
    assert found.config.agents["two"] == AgentConfig(command=("2",))
    assert found.config.images["one"] == ImageConfig(image_name="one:1")
    assert found.config.agents.keys() >= BUILTIN_AGENTS.keys()


def test_environment_is_an_ordinary_table():
    found = resolved(system='[env]\nA = "1"\nB = "1"', repo='env = { B = "2" }')
    assert found.config.env == {"A": "1", "B": "2"}
    assert found.origin["env.A"] == f"{FILES[SYSTEM]}:2"
    assert found.origin["env.B"] == f"{FILES[REPO]}:1"


def test_an_array_of_a_higher_layer_replaces_the_lower_one():
    texts = {"system": 'host-paths = ["/a", "/b"]', "global": 'host-paths = ["/c"]'}
    assert resolved(**texts).config.host_paths == ("/c",)


def test_mounts_of_all_layers_add_up_lowest_first():
    found = resolved(
        local='[[workspace.mounts]]\nhost = "three"\ncontainer = "/3"\nmode = "rw"',
        system='[[workspace.mounts]]\nhost = "/1"\ncontainer = "/1"\n'
        '[[workspace.mounts]]\nhost = "rel"\ncontainer = "/2"',
    )
    assert found.config.workspace.mounts == (
        MountConfig(host="/1", container="/1"),
        MountConfig(host="/etc/outrig/rel", container="/2"),
        MountConfig(host=f"{ROOT}/three", container="/3", mode="rw"),
    )
    assert found.origin["workspace.mounts[1].host"] == f"{FILES[SYSTEM]}:5"
    assert found.origin["workspace.mounts[2].mode"] == f"{FILES[LOCAL]}:4"
    assert found.confined == {"workspace.mounts[2].host": ROOT}


@pytest.mark.parametrize(
    ("source", "text", "path"),
    [
        ("system", 'engine = "x"\nsession-root = "s"', "/etc/outrig/s"),
        ("global", 'session-root = "../s"', "/home/me/.config/s"),
        ("global", 'session-root = "~/s"', "/home/me/s"),
        ("global", 'session-root = "~"', "/home/me"),
        ("global", 'session-root = "//s//t/"', "/s/t"),
    ],
)
def test_what_a_path_is_relative_to(source, text, path):
    assert resolved(**{source: text}).config.session_root == path


def test_a_repository_s_paths_are_relative_to_its_root():
    found = resolved(repo='[workspace]\npath = "docker/../src"')
    assert found.config.workspace.path == f"{ROOT}/src"
    assert found.confined == {"workspace.path": ROOT}


def test_the_limits_that_a_repository_set_are_known():
    found = resolved(
        **{"global": '[limits]\ncpus = 4.0\nwall = "2h"'},
        repo='[limits]\nmemory = "1g"\nwall = "1h"\n[env]\nA = "b"',
    )
    assert found.narrowed == {"limits.memory", "limits.wall"}


def test_a_flag_s_path_is_relative_to_the_working_directory():
    found = resolve([flag_layer({"session-root": "s"}, "/cwd")], home=HOME)
    assert found.config.session_root == "/cwd/s"
    assert found.origin == {"session-root": "--session-root"}


@pytest.mark.parametrize(
    ("key", "flag"),
    [
        ("limits.memory", "--memory"),
        ("limits.wall", "--timeout"),
        ("network.mode", "--network"),
        ("run.user", "--user"),
        ("run.entrypoint", "--entrypoint"),
        ("default-agent", "--default-agent"),
    ],
)
def test_a_flag_s_name(key, flag):
    assert flag_layer({key: "x"}, "/").where == {key: flag}


# ---------------------------------------------------------------- the effective table


def test_the_effective_table_reads_back_as_the_same_configuration():
    first = resolved(
        system='engine = "tcp://x"\n[env]\nA = "${B}"\n[agents.claude.env]\nX = "${Y}"\n'
        '[[workspace.mounts]]\nhost = "/a"\ncontainer = "/b"\n'
        '[images."a.b"]\ndockerfile = "D"\nbuild-args = { V = "1" }\n'
        '[limits]\nwall = "90m"\nmemory = "1.5g"\ncpus = 2.5\n[run]\nentrypoint = ""'
    )
    text = tomli_w.dumps(as_table(first.config))
    again = resolved(system=text)
    assert again.config == first.config
    assert again.warnings == ()
    assert 'A = "${B}"' in text
    assert 'wall = "1h30m"' in text


def test_the_default_table_reads_back():
    config = resolve([], home=HOME).config
    assert resolved(system=tomli_w.dumps(as_table(config))).config == config


# ---------------------------------------------------------------- what does not fit


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


def test_an_agent_with_a_command_of_its_own_does_not_go_on_with_the_built_in_one():
    found = resolved(system='[agents.claude]\ncommand = ["mine", "{prompt}"]')
    claude = found.config.agents["claude"]
    assert claude.resume == ()
    assert claude.resume_interactive == BUILTIN_AGENTS["claude"].resume_interactive
