"""What runs beside the agent: the table of flags, terminal and record, row by row."""

from __future__ import annotations

import os
import subprocess

import pytest

from outrig.core.exec import Wish, draft, environment
from outrig.core.session import Session
from outrig.core.streams import Terminal
from outrig.errors import UsageError

TERMINALS = Terminal(stdin="terminal", all_terminals=True, size=(24, 80))
PIPED_OUT = Terminal(stdin="terminal", size=(24, 80))
DATA = Terminal(stdin="data")
NOTHING = Terminal()
SESSION = Session({"schema": 1, "id": "x", "workspace": {"target": "/workspace"}})


def wish(*argv: str, **how) -> Wish:
    return Wish(argv=argv or ("ls",), **how)


@pytest.mark.parametrize(
    ("terminal", "how", "tty", "stdin"),
    [
        (TERMINALS, {}, True, "terminal"),
        (TERMINALS, {"interactive": True}, True, "terminal"),
        (TERMINALS, {"tty": False}, False, "null"),
        (TERMINALS, {"tty": False, "interactive": True}, False, "pipe"),
        (TERMINALS, {"no_stdin": True}, False, "null"),
        (TERMINALS, {"no_stdin": True, "tty": True}, True, "null"),
        (PIPED_OUT, {}, False, "null"),
        (PIPED_OUT, {"interactive": True}, False, "pipe"),
        (PIPED_OUT, {"tty": True}, True, "terminal"),
        (DATA, {}, False, "pipe"),
        (DATA, {"interactive": True}, False, "pipe"),
        (DATA, {"tty": True}, True, "null"),
        (DATA, {"no_stdin": True}, False, "null"),
        (NOTHING, {}, False, "null"),
        (NOTHING, {"interactive": True}, False, "pipe"),
    ],
)
def test_terminal_and_input(terminal, how, tty, stdin) -> None:
    drafted = draft(wish(**how), SESSION, terminal)
    assert (drafted.command.tty, drafted.stdin) == (tty, stdin)
    assert drafted.command.stdin == (stdin != "null")
    assert drafted.command.size == (terminal.size if tty else None)


@pytest.mark.parametrize("ways", [{}, {"a": "file", "b": "broker"}, {"a": "file", "b": "env"}])
def test_the_variables_that_are_secrets_are_there(ways) -> None:
    session = Session({**SESSION.fields, "secrets": {"given": ways}})
    argv = draft(wish("a", "b c"), session, NOTHING).command.argv
    assert argv[-2:] == ("a", "b c")
    assert (argv[0] == "/bin/sh") == ("env" in ways.values())
    assert len(argv) == (6 if "env" in ways.values() else 2)


def test_a_variable_that_is_given_comes_before_a_secret_of_that_name(tmp_path) -> None:
    secrets = tmp_path / "script"
    secrets.write_text("export TOKEN=secret OTHER='of the session'\n")
    session = Session({**SESSION.fields, "secrets": {"given": {"a": "env"}}})
    asked = wish("printenv", "TOKEN", "OTHER", variables=("TOKEN", "not-one"))
    argv = draft(asked, session, NOTHING).command.argv
    here = [word.replace("/run/outrig/secrets/.environment", str(secrets)) for word in argv]
    done = subprocess.run(
        here, env={"TOKEN": "my $own 'x'", "PATH": os.environ["PATH"]}, stdout=-1, check=True
    )
    assert done.stdout.decode() == "my $own 'x'\nof the session\n"
    secrets.unlink()  # another user: who may not read it has none of it
    done = subprocess.run(
        here, env={"TOKEN": "mine", "PATH": os.environ["PATH"]}, stdout=-1, check=False
    )
    assert done.stdout.decode() == "mine\n"


def test_data_and_a_terminal_are_refused() -> None:
    with pytest.raises(UsageError, match="not a terminal"):
        draft(wish(tty=True, interactive=True), SESSION, DATA)


def test_no_command_points_at_the_shell() -> None:
    for argv in ((), ("",)):
        with pytest.raises(UsageError) as caught:
            draft(Wish(argv=argv), SESSION, DATA)
        assert caught.value.hint == "outrig shell x"


@pytest.mark.parametrize(
    ("asked", "inside"),
    [("caller", ""), ("root", "0:0"), ("1000", "1000:1000"), ("1000:50", "1000:50")],
)
def test_users(asked, inside) -> None:
    assert draft(wish(user=asked), SESSION, DATA).command.user == inside


def test_a_user_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="neither"):
        draft(wish(user="ada"), SESSION, DATA)


@pytest.mark.parametrize(
    ("asked", "inside"),
    [(None, ""), ("/a/../b", "/b"), ("src", "/workspace/src"), ("..", "/"), (".", "/workspace")],
)
def test_working_directories(asked, inside) -> None:
    assert draft(wish(workdir=asked), SESSION, DATA).command.working_dir == inside


@pytest.mark.parametrize("workspace", [None, "x", {}, {"target": 3}])
def test_a_relative_directory_needs_a_workspace(workspace) -> None:
    session = Session({"schema": 1, "id": "x", "workspace": workspace})
    with pytest.raises(UsageError, match="absolute"):
        draft(wish(workdir="src"), session, DATA)


def test_a_terminal_brings_its_kind_along() -> None:
    host = {"TERM": "screen", "COLORTERM": "", "HOME": "/home/ada"}
    on_terminal = draft(wish(), SESSION, TERMINALS).command
    assert environment(on_terminal, {"A": "b"}, host) == {"TERM": "screen", "A": "b"}
    assert environment(on_terminal, {"TERM": "mine"}, host) == {"TERM": "mine"}
    assert environment(draft(wish(), SESSION, DATA).command, {}, host) == {}
