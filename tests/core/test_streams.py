"""Who gets a terminal, and what comes on stdin."""

from __future__ import annotations

import pytest

from outrig.core.request import Request
from outrig.core.streams import Terminal
from tests.core.drafts import (
    COMMAND,
    NOTHING,
    PIPE,
    PROMPTED,
    TALK,
    TERMINAL,
    drafted,
    refusal,
)


@pytest.mark.parametrize(
    ("request_", "terminal", "tty", "stdin"),
    [
        # a command
        (COMMAND, TERMINAL, True, "terminal"),
        (COMMAND, PIPE, False, "pipe"),
        (COMMAND, NOTHING, False, "null"),
        (COMMAND, Terminal(stdin="terminal"), False, "null"),
        (Request(words=("x",), interactive=True), TERMINAL, True, "terminal"),
        (Request(words=("x",), interactive=True), PIPE, False, "pipe"),
        (Request(words=("x",), interactive=True), NOTHING, False, "pipe"),
        (Request(words=("x",), tty=True), PIPE, True, "null"),
        (Request(words=("x",), tty=True), NOTHING, True, "null"),
        (Request(words=("x",), tty=True), Terminal(stdin="terminal"), True, "terminal"),
        (Request(words=("x",), tty=False), TERMINAL, False, "null"),
        (Request(words=("x",), tty=False, interactive=True), TERMINAL, False, "pipe"),
        (Request(words=("x",), no_stdin=True), PIPE, False, "null"),
        (Request(words=("x",), no_stdin=True), TERMINAL, False, "null"),
        (Request(words=("x",), no_stdin=True, tty=True), TERMINAL, True, "null"),
        (Request(words=("x",), capture=True), TERMINAL, False, "null"),
        (Request(words=("x",), capture=True), PIPE, False, "pipe"),
        # an agent with a prompt waits for ever on an open pipe
        (PROMPTED, PIPE, False, "null"),
        (PROMPTED, TERMINAL, False, "null"),
        (Request(agent="bot", prompt="hi", interactive=True), PIPE, False, "pipe"),
        (Request(agent="bot", prompt="hi", interactive=True), TERMINAL, True, "terminal"),
        (Request(agent="bot", prompt="hi", tty=True), TERMINAL, True, "null"),
        # an agent without a prompt needs the terminal, and gets it whole
        (TALK, TERMINAL, True, "terminal"),
        (Request(agent="bot", tty=True), PIPE, True, "null"),
    ],
)
def test_the_terminal_and_stdin(request_, terminal, tty, stdin):
    plan = drafted(request_, terminal=terminal)
    assert (plan.tty, plan.stdin) == (tty, stdin)
    assert plan.size == (terminal.size if tty else None)


@pytest.mark.parametrize(
    ("request_", "terminal", "message"),
    [
        (Request(words=("x",), tty=True, interactive=True), PIPE, "-it needs one"),
        (TALK, PIPE, "an agent without a prompt needs a terminal"),
        (TALK, NOTHING, "an agent without a prompt needs a terminal"),
        (Request(agent="bot", no_stdin=True), TERMINAL, "needs a terminal"),
        (Request(agent="bot", capture=True), TERMINAL, "needs a terminal"),
    ],
)
def test_no_terminal_where_one_is_needed(request_, terminal, message):
    assert message in refusal(request_, terminal=terminal).message
