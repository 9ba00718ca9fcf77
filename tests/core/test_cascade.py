"""How layers meet: each row of the table in core/cascade.py, and the order for any key at all."""

from __future__ import annotations

import re
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
from tests.core.layers import (
    FILES,
    HOME,
    LOCAL,
    REPO,
    ROOT,
    SYSTEM,
    layer,
    resolved,
)

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


def test_an_agent_with_a_command_of_its_own_does_not_go_on_with_the_built_in_one():
    found = resolved(system='[agents.claude]\ncommand = ["mine", "{prompt}"]')
    claude = found.config.agents["claude"]
    assert claude.resume == ()
    assert claude.resume_interactive == BUILTIN_AGENTS["claude"].resume_interactive
