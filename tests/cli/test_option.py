"""The options of a run: typer and the quick reader understand the same by them, row by row."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import typer

from outrig.cli import option
from outrig.cli.application import RUN_SETTINGS, for_typer
from outrig.cli.resume import resume
from outrig.cli.run import run
from tests.conftest import Outrig

if TYPE_CHECKING:
    from pathlib import Path

DEFAULTS = {name: one.default for name, one in inspect.signature(run).parameters.items()}


def read(*line: str) -> dict[str, Any] | None:
    """With the defaults of what was not given."""
    given = option.read(run, line)
    return None if given is None else _whole({**DEFAULTS, **given})


def typers(*line: str) -> dict[str, Any]:
    """What typer calls the command with."""
    seen: dict[str, Any] = {}

    def note(**given: Any) -> None:
        seen.update(given)

    vars(note)["__signature__"] = inspect.signature(for_typer(run))
    app = typer.Typer()
    app.command(context_settings=RUN_SETTINGS)(note)
    app(list(line), standalone_mode=False)
    return _whole(seen)


def _whole(given: dict[str, Any]) -> dict[str, Any]:
    """No words and none at all are the same to the command."""
    return {name: None if value == [] else value for name, value in given.items()}


def spelled(one: inspect.Parameter) -> list[tuple[str, ...]]:
    """Each option, by each of its names, in each form."""
    kind, about = option.said(one.annotation)
    assert isinstance(about, option.Option)
    rows: list[tuple[str, ...]] = []
    for name in about.names.split():
        if kind is bool:
            rows.append((name,))
            continue
        rows += [(name, "a b"), (name, ""), (name, "first", name, "second"), (name, "x=y")]
        if name.startswith("--"):
            rows += [(f"{name}=a b",), (f"{name}=",), (f"{name}=-x=y",)]
    return rows


OPTIONS = [one for one in inspect.signature(run).parameters.values() if one.name != "words"]


@pytest.mark.parametrize("one", OPTIONS, ids=lambda one: one.name)
def test_each_option_is_read_as_typer_reads_it(one):
    for row in spelled(one):
        assert read(*row, "--", "true") == typers(*row, "--", "true")
        given = read(*row)
        assert given is not None
        assert given[one.name] not in (None, False)


@pytest.mark.parametrize(
    "line",
    [
        (),
        ("--",),
        ("true",),
        ("-",),
        ("",),
        ("--", "--", "x"),
        ("make", "--", "test", "--json"),
        ("--json", "make", "-j", "2"),
        ("--json", "--", "--verbose"),
        ("-e", "A=1", "--env", "B", "--env=C=", "-i", "--image", "x", "--", "sh", "-c", "a; b"),
        ("--session-root=/no/where", "--prompt-file", "-x/y".removeprefix("-"), "true"),
        ("-p", "fix\nthis \udcff", "--agent", "claude"),
        ("--prompt", "a", "-p", "b"),
    ],
)
def test_a_line_that_is_spelled_out_is_read_as_typer_reads_it(line):
    given = read(*line)
    assert given is not None
    assert given == typers(*line)


@pytest.mark.parametrize(
    "line",
    [
        ("--nosuch",),
        ("--imag", "x"),
        ("-q",),
        ("--json=yes",),
        ("--image",),
        ("-p",),
        ("--help",),
        ("-h",),
        ("--pids", "--json", "true"),
    ],
)
def test_what_is_wrong_or_unusual_is_left_to_typer(line):
    assert read(*line) is None


@pytest.mark.parametrize(
    ("line", "spelled_out"),
    [
        (("-eA=1", "true"), ("-e", "A=1", "true")),
        (("-it", "true"), ("-i", "-t", "true")),
        (("-ip", "do", "true"), ("-i", "-p", "do", "true")),
    ],
)
def test_what_typer_alone_understands_is_understood(line, spelled_out):
    assert read(*line) is None
    assert typers(*line) == read(*spelled_out)


def test_a_value_that_looks_like_an_option_is_typers_to_judge():
    assert read("-p", "- do it") is None
    assert typers("-p", "- do it")["prompt"] == "- do it"


def test_a_directory_or_a_file_that_cannot_be_read_is_no_matter_of_options(tmp_path: Path):
    assert read("--config", str(tmp_path)) == typers("--config", str(tmp_path))


@pytest.mark.parametrize(
    ("line", "loaded"),
    [(("--dry-run", "--", "true"), False), (("--dry-run", "-eA=1", "--", "true"), True)],
)
def test_a_run_that_is_spelled_out_loads_no_typer(tmp_path: Path, line, loaded):
    probe = (
        "import sys\nfrom outrig.cli.main import main\ncode = main(sys.argv[1:])\n"
        "print('typer' in sys.modules, file=sys.stderr)\nsys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", probe, "run", *line],
        env=Outrig.environment(None),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.split()[-1] == str(loaded)


def test_every_limit_of_a_run_may_be_another_when_it_goes_on():
    """`outrig resume`: limits are as they were, unless given anew."""
    limits = {"memory", "cpus", "pids", "timeout", "idle_timeout", "disk"}
    limits |= {"model_requests", "model_tokens"}
    for command in (run, resume):
        assert limits <= inspect.signature(command).parameters.keys()
