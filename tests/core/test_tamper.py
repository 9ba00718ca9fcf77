"""What a session leaves is told by its path, and by what of a file counts."""

from __future__ import annotations

import pytest

from outrig.core import tamper
from outrig.core.session import Session
from outrig.core.tamper import Trace


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (".husky/pre-commit", "git-hook"),
        (".pre-commit-config.yaml", "git-hook"),
        ("web/lefthook.yml", "git-hook"),
        (".envrc", "environment"),
        ("deep/er/.ENVRC", "environment"),
        ("mise.toml", "environment"),
        (".vscode/tasks.json", "editor"),
        ("packages/a/.idea/workspace.xml", "editor"),
        (".devcontainer/devcontainer.json", "editor"),
        ("my.code-workspace", "editor"),
        (".exrc", "editor"),
        (".claude/settings.json", "agent"),
        (".claude", "agent"),
        (".mcp.json", "agent"),
        (".cursor/mcp.json", "agent"),
        ("AGENTS.md", "agent"),
        ("sub/CLAUDE.md", "agent"),
        (".agents/skills/x.md", "agent"),
        (".github/copilot-instructions.md", "agent"),
        (".agents/outrig/config.toml", "outrig"),
        (".github/workflows/ci.yml", "ci"),
        (".GitHub/Workflows/ci.yml", "ci"),
        (".gitlab-ci.yml", "ci"),
        ("Jenkinsfile", "ci"),
        (".circleci/config.yml", "ci"),
        (".gitattributes", "attributes"),
        ("sub/.gitattributes", "attributes"),
        (".gitmodules", "submodule"),
        ("package.json", "scripts"),
        ("setup.py", "build"),
        ("crate/build.rs", "build"),
        ("Makefile", "build"),
        (".cargo/config.toml", "build"),
        (".npmrc", "build"),
        ("vendored/.github/workflows/ci.yml", None),
        (".github/FUNDING.yml", None),
        ("src/main.py", None),
        ("envrc", None),
        ("README.md", None),
    ],
)
def test_what_a_path_is(path, kind):
    assert tamper.kind(path) == kind


def test_every_kind_has_its_row():
    rows = tamper.__doc__.split("|")
    known = {word.strip() for cell in rows for word in cell.split(",")}
    assert set(tamper.KINDS) <= known
    tables = (tamper._FILES, tamper._DIRECTORIES, tamper._TOP, tamper._ENDINGS)
    assert {found for table in tables for found in table.values()} <= set(tamper.KINDS)
    assert all(name == name.lower() for table in tables for name in table)


@pytest.mark.parametrize(
    ("path", "made"),
    [
        ("node_modules/x/.vscode/a", True),
        ("web/Node_Modules/x", True),
        (".venv/bin/python", True),
        ("node_modules", False),
        ("src/.vscode/a", False),
    ],
)
def test_what_lies_among_packages(path, made):
    assert tamper.made(path) is made


@pytest.mark.parametrize(
    ("path", "target", "leaves"),
    [
        ("a", "b", False),
        ("sub/a", "../b", False),
        ("sub/a", "../../b", True),
        ("a", "..", True),
        ("a", ".", False),
        ("sub/a", "..", False),
        ("a", "/etc/passwd", True),
        ("a", "..b", False),
        ("sub/a", "x/../../../b", True),
    ],
)
def test_which_links_leave(path, target, leaves):
    assert tamper.leaves(path, target) is leaves


@pytest.mark.parametrize(
    ("path", "old", "new", "telling"),
    [
        ("package.json", b"{}", b'{"dependencies": {"a": "1"}}', None),
        ("package.json", b"", b'{"scripts": {"postinstall": "x"}}', "scripts postinstall"),
        (
            "package.json",
            b'{"scripts": {"a": "1", "b": "1"}}',
            b'{"scripts": {"a": "1", "b": "2"}}',
            "scripts b",
        ),
        ("package.json", b'{"scripts": {"a": "1"}}', b'{"scripts": {}}', None),
        ("package.json", b"{}", b"no json", ""),
        ("package.json", b"no json", b'{"scripts": {"a": "1"}}', "scripts a"),
        ("package.json", b"{}", b"[" * 100_000, ""),
        ("package.json", b"{}", b'{"scripts": 7}', None),
        (".gitattributes", b"", b"*.c text eol=lf\n*.py diff=python\n", None),
        (".gitattributes", b"", b"* filter=x diff=y\n", "diff=y filter=x"),
        (".gitattributes", b"* filter=lfs\n", b"* filter=lfs\n*.a filter=lfs\n", None),
        (".gitattributes", b"", b"* merge=union", None),
        ("pyproject.toml", b"", b"[project]\nname = 'x'\n", None),
        ("pyproject.toml", b"", b"[build-system]\nrequires = []\n", "build-system"),
        (
            "pyproject.toml",
            b"[build-system]\nrequires = []\n",
            b"[build-system]\nrequires = []\nbackend-path = ['.']\n",
            "build-system",
        ),
        (
            "pyproject.toml",
            b"[build-system]\nrequires = []\n[project]\n",
            b"[project]\nx = 1\n[build-system]\nrequires = []\n",
            None,
        ),
        ("pyproject.toml", b"", b'["build-system"]\nrequires = []\n', "build-system"),
        ("pyproject.toml", b"", b"build-system.build-backend = 'x'\n", "build-system"),
        ("Makefile", b"a", b"b", ""),
    ],
)
def test_what_of_a_change_counts(path, old, new, telling):
    assert tamper.telling(path, old, new) == telling


def session(traces):
    return Session({"id": "s", "workspace": {"tamper": tamper.as_field(traces)}})


def test_what_matters_comes_first_and_once():
    traces = [
        Trace(kind="executable", path="a"),
        Trace(kind="git-hook", path="b"),
        Trace(kind="git-hook", path="b"),
        Trace(kind="ci", path="c"),
    ]
    assert [one.kind for one in tamper.ordered(traces)] == ["git-hook", "ci", "executable"]


def test_the_record_and_the_notice_have_bounds():
    left = session([Trace(kind="executable", path=f"{number:04}") for number in range(1000)])
    assert len(left.workspace["tamper"]) == tamper.MOST + 1
    assert left.workspace["tamper"][-1]["what"] == "and 800 more"
    assert tamper.notice(left) == (
        "it changed what can act on this machine later: executable 0000, executable 0001, "
        "executable 0002, executable 0003 and 996 more; see: outrig show s"
    )


def test_nothing_left_is_nothing_said():
    assert tamper.notice(session([])) is None
    assert tamper.notice(Session({"id": "s"})) is None
    assert tamper.notice(Session({"id": "s", "workspace": {"tamper": [7, {}]}})) is not None


def test_a_hostile_name_is_one_harmless_line():
    path = "a\n[outrig] all is well\x1b]0;x\x07\u202e\udcff" + "y" * 500
    left = session([Trace(kind="environment", path=path)])
    said = tamper.notice(left) or ""
    assert said.isprintable()
    assert len(said) < 200
    assert r'environment "a\n[outrig] all is well\u001b' in said
    assert tamper.words(tamper.noted(left)[0]).isprintable()
    assert left.workspace["tamper"][0]["path"].encode()
