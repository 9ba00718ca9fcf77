from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrig.core import keys
from outrig.core.cascade import resolve
from outrig.core.variables import variables_layer
from outrig.errors import ConfigError
from outrig.store import toml


def layer(env):
    return variables_layer(env, cwd="/cwd", array=toml.array)


def config(env):
    return resolve([layer(env)], home="/home/me").config


@pytest.mark.parametrize(
    ("env", "section", "attribute", "value"),
    [
        ({"OUTRIG_LIMITS__MEMORY": "4g"}, "limits", "memory", 4 * 1024**3),
        ({"OUTRIG_LIMITS__PIDS": "100"}, "limits", "pids", 100),
        ({"OUTRIG_LIMITS__CPUS": "1.5"}, "limits", "cpus", 1.5),
        ({"OUTRIG_LIMITS__CPUS": "2"}, "limits", "cpus", 2.0),
        ({"OUTRIG_LIMITS__WALL": "90m"}, "limits", "wall", 5400),
        ({"OUTRIG_LIMITS__LOG_BYTES": "1m"}, "limits", "log_bytes", 1024**2),
        ({"OUTRIG_NETWORK__MODE": "none"}, "network", "mode", "none"),
        ({"OUTRIG_RUN__USER": "1000:1000"}, "run", "user", "1000:1000"),
        ({"OUTRIG_RUN__ENTRYPOINT": ""}, "run", "entrypoint", ""),
        ({"OUTRIG_WORKSPACE__PATH": "sub"}, "workspace", "path", "/cwd/sub"),
    ],
)
def test_a_key_of_a_section(env, section, attribute, value):
    assert getattr(getattr(config(env), section), attribute) == value


@pytest.mark.parametrize(
    ("env", "attribute", "value"),
    [
        ({"OUTRIG_SESSION_ROOT": "~/s"}, "session_root", "/home/me/s"),
        ({"OUTRIG_SESSION_ROOT": ""}, "session_root", None),
        ({"OUTRIG_DEFAULT_IMAGE": "x"}, "default_image", "x"),
        ({"OUTRIG_HOST_PATHS": '["~/bin", "b"]'}, "host_paths", ("/home/me/bin", "/cwd/b")),
        ({"OUTRIG_ENV__TZ": "UTC"}, "env", {"TZ": "UTC"}),
        ({"OUTRIG_ENV__http_proxy": ""}, "env", {"http_proxy": ""}),
        ({"OUTRIG_ENV__A__B_C": "${X}"}, "env", {"A__B_C": "${X}"}),
    ],
)
def test_a_key_at_the_top(env, attribute, value):
    assert getattr(config(env), attribute) == value


def test_mounts_as_toml():
    env = {"OUTRIG_WORKSPACE__MOUNTS": '[{ host = "/a", container = "/b" }]'}
    assert config(env).workspace.mounts[0].host == "/a"


def test_without_any_there_is_no_layer():
    assert layer({"PATH": "/bin", "_OUTRIG_COMPLETE": "bash"}) is None


@pytest.mark.parametrize(
    ("name", "warning"),
    [
        (
            "OUTRIG_LIMITS__MEMROY",
            "OUTRIG_LIMITS__MEMROY: no such key; did you mean OUTRIG_LIMITS__MEMORY?",
        ),
        (
            "OUTRIG_LIMITS_MEMORY",
            "OUTRIG_LIMITS_MEMORY: no such key; did you mean OUTRIG_LIMITS__MEMORY?",
        ),
        ("OUTRIG_QQQQQQ", "OUTRIG_QQQQQQ: no such key"),
        ("OUTRIG_", "OUTRIG_: no such key"),
        (
            "OUTRIG_session_root",
            "OUTRIG_session_root: no such key; did you mean OUTRIG_SESSION_ROOT?",
        ),
        (
            "OUTRIG_AGENTS__CLAUDE__IMAGE",
            "OUTRIG_AGENTS__CLAUDE__IMAGE: [agents.NAME] is read from files only",
        ),
        ("OUTRIG_IMAGES", "OUTRIG_IMAGES: [images.NAME] is read from files only"),
        ("OUTRIG_ENV", "OUTRIG_ENV: no such key"),
        ("OUTRIG_WORKSPACE__MOUNTS__0", "OUTRIG_WORKSPACE__MOUNTS__0: no such key"),
        ("OUTRIG_LIMITS", "OUTRIG_LIMITS: no such key"),
    ],
)
def test_an_unknown_variable_is_a_warning(name, warning):
    found = layer({name: "s3cr3t"})
    assert found.values == {}
    (said,) = found.warnings
    assert said == warning or said.startswith(f"{warning}; did you mean")


def test_an_unknown_variable_of_the_network_is_an_error():
    with pytest.raises(ConfigError, match="did you mean OUTRIG_NETWORK__MODE"):
        layer({"OUTRIG_NETWORK__MOED": "none"})


@pytest.mark.parametrize("text", ["x", '"x"', "[1", "1]", "[" * 5000, "[]\nb = 1\nvalue.c = 1"])
def test_an_array_that_is_none(text):
    with pytest.raises(ConfigError) as caught:
        layer({"OUTRIG_HOST_PATHS": text})
    assert caught.value.message == "OUTRIG_HOST_PATHS: expected an array as TOML writes it"


PLAIN = [path for path, field in keys.every() if not field.shape and not field.is_table]


@given(st.sampled_from(PLAIN))
def test_each_key_has_a_variable_that_means_it(path):
    assert keys.variable_path(keys.variable(path)) == path
