"""The application as typer knows it: what typer finds wrong becomes a failure like all others."""

from __future__ import annotations

import pytest
import typer

from outrig.cli import application
from outrig.errors import UsageError


@pytest.mark.parametrize(
    ("command", "argv", "hint"),
    [
        ("run", ["run", "--nosuch"], "outrig run --help"),
        ("ls", ["ls", "-n", "many"], "outrig ls --help"),
        (None, ["--nosuch"], "outrig --help"),
        (None, ["nosuch"], "outrig --help"),
    ],
)
def test_misuse_has_a_hint_at_the_help(command, argv, hint):
    with pytest.raises(UsageError) as found:
        application.run(command, argv)
    assert found.value.hint == hint


@pytest.mark.parametrize(
    ("argv", "asked"),
    [
        (["run", "--json", "--bad"], True),
        (["run", "--bad"], False),
        (["run", "--bad", "--", "x", "--json"], False),
    ],
)
def test_misuse_is_json_where_that_was_asked_for(argv, asked):
    with pytest.raises(UsageError) as found:
        application.run("run", argv)
    assert found.value.as_json == asked


def test_an_abort_is_an_interrupt(monkeypatch):
    def abort(**_: object) -> None:
        raise typer.Abort

    monkeypatch.setattr(application, "overview", lambda: abort)
    with pytest.raises(KeyboardInterrupt):
        application.run(None, [])
