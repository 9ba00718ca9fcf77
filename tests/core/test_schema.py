"""The schema accepts what the cascade accepts, and the example file is true line by line."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from outrig.core import keys
from outrig.core.cascade import as_table, resolve, settings
from outrig.core.layer import Layer, Source
from outrig.core.schema import example, json_schema
from outrig.errors import ConfigError

REPO = Path(__file__).resolve().parents[2]


def resolved(table):
    layer = Layer(source=Source.GLOBAL, values=table, where={}, base="/base", file="g.toml")
    return resolve([layer], home="/home/me")


def is_valid(table):
    return Draft202012Validator(json_schema()).is_valid(table)


def test_the_schema_is_one():
    Draft202012Validator.check_schema(json_schema())


def test_every_key_is_in_it_with_its_words():
    properties = json_schema()["properties"]
    for path, field in keys.every():
        found = properties[path[0]]
        if path[1:]:
            found = found["properties"][path[1]]
        assert found["description"].startswith(field.about["doc"])


def test_the_default_configuration_is_valid():
    assert is_valid(as_table(resolve([], home="/").config))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "limits.memory = '4g'",
        "limits.memory = '1.5 GiB'",
        "limits.memory = 4096",
        "limits.memory = '4x'",
        "limits.memory = true",
        "limits.memory = 0",
        "limits.wall = '2h30m'",
        "limits.wall = '90'",
        "limits.wall = 1.5",
        "limits.wall = ''",
        "limits.wall = '1y'",
        "limits.pids = 1.5",
        "limits.pids = -1",
        "limits.cpus = 1.5",
        "limits.cpus = '2'",
        "run.grace = 0",
        "run.entrypoint = ''",
        "run.user = '1:2'",
        "run.user = 'bob'",
        "engine = ''",
        "network.mode = 'none'",
        "network.mode = 'host'",
        "network.x = 1",
        "env.A = '${B}'",
        "env.A = 1",
        "env.'A B' = '1'",
        "host-paths = ['a']",
        "host-paths = ['']",
        "host-paths = 'a'",
        "workspace.target = 'x'",
        "workspace.mounts = [{ host = 'a', container = '/b' }]",
        "workspace.mounts = [{ host = 'a' }]",
        "workspace.mounts = [{ host = 'a', container = 'b' }]",
        "images.base.dockerfile = 'D'",
        "images.Base.dockerfile = 'D'",
        "agents.claude.command = ['a', '']",
        "agents.claude.home = { 'a/b' = 'c' }",
        "agents.claude.home = { '../b' = 'c' }",
        "agents.claude.env-any-of = ['A-B']",
    ],
)
def test_the_schema_and_the_cascade_agree(text):
    table = tomllib.loads(text)
    try:
        resolved(table)
    except ConfigError:
        assert not is_valid(table)
    else:
        assert is_valid(table)


# ---------------------------------------------------------------- config.example.toml


def settings_shown():
    """Each commented setting with the header it stands below."""
    header = ""
    for line in example().splitlines():
        if found := re.fullmatch(r"#?(\[.*?\]+)(  # .*)?", line):
            header = found[1]
        elif found := re.fullmatch(r"#(\S+ = .*?) +# (\S+) +\| (.*)", line):
            yield header, found[1], found[2], found[3]


def test_the_file_in_the_repository_is_what_the_code_says():
    assert (REPO / "config.example.toml").read_text() == example(), (
        "make it again: outrig config example > config.example.toml"
    )


def test_as_it_stands_it_sets_nothing():
    found = resolved(tomllib.loads(example()))
    assert (found.origin, found.warnings) == ({}, ())


def test_each_line_is_valid_on_its_own():
    for header, setting, _, _ in settings_shown():
        more = "\nhost = '/h'\ncontainer = '/c'" if "mounts" in header else ""
        name = setting.partition(" =")[0]
        if "secrets" in header:
            needs = 'from = "env:X"\nas = "broker"\nupstream = "https://api.example.org"'
            more = needs.partition("\nas")[0] if name == "as" else needs
            setting = 'as = "file"' if name == "as" else setting  # noqa: PLW2901
        more = "image = 'redis'" if "sidecars" in header else more
        more = "\n".join(line for line in more.splitlines() if not line.startswith(name))
        found = resolved(tomllib.loads(f"{header}\n{setting}\n{more}"))
        assert found.warnings == (), setting
        assert found.origin, setting


def test_every_key_is_there_with_its_trust():
    shown = {
        (header, setting.partition(" =")[0], trust)
        for header, setting, trust, _ in settings_shown()
    }
    for path, field in keys.every():
        if field.shape:
            inner = keys.fields(field.entry)
            names = {(name, below.about["trust"]) for name, below in inner.items()}
            assert names <= {(name, trust) for _, name, trust in shown}
        elif not field.is_table:
            header = f"[{path[0]}]" if path[1:] else ""
            assert (header, str(path[-1]), field.about["trust"]) in shown


def test_a_default_that_is_shown_is_the_default():
    """A line without `default:` in its words shows the default itself."""
    defaults = {
        keys.dotted(path): holds for path, _, holds in settings(resolve([], home="/").config)
    }
    for header, setting, _, words in settings_shown():
        key = f"{header.strip('[]')}.{setting.partition(' =')[0]}".strip(".")
        if key in defaults and "(default: " not in words and not header.startswith("[agents"):
            found = resolved(tomllib.loads(f"{header}\n{setting}"))
            effective = {keys.dotted(path): holds for path, _, holds in settings(found.config)}
            assert effective[key] == defaults[key], key
