"""The registries that a machine's package clients are set up for, read off a made-up machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from outrig.store.registries import hosts

if TYPE_CHECKING:
    from pathlib import Path

NPM = "usr/share/nodejs/@npmcli/config/lib/definitions/definitions.js"


@pytest.fixture
def machine(tmp_path: Path):
    def lay(**files: str) -> list[str]:
        root, home = tmp_path / "root", tmp_path / "home"
        for name, text in files.items():
            path = (home if name.startswith(".") else root) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        root.mkdir(exist_ok=True)
        return list(hosts({"HOME": str(home)}, root))

    return lay


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("etc/pip.conf", "[global]\nindex-url = https://p.example/simple\n", ["p.example:443"]),
        (
            "etc/pip.conf",
            "[global]\nextra-index-url =\n    https://a.example/s\n    https://b.example/s\n",
            ["a.example:443", "b.example:443"],
        ),
        (".config/pip/pip.conf", "[global]\nfind-links = /opt/wheels\n", []),
        (".npmrc", "registry=http://u:word@n.example:4873/\n", ["n.example:4873"]),
        (
            ".npmrc",
            "@mine:registry=https://m.example/\n; registry=https://no.example\n",
            ["m.example:443"],
        ),
        (
            "etc/apt/sources.list",
            "deb [arch=amd64] http://d.example/x y z\n# deb http://no.example y\n",
            ["d.example:80"],
        ),
        (
            "etc/apt/sources.list.d/a.sources",
            "Types: deb\nURIs: http://a.example\n https://b.example/x\n",
            ["a.example:80", "b.example:443"],
        ),
        (
            ".cargo/config.toml",
            '[source.mine]\nregistry = "sparse+https://c.example/i/"\n',
            ["c.example:443"],
        ),
        (
            ".config/go/env",
            "GOPROXY=https://g.example,direct\nGOSUMDB=sum.example\n",
            ["g.example:443", "sum.example:443"],
        ),
        ("etc/pip.conf", "[global]\nindex-url = https://2130706433/simple\n", []),
    ],
)
def test_what_a_setting_names(machine, name, text, found):
    assert machine(**{name: text}) == found


def test_a_client_without_a_setting_goes_where_its_own_program_says(machine):
    text = "define('registry', {\n  default: `https://n.example/`,\n"
    assert machine(**{NPM: text}) == ["n.example:443"]
    assert machine(**{NPM: text, ".npmrc": "registry=https://m.example"}) == ["m.example:443"]


PIP = "usr/lib/python3/dist-packages/pip/_internal/models/index.py"
INDEXES = """\
PyPI = PackageIndex("https://i.example/", file_storage_domain="files.example")
TestPyPI = PackageIndex(
    "https://test.example/", file_storage_domain="test-files.example"
)
"""
USUAL = ["files.example:443", "i.example:443"]


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ("", USUAL),
        ("find-links = /opt/wheels\nextra-index-url = file:///opt/simple\n", USUAL),
        ("extra-index-url = https://more.example/simple\n", [*USUAL, "more.example:443"]),
        ("index-url = https://i.example/simple\n", USUAL),
        ("index-url = https://mine.example/simple\n", ["mine.example:443"]),
        ("index-url = file:///opt/simple\n", []),
    ],
)
def test_where_pip_goes_for_an_index_and_for_its_files(machine, settings, found):
    assert machine(**{PIP: INDEXES, "etc/pip.conf": f"[global]\n{settings}"}) == found


def test_a_registry_for_a_scope_leaves_the_usual_one(machine):
    text = "define('registry', {\n  default: `https://n.example/`,\n"
    scoped = "@mine:registry=https://m.example/\n"
    assert machine(**{NPM: text, ".npmrc": scoped}) == ["m.example:443", "n.example:443"]
    both = f"{scoped}registry=https://o.example/\n"
    assert machine(**{NPM: text, ".npmrc": both}) == ["m.example:443", "o.example:443"]


def test_variables_count_too(tmp_path):
    env = {"HOME": str(tmp_path), "GOPROXY": "https://g.example|direct"}
    assert hosts(env, tmp_path) == ["g.example:443"]
